"""Files, https, installed packages and clocks."""
