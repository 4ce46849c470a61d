"""Logging with redaction, metrics."""
