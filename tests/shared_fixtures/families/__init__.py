"""Every architecture family that the plugins can build, each at a tiny size, and what becomes of its frozen part."""
