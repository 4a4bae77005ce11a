"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from tlzoo.data import Columns

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Hide progress")]
Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Folder per class, folder with train/ and test/, CSV, TSV, JSONL, Parquet, or a format of the task",
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Output folder; must not exist yet")]
TextColumn = Annotated[str | None, typer.Option(help="Column of the texts \\[text]")]
PathColumn = Annotated[str | None, typer.Option(help="Column of the files' paths \\[path]")]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the labels \\[label]")]
SplitColumn = Annotated[
    str | None, typer.Option(help="Column that says which part a row is in: train, validation or test")
]
GroupColumn = Annotated[
    str | None, typer.Option(help="Column of groups, such as patients or speakers: rows of a group stay in one part")
]
WeightColumn = Annotated[
    str | None, typer.Option(help="Column of weights, 0 or more: how much a row counts in training")
]


Others = Annotated[
    list[str] | None,
    typer.Option(
        "--column", help="Column of another role of the task, as ROLE=NAME, such as tags=ner_tags; repeatable"
    ),
]


SkipBroken = Annotated[
    str, typer.Option(help="Leave out samples that cannot be read, up to this share of all, such as 1%")
]


def columns(
    text: str | None, path: str | None, label: str | None, others: list[str] | None = None, **more: str | None
) -> Columns:
    """The columns that were named, as `tlzoo.data.read` takes them; raises UsageError for one that is no ROLE=NAME."""
    named = {"text_column": text, "path_column": path, "label_column": label, **more}
    found: dict[str, object] = {name: value for name, value in named.items() if value is not None}
    roles = by_role(others or ())
    return cast("Columns", found | ({"others": roles} if roles else {}))


def share_of(flag: str, text: str) -> float:
    """A share such as 1% or 0.01; raises UsageError for anything else."""
    from tlzoo.errors import UsageError

    number, sign, _ = text.strip().partition("%")
    try:
        found = float(number) / (100 if sign else 1)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise UsageError(f"{flag} cannot be {text!r}.", hint="Give a share, 0% to 100%, such as 1%.")
    return found


def by_role(pairs: Iterable[str]) -> dict[str, str]:
    """The names in ROLE=NAME by their roles; raises UsageError for anything else, and for a role given twice."""
    from tlzoo.errors import UsageError

    found: dict[str, str] = {}
    for pair in pairs:
        role, sign, name = pair.partition("=")
        if not (role and sign and name):
            raise UsageError(f"--column must be ROLE=NAME, not {pair!r}.", hint="Example: --column tags=ner_tags")
        if found.get(role, name) != name:
            raise UsageError(f"--column {role} is given as {found[role]!r} and as {name!r}.", hint="Give it once.")
        found[role] = name
    return found
