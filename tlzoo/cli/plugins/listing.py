"""`tlzoo plugins list`."""

from __future__ import annotations

from typing import Any

from tlzoo import plugins
from tlzoo.cli.shared.options import Json
from tlzoo.cli.shared.output import print_json, print_table
from tlzoo.plugins.authoring.status import status
from tlzoo.progress import say

COLUMNS = ("name", "distribution", "version", "checkpoints", "license", "status")


def show(json: Json = False) -> None:
    """List the installed plugins without importing them; problems are reported on stderr."""
    rows = status()
    if json:
        print_json(rows)
        return
    print_table(COLUMNS, ([_cell(row[column]) for column in COLUMNS] for row in rows))
    for row in rows:
        if row["error"]:
            error = row["error"].rstrip(".")
            say(f"{row['name']} ({row['distribution']} {row['version']}) is {row['status']}: {error}.")
    if not rows:
        say(f"No plugin is installed. Install one: tlzoo plugins install {plugins.FIRST_PARTY['vision']}")


def _cell(value: Any) -> object:
    return len(value) if isinstance(value, list) else value
