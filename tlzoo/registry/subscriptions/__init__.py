"""The registries that the user adds: fetched, verified by a key or a hash, kept for use without a network."""
