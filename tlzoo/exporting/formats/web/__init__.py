"""A static folder in which the model answers inside the browser: page, model, and the libraries they need."""

from tlzoo.exporting.formats.web.folder import libraries, write

__all__ = ["libraries", "write"]
