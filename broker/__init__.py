"""Setu's broker: checks, commits and routes signed, encrypted packets between agencies."""
