"""The packet's numbered recipes: seal, verify, open, acknowledge."""
