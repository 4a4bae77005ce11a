"""Weights: from where a registry entry says to verified local files."""
