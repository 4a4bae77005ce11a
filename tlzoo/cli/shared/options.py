"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from tlzoo.data import Columns

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress")]
Data = Annotated[
    Path, typer.Argument(help="Folder per class, folder with train/ and test/, or CSV, TSV, JSONL, Parquet")
]
Out = Annotated[Path, typer.Option("--out", help="Where to write it; must not exist yet")]
TextColumn = Annotated[str | None, typer.Option(help="Column of the texts \\[text]")]
PathColumn = Annotated[str | None, typer.Option(help="Column of the files' paths \\[path]")]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the labels \\[label]")]


def columns(text: str | None, path: str | None, label: str | None) -> Columns:
    """The columns that were named, as `tlzoo.data.read` takes them."""
    named = {"text_column": text, "path_column": path, "label_column": label}
    return cast("Columns", {name: value for name, value in named.items() if value is not None})
