"""A sphinx extension: `<!-- generated: NAME -->` in a page becomes Markdown made from the code of tlzoo."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from generating import commands, errors, formats, hooks

PAGES: dict[str, Callable[[], str]] = {
    "commands": commands.page,
    "errors": errors.page,
    "hooks": hooks.page,
    "parts": hooks.parts,
    "registry": formats.registry,
    "manifest": formats.manifest,
    "lock": formats.lock,
    "run": formats.run,
}
MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def fill(text: str) -> str:
    """The page's text with every mark replaced. Raises KeyError for a mark that names nothing."""
    return MARK.sub(lambda mark: PAGES[mark[1]](), text)


def _on_source_read(app: Any, page: str, source: list[str]) -> None:
    if MARK.search(source[0]):
        app.env.note_reread()  # it changes with the code, which sphinx does not watch
        source[0] = fill(source[0])


def setup(app: Any) -> dict[str, bool]:
    """What sphinx calls."""
    app.connect("source-read", _on_source_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
