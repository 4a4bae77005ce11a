"""The verbs of the public API, a module for each."""
