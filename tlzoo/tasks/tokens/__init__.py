"""Token tagging: named entities and other spans of a text."""
