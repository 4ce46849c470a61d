"""The agencies, their keys and mandates; which of them was valid under which version."""
