"""My work: the first screen of the day."""
