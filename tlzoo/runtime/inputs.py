"""What people name on a command line, as the inputs of a predictor: read lazily, so that there may be millions."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tlzoo.errors import DataError, InputError, UsageError, concerning
from tlzoo.io.files import spelled_path
from tlzoo.io.inputs.folders import FolderWalk
from tlzoo.io.inputs.formats import MissingColumn, TableFormat
from tlzoo.io.inputs.report import OTHER_KIND, SPECIAL, ReadReport
from tlzoo.io.inputs.tables import TABLES, stream_table, table_ending
from tlzoo.io.texts import input_name, is_blank, read_text
from tlzoo.tasks.row import Row

_WILD = "*?["
_PLACE = re.compile(r"(\.{0,2}|~|[A-Za-z]:)[/\\]")
"""How a path begins that can be nothing else."""
_AS_TEXT = "if it is a text: --text"


@dataclass(frozen=True)
class InputSpec:
    """For a model of this modality: files in folders end in one of `endings`, tables have the inputs in `column`
    (`text` for texts, `path` for files). A kind of file that is an input itself is no table.

    `several` are the columns of a task with several inputs, which come from tables alone, as a tuple for each row.
    `samples` reads files of the task's own `layouts`, which are endings, and tables in a form of the task's own. `how`
    says how tables and texts are written; paths in tables are relative to `folder`, by default the table's. `texts`
    says that arguments are texts and name no files. `report` gets how the inputs were understood and what is left
    out of folders.
    """

    modality: str
    endings: tuple[str, ...]
    column: str | None = None
    several: tuple[str, ...] = ()
    layouts: tuple[str, ...] = ()
    samples: Callable[[Path], Iterable[Any]] | None = None
    how: TableFormat = field(default_factory=TableFormat)
    folder: str | None = None
    texts: bool = False
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
    if spec.several and (strange := next((item for item in given if not table_ending(item)), None)):
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
    return not spec.texts and any(map(table_ending, found))


def named_inputs(given: Sequence[str], spec: InputSpec, lines: Iterable[str | bytes]) -> Iterator[NamedInput]:
    """Every input behind `given`, in order; '-' stands for `lines`.

    A folder is what lies in it and below, by name. A pattern is the files it matches, by name. A table is its rows; a
    relative path in it starts at the table's folder. For a text model an argument is a text unless it names a file or
    folder that is there, a pattern that matches texts, or looks like a path: without blanks it has the ending of a text
    file or a table, or a slash or backslash that is not that of a URL; or it begins as only paths do and has such an
    ending. What names no texts is an error of its own, so is an empty text. Raises DataError for a table that cannot be
    read or lacks the column.
    """
    for item in given:
        if item == "-":
            yield from _from_lines(lines, spec)
        elif spec.texts:
            yield _text(item, item)
        elif _is_pattern(item) and (found := _matching(item, spec)):
            _count_others(item, found, spec)
            for path in found:
                yield from _from_path(path, spec)
        else:
            yield from _from_argument(item, spec)


def _from_argument(item: str, spec: InputSpec) -> Iterator[NamedInput]:
    there = bool(item) and _exists(Path(item))  # an empty path is the working directory
    if not there and table_ending(item) and (spec.modality != "text" or _looks_like_path(item, spec)):
        yield item, InputError(f"There is no file {item}.", hint=_hint(spec))
    elif spec.modality != "text":
        yield from _from_path(item, spec)
    elif there and (error := _no_texts(item, spec)):
        yield item, error
    elif there:
        yield from _from_path(item, spec)
    elif _looks_like_path(item, spec):
        what = "No file matches" if _is_pattern(item) else "There is no file"
        yield item, InputError(f"{what} {item}.", hint=_hint(spec))
    else:
        spec.understood("texts")
        yield _text(item, item)


def _hint(spec: InputSpec) -> str:
    return f"Check the path; {_AS_TEXT}" if spec.modality == "text" else "Check the path."


def _looks_like_path(item: str, spec: InputSpec) -> bool:
    named = item.lower().endswith((*spec.endings, *spec.layouts, *TABLES))
    if any(sign.isspace() for sign in item):
        return named and "\n" not in item and _PLACE.match(item) is not None
    return named or (("/" in item or "\\" in item) and "://" not in item)


def _no_texts(item: str, spec: InputSpec) -> InputError | None:
    """What is wrong with a folder without texts, or a file of another kind, for a text model."""
    place, kinds = Path(item), (*spec.endings, *spec.layouts, *TABLES)
    if place.is_dir():
        if next(FolderWalk(item, spec.endings, spec.modality).files(), None) is not None:
            return None
        return InputError(f"Folder {item} contains no text file.", hint=f"Name another; {_AS_TEXT}")
    if item.lower().endswith(kinds):
        return None
    return InputError(f"File {item} is not of a kind that is read.", hint=f"Supported: {', '.join(kinds)}; {_AS_TEXT}")


def _text(name: str, text: str) -> NamedInput:
    return name, InputError(f"The text {text[:20]!r} is empty.", hint="Write a text.") if is_blank(text) else text


def _from_lines(lines: Iterable[str | bytes], spec: InputSpec) -> Iterator[NamedInput]:
    spec.understood("lines")
    for number, line in enumerate(lines, start=1):
        if isinstance(line, str):
            text = line
        elif spec.modality != "text":
            text = os.fsdecode(line)
        else:
            try:
                text = line.decode(spec.how.encoding or "utf-8")
            except UnicodeDecodeError:
                shown = line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
                hint = "Give UTF-8, or name its encoding, such as `columns={'encoding': 'cp1252'}`"
                yield shown, InputError(f"Line {number} of standard input is not UTF-8 text.", hint=hint)
                continue
        text = (text.removeprefix("\ufeff") if number == 1 else text).rstrip("\r\n")
        if spec.modality == "text":
            yield _text(text, text)
        elif text:
            yield text, text


def _from_path(item: str, spec: InputSpec) -> Iterator[NamedInput]:
    if os.path.isdir(item):
        spec.understood("all files below a folder")
        empty = True
        for path in FolderWalk(item, spec.endings, spec.modality, spec.report).files():
            empty = False
            yield _file(path, spec)
        if empty:
            what = f"Folder {item} contains no {spec.modality} file."
            yield item, InputError(what, hint=f"Supported: {', '.join(spec.endings)}.")
    elif spec.samples is not None and Path(item).suffix.lower() in spec.layouts:
        spec.understood("a file of samples")
        yield from ((input_name(given), given) for given in spec.samples(Path(item)))
    elif table_ending(item) and not item.lower().endswith(spec.endings):
        yield from _from_table(Path(item), spec)
    else:
        spec.understood("files")
        yield _file(item, spec)


def _file(path: str, spec: InputSpec) -> NamedInput:
    if spec.modality != "text":
        return path, path
    try:
        text = read_text(Path(path), spec.how.encoding)
    except DataError as error:
        return path, InputError(error.message, hint=error.hint)
    return path, InputError(f"File {path} has no text.", hint="Add text to it.") if is_blank(text) else text


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
    how = replace(spec.how, wanted=spec.chosen, notes=[])
    empty = True
    try:
        with concerning("inputs", DataError):
            for place, cells in stream_table(path, spec.chosen, how):
                if empty:
                    spec.understood(" ".join(["a table", *how.notes]))
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
    row = Row(path, place, cells, (*cells, *spec.chosen))
    try:
        found = [row.text(each) if spec.modality == "text" else _file_of(row, each, spec) for each in spec.chosen]
    except DataError as error:
        return f"{path}, {place}", InputError(error.message, hint=error.hint)
    given = tuple(found) if spec.several else found[0]
    return input_name(given), given


def _file_of(row: Row, column: str, spec: InputSpec) -> str:
    """The path in a cell, from the table's folder on."""
    cell, folder = row.file_name(column).strip(), Path(spec.folder or row.file.parent)
    return os.path.join(folder, spelled_path(folder, cell))
