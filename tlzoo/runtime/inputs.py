"""What people name on a command line, as the inputs of a predictor: read lazily, so that there may be millions."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlzoo.errors import DataError, InputError, UsageError
from tlzoo.io.tables import TABLES, MissingColumn, stream_table
from tlzoo.io.texts import read_text, walk_files

_WILD = "*?["


@dataclass(frozen=True)
class InputSpec:
    """For a model of this modality: files in folders end in one of `endings`, tables have the inputs in `column`
    (`text` for texts, `path` for files). A kind of file that is an input itself is no table.

    `several` are the columns of a task with several inputs, which come from tables alone, as a tuple for each row.
    `samples` reads files of the task's own `layouts`, which are endings, and tables in a form of the task's own.
    """

    modality: str
    endings: tuple[str, ...]
    column: str | None = None
    several: tuple[str, ...] = ()
    layouts: tuple[str, ...] = ()
    samples: Callable[[Path], Iterable[Any]] | None = None

    @property
    def chosen(self) -> tuple[str, ...]:
        """The columns' names."""
        return self.several or (self.column or ("text" if self.modality == "text" else "path"),)


def input_name(given: Any) -> str:
    """What an input is called: a text or path is itself, several have a bar between them."""
    return " | ".join(map(str, given)) if isinstance(given, tuple) else str(given)


NamedInput = tuple[str, Any]
"""An input's name, and what the predictor gets: a path, a text, or the InputError of what could not be read."""


def check_inputs(given: Sequence[str], wanted: InputSpec) -> None:
    """Raise UsageError for a pattern that no file matches, and for what is no table where only these will do."""
    if wanted.several and (strange := next((item for item in given if Path(item).suffix.lower() not in TABLES), None)):
        raise UsageError(
            f"{strange[:80]!r} is no table; this model takes {' and '.join(wanted.several)} together.",
            hint=f"Give one of {', '.join(TABLES)} with these columns.",
        )
    if wanted.modality == "text":
        return
    for item in given:
        if _is_pattern(item) and next(glob.iglob(item, recursive=True), None) is None:
            raise UsageError(
                f"No file matches {item!r}.", hint="Check the pattern; ** stands for folders of any depth."
            )


def named_inputs(given: Sequence[str], wanted: InputSpec, lines: Iterable[str]) -> Iterator[NamedInput]:
    """Every input behind `given`, in order; '-' stands for `lines`.

    A folder is what lies in it and below, by name. A pattern is the files it matches, by name. A table is its rows; a
    relative path in it starts at the table's folder. For a text model an argument is a text unless it names a .txt
    file (one text), a table, a folder with .txt files or a pattern that matches such. Raises DataError for a table
    that cannot be read or lacks the column.
    """
    for item in given:
        if item == "-":
            yield from _from_lines(lines, wanted)
        elif _is_pattern(item) and (found := _matching(item, wanted)):
            for path in found:
                yield from _from_path(path, wanted)
        else:
            yield from _from_argument(item, wanted)


def _from_argument(item: str, wanted: InputSpec) -> Iterator[NamedInput]:
    if wanted.modality != "text" or _names_texts(item, wanted):
        yield from _from_path(item, wanted)
    else:
        yield item, item


def _names_texts(item: str, wanted: InputSpec) -> bool:
    """Whether an argument for a text model is a text file, a table or a folder with text files."""
    place = Path(item)
    if not item or not _exists(place):  # an empty path is the working directory
        return False
    if place.is_dir():
        return next(walk_files(item, wanted.endings), None) is not None
    return place.suffix.lower() in (*wanted.endings, *wanted.layouts, *TABLES)


def _from_lines(lines: Iterable[str], wanted: InputSpec) -> Iterator[NamedInput]:
    for line in lines:
        text = line.rstrip("\r\n")
        if text or wanted.modality == "text":
            yield text, text


def _from_path(item: str, wanted: InputSpec) -> Iterator[NamedInput]:
    if os.path.isdir(item):
        empty = True
        for path in walk_files(item, wanted.endings):
            empty = False
            yield _file(path, wanted)
        if empty:
            raise DataError(
                f"Folder {item} holds no {wanted.modality} file.", hint=f"Files read: {', '.join(wanted.endings)}"
            )
    elif wanted.samples is not None and Path(item).suffix.lower() in wanted.layouts:
        yield from ((input_name(given), given) for given in wanted.samples(Path(item)))
    elif Path(item).suffix.lower() in TABLES and not item.lower().endswith(wanted.endings):
        yield from _from_table(Path(item), wanted)
    else:
        yield _file(item, wanted)


def _file(path: str, wanted: InputSpec) -> NamedInput:
    if wanted.modality != "text":
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


def _matching(pattern: str, wanted: InputSpec) -> list[str]:
    found = sorted(path for path in glob.iglob(pattern, recursive=True) if os.path.isfile(path))
    if wanted.modality == "text":
        return [path for path in found if path.lower().endswith((*wanted.endings, *wanted.layouts, *TABLES))]
    return found


def _from_table(path: Path, wanted: InputSpec) -> Iterator[NamedInput]:
    try:
        for place, cells in stream_table(path, wanted.chosen):
            yield _named(path, place, wanted, cells)
    except MissingColumn:
        if wanted.samples is None or wanted.column is not None:
            raise
        yield from ((input_name(given), given) for given in wanted.samples(path))


def _named(path: Path, place: str, wanted: InputSpec, cells: dict[str, Any] | InputError) -> NamedInput:
    """A row's input under its own name, what is wrong with the row under that of its place."""
    if isinstance(cells, InputError):
        return f"{path}, {place}", cells
    found = [_cell(path, place, wanted, column, cells.get(column)) for column in wanted.chosen]
    if error := next((each for each in found if isinstance(each, InputError)), None):
        return f"{path}, {place}", error
    given = tuple(found) if wanted.several else found[0]
    return input_name(given), given


def _cell(path: Path, place: str, wanted: InputSpec, column: str, cell: Any) -> Any:
    """A text, or a path from the table's folder on; an error for what is neither."""
    if not isinstance(cell, str) or (wanted.modality != "text" and not cell.strip()):
        return InputError(f"File {path} has no {wanted.modality} in {place}, column {column!r}.")
    return cell if wanted.modality == "text" else os.path.join(path.parent, cell.strip())
