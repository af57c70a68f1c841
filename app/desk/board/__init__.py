"""The work board."""
