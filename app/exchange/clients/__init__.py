"""Bringing clients over from other systems: read, map, compare, import, undo."""
