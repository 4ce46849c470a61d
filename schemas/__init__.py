"""Setu's shared formats: data only, usable by an agency without the broker."""
