"""Drills: faults put into a running cluster, and a checker over what its clients saw."""
