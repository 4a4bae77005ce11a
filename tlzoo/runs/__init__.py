"""Runs: what training leaves in a folder."""
