"""What changed, told to open pages: topics over one stream a browser, never content."""
