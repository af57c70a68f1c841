"""Timers, time entries, rate cards, expenses."""
