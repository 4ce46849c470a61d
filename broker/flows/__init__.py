"""One use case each, over ports."""
