"""What people name on a command line, as the inputs of a predictor: read lazily, so that there may be millions."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlzoo.errors import DataError, InputError, UsageError
from tlzoo.io.inputs.folders import FolderWalk
from tlzoo.io.inputs.report import OTHER_KIND, SPECIAL, ReadReport
from tlzoo.io.inputs.tables import TABLES, MissingColumn, stream_table
from tlzoo.io.texts import SURROGATE_HINT, has_lone_surrogate, input_name, read_text

_WILD = "*?["


@dataclass(frozen=True)
class InputSpec:
    """For a model of this modality: files in folders end in one of `endings`, tables have the inputs in `column`
    (`text` for texts, `path` for files). A kind of file that is an input itself is no table.

    `several` are the columns of a task with several inputs, which come from tables alone, as a tuple for each row.
    `samples` reads files of the task's own `layouts`, which are endings, and tables in a form of the task's own.
    `report` gets how the inputs were understood and what is left out of folders.
    """

    modality: str
    endings: tuple[str, ...]
    column: str | None = None
    several: tuple[str, ...] = ()
    layouts: tuple[str, ...] = ()
    samples: Callable[[Path], Iterable[Any]] | None = None
    report: ReadReport = field(default_factory=ReadReport)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The columns' names."""
        return self.several or (self.column or ("text" if self.modality == "text" else "path"),)

    def understood(self, what: str) -> None:
        """Note what some of the inputs are."""
        known = self.report.layout.split(", ") if self.report.layout else []
        self.report.layout = ", ".join(dict.fromkeys([*known, what]))


NamedInput = tuple[str, Any]
"""An input's name, and what the predictor gets: a path, a text, or the InputError of what could not be read."""


def check_inputs(given: Sequence[str], spec: InputSpec) -> None:
    """Raise UsageError for a pattern that no file matches, and for what is no table where only these will do."""
    if spec.several and (strange := next((item for item in given if Path(item).suffix.lower() not in TABLES), None)):
        raise UsageError(
            f"{strange[:80]!r} is not a table; this model takes {' and '.join(spec.several)} together.",
            hint=f"Give one of {', '.join(TABLES)} with these columns.",
            parameter="inputs",
        )
    if spec.modality == "text":
        return
    for item in given:
        if _is_pattern(item) and next(glob.iglob(item, recursive=True), None) is None:
            raise UsageError(
                f"No file matches {item!r}.",
                hint="Check the pattern; ** stands for folders of any depth.",
                parameter="inputs",
            )


def names_table(given: Sequence[str], spec: InputSpec) -> bool:
    """Whether any of these is a table, or a pattern that matches one."""
    found = (path for item in given for path in (_matching(item, spec) if _is_pattern(item) else [item]))
    return any(Path(path).suffix.lower() in TABLES for path in found)


def named_inputs(given: Sequence[str], spec: InputSpec, lines: Iterable[str]) -> Iterator[NamedInput]:
    """Every input behind `given`, in order; '-' stands for `lines`.

    A folder is what lies in it and below, by name. A pattern is the files it matches, by name. A table is its rows; a
    relative path in it starts at the table's folder. For a text model an argument is a text unless it names a .txt
    file (one text), a table, a folder with .txt files or a pattern that matches such. Raises DataError for a table
    that cannot be read or lacks the column.
    """
    for item in given:
        if item == "-":
            yield from _from_lines(lines, spec)
        elif _is_pattern(item) and (found := _matching(item, spec)):
            _count_others(item, found, spec)
            for path in found:
                yield from _from_path(path, spec)
        else:
            yield from _from_argument(item, spec)


def _from_argument(item: str, spec: InputSpec) -> Iterator[NamedInput]:
    if spec.modality != "text" or _names_texts(item, spec):
        yield from _from_path(item, spec)
    else:
        spec.understood("texts")
        yield item, item


def _names_texts(item: str, spec: InputSpec) -> bool:
    """Whether an argument for a text model is a text file, a table or a folder with text files."""
    place = Path(item)
    if not item or not _exists(place):  # an empty path is the working directory
        return False
    if place.is_dir():
        return next(FolderWalk(item, spec.endings, spec.modality).files(), None) is not None
    return place.suffix.lower() in (*spec.endings, *spec.layouts, *TABLES)


def _from_lines(lines: Iterable[str], spec: InputSpec) -> Iterator[NamedInput]:
    spec.understood("lines")
    for line in lines:
        text = line.rstrip("\r\n")
        if text or spec.modality == "text":
            yield text, text


def _from_path(item: str, spec: InputSpec) -> Iterator[NamedInput]:
    if os.path.isdir(item):
        spec.understood("all files below a folder")
        empty = True
        for path in FolderWalk(item, spec.endings, spec.modality, spec.report).files():
            empty = False
            yield _file(path, spec)
        if empty:
            raise DataError(
                f"Folder {item} contains no {spec.modality} file.", hint=f"Supported: {', '.join(spec.endings)}."
            )
    elif spec.samples is not None and Path(item).suffix.lower() in spec.layouts:
        spec.understood("a file of samples")
        yield from ((input_name(given), given) for given in spec.samples(Path(item)))
    elif Path(item).suffix.lower() in TABLES and not item.lower().endswith(spec.endings):
        spec.understood("a table")
        yield from _from_table(Path(item), spec)
    else:
        spec.understood("files")
        yield _file(item, spec)


def _file(path: str, spec: InputSpec) -> NamedInput:
    if spec.modality != "text":
        return path, path
    try:
        return path, read_text(Path(path))
    except DataError as error:
        return path, InputError(error.message, hint=error.hint)


def _is_pattern(item: str) -> bool:
    return any(sign in item for sign in _WILD) and not _exists(Path(item))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a long text, or one with a NUL
        return False


def _matching(pattern: str, spec: InputSpec) -> list[str]:
    """The files that a pattern matches, links to nothing included."""
    found = sorted(path for path in _matched(pattern) if os.path.isfile(path) or not os.path.exists(path))
    if spec.modality == "text":
        return [path for path in found if path.lower().endswith((*spec.endings, *spec.layouts, *TABLES))]
    return found


def _matched(pattern: str) -> Iterator[str]:
    return (path for path in glob.iglob(pattern, recursive=True) if not os.path.isdir(path))


def _count_others(pattern: str, read: Sequence[str], spec: InputSpec) -> None:
    """Count what a pattern matches beside these files."""
    known = set(read)
    for path in sorted(_matched(pattern)):
        if path not in known:
            special = os.path.exists(path) and not os.path.isfile(path)
            spec.report.leave_out(SPECIAL if special else OTHER_KIND, path)


def _from_table(path: Path, spec: InputSpec) -> Iterator[NamedInput]:
    empty = True
    try:
        for place, cells in stream_table(path, spec.chosen):
            empty = False
            yield _named(path, place, spec, cells)
    except MissingColumn:
        if spec.samples is None or spec.column is not None:
            raise
        yield from ((input_name(given), given) for given in spec.samples(path))
        return
    if empty:
        raise DataError(f"File {path} has no rows.", hint="Add inputs below its header.")


def _named(path: Path, place: str, spec: InputSpec, cells: dict[str, Any] | InputError) -> NamedInput:
    """A row's input under its own name, what is wrong with the row under that of its place."""
    if isinstance(cells, InputError):
        return f"{path}, {place}", cells
    found = [_cell(path, place, spec, column, cells.get(column)) for column in spec.chosen]
    if error := next((each for each in found if isinstance(each, InputError)), None):
        return f"{path}, {place}", error
    given = tuple(found) if spec.several else found[0]
    return input_name(given), given


def _cell(path: Path, place: str, spec: InputSpec, column: str, cell: Any) -> Any:
    """A text, or a path from the table's folder on; an error for what is neither."""
    if not isinstance(cell, str) or (spec.modality != "text" and not cell.strip()):
        return InputError(f"File {path} has no {spec.modality} in {place}, column {column!r}.")
    if spec.modality == "text" and has_lone_surrogate(cell):
        return InputError(f"File {path} has half a surrogate pair in {place}, column {column!r}.", hint=SURROGATE_HINT)
    return cell if spec.modality == "text" else os.path.join(path.parent, cell.strip())
