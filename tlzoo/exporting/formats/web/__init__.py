"""A static folder in which the model answers inside the browser: page, model, and the libraries they need."""

from tlzoo.exporting.formats.web.folder import check_task, libraries, write

__all__ = ["check_task", "libraries", "write"]
