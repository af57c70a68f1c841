"""Figures over all rooms, each of which opens into its rows."""
