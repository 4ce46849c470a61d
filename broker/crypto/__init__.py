"""Suites, keys, key wrap, signatures, certificates: the only door to `cryptography`."""
