"""Commands around weights on disk."""
