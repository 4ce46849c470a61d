"""The packet kinds, one module each that declares `KIND`, and the parts that they are made of."""
