"""The tables of `docs/reference/families.md`, read and written; nothing here needs torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "families.md"
RENEW = "uv run python tools/families.py"
TABLES = ("pictures", "texts", "sounds")
_TABLE = re.compile(r"(<!-- families: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """What happens to a family: `cut`, `falls back`, `refused` or `left out`, why, and what a cut is worth.

    `frozen` is the share of the parameters that do not train, `once` that of the multiplications in front of the cut.
    `model` is empty where it has the family's name.
    """

    name: str
    model: str
    happens: str
    frozen: str = ""
    once: str = ""
    reason: str = ""


def read() -> dict[str, dict[str, Row]]:
    """Each table's rows by the names of their families."""
    text = PAGE.read_text(encoding="utf-8")
    return {
        name: {row.name: row for row in map(_row, body.splitlines()[2:])} for _, name, body, _ in _TABLE.findall(text)
    }


def write(tables: dict[str, dict[str, Row]]) -> None:
    """Put these rows into the page, in the order of their names."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(
        _TABLE.sub(lambda found: f"{found[1]}{_table(tables[found[2]].values())}{found[4]}", text), encoding="utf-8"
    )


def _row(line: str) -> Row:
    family, happens, frozen, once, reason = (cell.strip() for cell in line.strip("|").replace("\\|", "¦").split("|"))
    name, _, model = family.partition(": ")
    return Row(name, model, happens, frozen, once, reason.replace("¦", "|"))


def _table(rows: Iterable[Row]) -> str:
    head = ["| family | outcome | frozen | once | reason |", "|---|---|---|---|---|"]
    return "\n".join([*head, *map(_line, sorted(rows, key=lambda row: row.name))]) + "\n"


def _line(row: Row) -> str:
    family = f"{row.name}: {row.model}" if row.model else row.name
    cells = (family, row.happens, row.frozen, row.once, row.reason.replace("|", "\\|"))
    return f"| {' | '.join(cells)} |".replace("  ", " ")
