"""The rows of a table, and what their cells hold: texts, and files that are there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlzoo.data.columns import Columns, table_format
from tlzoo.data.sample_columns import NO_FACTS, WantedFacts
from tlzoo.data.sample_files import check_file
from tlzoo.data.samples import RawInput
from tlzoo.errors import DataError, InputError
from tlzoo.io.files import spelled_path
from tlzoo.io.inputs.kinds import file_head, kind_of
from tlzoo.io.inputs.report import ReadReport, Skip
from tlzoo.io.inputs.tables import settings_of, stream_table
from tlzoo.io.texts import is_blank, read_text
from tlzoo.tasks.base import Task
from tlzoo.tasks.row import Row

TABLE = "a table"


@dataclass(frozen=True)
class ReadSpec:
    """What to read: samples of `task` in tables whose columns have these `names`, or in files with these `endings`."""

    task: Task
    names: Mapping[str, str]
    labelled: bool
    endings: tuple[str, ...]
    report: ReadReport
    skip: Skip
    columns: Columns
    facts: WantedFacts = NO_FACTS
    apart: tuple[Path, ...] = ()
    named: set[str] = field(default_factory=set)
    """The files that rows of tables name."""

    @property
    def modality(self) -> str:
        """The task's."""
        return self.task.modality

    @property
    def install(self) -> str:
        """How to have read what was left out for want of an extra, as an error's hint; empty where nothing was."""
        said = self.report.installation()
        return said and f"It has files that an extra reads: {said}"

    @property
    def kinds(self) -> str:
        """The files that are read, as an error's hint."""
        return f"Supported file types: {', '.join(self.endings)}"

    @property
    def options(self) -> Mapping[str, Any]:
        """How cells are written, as rows have it."""
        return dict(self.columns)

    def wanted(self) -> list[str]:
        """The columns that a table may have."""
        roles = [self.names.get(role, role) for role in self.task.all_roles]
        return [*roles, *(self.names[role] for role in self.facts.roles), *self.columns.get("label_columns", ())]


def table_rows(path: Path, spec: ReadSpec) -> list[Row]:
    """All rows of a table; raises DataError for the first that is broken. JSON lines have the columns of all rows."""
    found: list[tuple[str, dict[str, Any]]] = []
    columns: dict[str, None] = {}
    how = table_format(spec.columns, spec.wanted())
    spec.report.roles.update(settings_of(path) & spec.columns.keys())
    for place, cells in stream_table(path, how=how):
        if isinstance(cells, InputError):
            spec.report.broken[f"{path}, {place}"] = DataError(cells.message, hint=cells.hint)
            continue
        columns |= dict.fromkeys(cells)
        found.append((place, cells))
    if not found:
        spec.report.check_broken()
        raise DataError(f"File {path} has no rows.", hint="Add samples below its header.")
    if how.notes:
        spec.report.layout = ", ".join([spec.report.layout or TABLE, *how.notes])
    there, report = tuple(columns), spec.report
    shared = (there, spec.names, report.roles, spec.options, report.spelled)
    return [Row(path, place, cells, *shared) for place, cells in found]


def input_of(row: Row, spec: ReadSpec) -> RawInput:
    """What a row holds for the model: texts, or files; raises DataError for a text or a file that is not there."""
    if spec.modality == "text":
        cells = tuple(row.text(each.column or each.name) for each in spec.task.inputs)
    else:
        cells = tuple(_file_cell(row, each.column or each.name, spec) for each in spec.task.inputs)
    return cells[0] if len(cells) == 1 else cells


def _file_cell(row: Row, role: str, spec: ReadSpec) -> str:
    cell = row.file_name(role)
    folder = Path(row.option("files") or row.file.parent)
    file = Path(os.path.abspath(folder / spelled_path(folder, cell.strip())))
    if "\0" in cell or not file.is_file():
        raise DataError(
            f"File {row.file} names {cell!r} in {row.place}, which is not a file.",
            hint=f"Paths are relative to {folder}, or to another folder: `columns={{'files': 'FOLDER'}}`",
        )
    spec.named.add(str(file))
    if not file.name.lower().endswith(spec.endings) and kind_of(file_head(file)) != spec.modality:
        raise DataError(
            f"File {row.file} names {cell!r} in {row.place}, which is not a supported {spec.modality} file.",
            hint=spec.kinds,
        )
    check_file(file, spec.modality)
    return str(file)


def read_text_file(file: Path, spec: ReadSpec) -> str:
    """The text of a file; raises DataError where it has none, or not in this encoding."""
    spec.report.roles.update({"encoding"} & spec.columns.keys())
    text = read_text(file, spec.columns.get("encoding"))
    if is_blank(text):
        raise DataError(f"File {file} has no text.", hint="Add text to it or delete it.")
    return text
