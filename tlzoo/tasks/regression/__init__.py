"""Regression: one number per sample."""
