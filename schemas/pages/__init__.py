"""Documentation of the kinds, made from their models: `schemas/spec/kinds`."""
