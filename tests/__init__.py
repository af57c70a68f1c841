"""The product's tests: one file per use case, on real services."""
