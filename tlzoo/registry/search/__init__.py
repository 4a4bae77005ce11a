"""Search among entries: in memory for ordinary registry files, in an index in the cache for large ones."""
