"""A whole cluster on one machine: real engines and services as processes on loopback, started and ended together."""
