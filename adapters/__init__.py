"""Per-agency adapters: hand packets on to the systems an agency already has."""
