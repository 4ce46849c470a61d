"""The names of topics, and the ways packets travel."""
