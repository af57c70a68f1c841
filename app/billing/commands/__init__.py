"""Changing what is billed and paid."""
