"""A new plugin's project, written from the template beside this package."""
