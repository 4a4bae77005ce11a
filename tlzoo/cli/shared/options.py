"""Options that several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from tlzoo.data import Columns

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Hide progress")]
Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Folder per class, folder with train/ and test/, CSV, TSV, JSON, JSONL, Parquet, Excel, or a format of "
        "the task",
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
_PANEL = "Tables"
_WRITTEN: dict[str, tuple[Any, str]] = {
    "separator": (str, "Character between cells \\[known by the header]"),
    "encoding": (str, "Encoding of tables and texts, such as cp1252 \\[UTF-8, or by a byte order mark]"),
    "quoting": (str, "none: quotes are plain characters; double: they enclose cells, for sure"),
    "files": (Path, "Folder that paths in tables are relative to \\[the table's]"),
    "decimal": (str, "Before the decimals of numbers: . or ,"),
    "label_separator": (str, "Between several labels in a cell \\[;]"),
    "label_columns": (str, "Columns of zeros and ones, one for each label, as a,b,c"),
    "label_names": (str, "Labels of the positions in lists of zeros and ones, as a,b,c"),
}
"""Options that say how tables are written: what they take, and their help."""


def says_how_written(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command with the options that say how tables are written, but for some, in place of its parameter `written`,
    which gets those that are given."""

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        names = [name for name in _WRITTEN if name not in without]

        @wraps(command)
        def called(*positional: Any, **given: Any) -> None:
            written = {name: given.pop(name, None) for name in names}
            command(*positional, **given, written={name: value for name, value in written.items() if value is not None})

        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for each in signature.parameters.values():
            parameters += map(_written_parameter, names) if each.name == "written" else [each]
        called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return called

    return decorated


def _written_parameter(name: str) -> inspect.Parameter:
    kind, help = _WRITTEN[name]
    info = typer.Option(help=help, rich_help_panel=_PANEL)
    return inspect.Parameter(
        name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=Annotated[kind | None, info]
    )


def columns(
    text: str | None,
    path: str | None,
    label: str | None,
    others: list[str] | None = None,
    written: Mapping[str, Any] | None = None,
    **more: str | None,
) -> Columns:
    """The columns that were named and how they are written, as `tlzoo.data.read` takes them; raises UsageError for one
    that is no ROLE=NAME."""
    named = {"text_column": text, "path_column": path, "label_column": label, **more}
    found: dict[str, object] = {name: value for name, value in named.items() if value is not None}
    roles = by_role(others or ())
    return cast("Columns", found | ({"others": roles} if roles else {}) | dict(written or {}))


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
