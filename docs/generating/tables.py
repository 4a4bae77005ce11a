"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with its head; bars inside cells are escaped, line ends become blanks."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def code(text: object) -> str:
    """Inline code; nothing where there is nothing."""
    fence = "``" if "`" in str(text) else "`"
    return f"{fence}{text}{fence}" if text not in ("", None) else ""
