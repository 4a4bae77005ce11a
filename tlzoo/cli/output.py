"""What commands share: an app that stays out of the way, one JSON document, a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import typer


def make_app(help: str) -> typer.Typer:
    """A Typer app whose errors are left to `tlzoo.cli.main`."""
    return typer.Typer(help=help, add_completion=False, pretty_exceptions_enable=False)


def single(function: Callable[..., None]) -> typer.Typer:
    """An app of one command; its help is the function's docstring."""
    app = make_app(function.__doc__ or "")
    app.command()(function)
    return app


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on a terminal, tab-separated lines elsewhere."""
    if not sys.stdout.isatty():
        for row in [columns, *rows]:
            print("\t".join("" if cell is None else str(cell) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console().print(table)
