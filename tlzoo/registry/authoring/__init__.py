"""What authors of registries need: an entry drafted from weight files, and what stands beside them."""
