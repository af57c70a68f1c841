"""The client page: one record over every room."""
