"""Changing time: timers, entries, rates, expenses."""
