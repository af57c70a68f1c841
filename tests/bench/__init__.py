"""The benchmark: a filled database of three sizes, two floors, and every promise of speed measured against them."""
