"""Search among many entries: sets of rows as bitmaps, in memory for small files and in an index for large ones."""
