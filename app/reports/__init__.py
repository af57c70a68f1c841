"""Figures for whoever steers the firm."""
