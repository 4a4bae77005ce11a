"""Formats of weights files."""
