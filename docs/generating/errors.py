"""The error tree, from the docstring of `tlzoo.errors`, which draws it."""

from __future__ import annotations

import inspect

from tlzoo import errors


def page() -> str:
    """The first sentence, then the drawing."""
    said, _, drawing = inspect.cleandoc(errors.__doc__ or "").partition("\n\n")
    return f"{said}\n\n```text\n{drawing}\n```"
