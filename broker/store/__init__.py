"""Entries, packets, topics and positions, kept in a database."""
