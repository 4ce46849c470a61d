"""The transparency log of every exchange, and the commit point of the broker."""
