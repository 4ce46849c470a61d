"""Trees, tiles, signed notes and proofs; pure, no I/O."""
