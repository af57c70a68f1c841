"""In and out: imports, CSV, backup and restore."""
