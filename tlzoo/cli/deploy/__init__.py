"""Commands around an exported file."""
