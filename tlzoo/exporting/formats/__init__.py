"""Layouts that an export can be written in, besides one file."""
