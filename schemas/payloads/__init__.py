"""The packet kinds: one module each, with its versions and the upgrade from one to the next."""
