"""Clients, their contacts, the engagements agreed with them, and the walls around them."""
