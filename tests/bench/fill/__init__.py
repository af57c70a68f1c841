"""Filling a database with the rows that the product itself would have written."""
