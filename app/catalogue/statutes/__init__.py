"""Statutory and court deadlines, one table for each body of law; read by app.catalogue.statutory."""
