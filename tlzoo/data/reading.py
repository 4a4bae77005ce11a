"""Read samples from folders and tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tlzoo.data.columns import GROUP, SAMPLE_COLUMNS, SPLIT, WEIGHT, Columns, check_roles, column_names, without
from tlzoo.data.contents import describe_contents, keep_part, merge_rows
from tlzoo.data.label_checks import check_labels, check_no_unseen
from tlzoo.data.sample_columns import SampleFacts, WantedFacts, check_group_by, divide, with_facts
from tlzoo.data.sample_files import check_file
from tlzoo.data.samples import RawInput, Samples, TrainTestSamples
from tlzoo.data.tables import TABLE, ReadSpec, input_of, read_text_file, table_rows
from tlzoo.errors import DataError, UsageError, concerning
from tlzoo.io.files import check_exists
from tlzoo.io.inputs.folders import FolderWalk, count_beside, count_files, folder_names
from tlzoo.io.inputs.report import BESIDE_PARTS, BESIDE_TABLE, NOTHING, UNREAD_PART, ReadReport, Skip
from tlzoo.io.inputs.tables import TABLES, table_ending
from tlzoo.io.texts import has_lone_surrogate, utf8_name
from tlzoo.progress import advise
from tlzoo.specs import PluginSpec, Preprocess
from tlzoo.tasks.base import Target, Task
from tlzoo.tasks.contract import labels_problem, rows_problem, task_error
from tlzoo.tasks.row import Row

EXTENSIONS = {
    "image": (
        ".avif", ".bmp", ".dcm", ".dicom", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff",
        ".webp",
    ),
    "audio": (
        ".aac", ".aif", ".aiff", ".flac", ".m4a", ".mka", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".webm",
        ".wma",
    ),
    "text": (".txt",),
}  # fmt: skip
_PARTS = {"train": ("train", "training"), "test": ("test", "testing")}
_THIRD_PART = ("dev", "val", "valid", "validation")
"""How the folders of a data set's parts are called, in capitals or not."""


def read(
    path: str | os.PathLike[str],
    task: Task,
    *,
    columns: Columns | None = None,
    labelled: bool = True,
    training: bool = False,
    endings: tuple[str, ...] = (),
    report: ReadReport | None = None,
    skip: Skip = NOTHING,
    group_by: str | None = None,
    optional: Iterable[str] = (),
    apart: Iterable[str | os.PathLike[str]] = (),
) -> TrainTestSamples:
    """Read samples of a task: a folder per label where it reads those, a table, a file of the task's own layouts, or
    `train` and `test` of these forms in a folder.

    A plugin's modality has files that end in `endings` (see `endings_of`). With `labelled=False` folders may be flat or
    nested, labels are not looked at and targets are `None`. The order is sorted for folders, the file's own for tables
    and layouts. `report` gets what was read and what was left out; `skip` says which samples are left out.
    `columns` may name those of parts, groups and weights; `optional` ones are read where a table has them. `group_by`
    finds groups in the files' paths (see `group_of_file`). What is read `apart` may lie in the folder.

    Raises DataError naming the file, class, column or row for whatever cannot be used, all samples that cannot be read
    in one; for `training` also where nothing could be learnt, and for labels that only the test part has; UsageError
    for the name of a column in a role that the task does not read.
    """
    endings = endings or EXTENSIONS.get(task.modality, ())
    if not endings:
        raise UsageError(
            f"No file types are known for the modality {task.modality!r}.",
            hint=f"Known modalities: {', '.join(sorted(EXTENSIONS))}; a plugin sets `endings` in its preprocessing.",
        )
    place = Path(os.path.abspath(path))
    report = ReadReport() if report is None else report
    columns = columns or {}
    names, others = column_names(columns), tuple(Path(os.path.abspath(each)) for each in apart)
    facts = WantedFacts(tuple(role for role in SAMPLE_COLUMNS if role in names), frozenset(optional), group_by)
    spec = ReadSpec(task, names, labelled, endings, report, skip, columns, facts, others)
    check_roles(task, {role: name for role, name in names.items() if role not in SAMPLE_COLUMNS})
    check_group_by(group_by, columns)
    check_exists(place)
    collection = _from_folder(place, spec) if place.is_dir() else TrainTestSamples(_from_file(place, spec), None)
    collection = divide(collection, place, names.get(SPLIT, ""), training=training)
    if "split_column" in spec.report.roles:
        spec.report.layout += f", parts by the column {names[SPLIT]!r}"
    spec.report.used = sum(map(len, collection.all_parts()))
    spec.report.check_broken(skip, collection)
    describe_contents(collection, task, spec.report)
    if labelled and training:
        task.check(collection.train.targets or (), place)
        _check_named_labels(place, collection.train, task, columns)
        if collection.test is not None:
            check_no_unseen(collection.train, collection.test, task, "test", str(place))
    return collection


def read_labelled(
    path: str | os.PathLike[str],
    task: Task,
    *,
    columns: Columns,
    endings: tuple[str, ...],
    parameter: str = "data",
    report: ReadReport | None = None,
    skip: Skip = NOTHING,
) -> Samples:
    """Samples to measure a trained task on: those of the `test` part where the data has one, else all.

    Raises what `read` raises, and DataError, which names `parameter`, where there are no labels, or labels that the
    task does not know.
    """
    with concerning(parameter, DataError):
        named = without(columns, WEIGHT)
        optional = (SPLIT, GROUP)
        collection = read(path, task, columns=named, endings=endings, report=report, skip=skip, optional=optional)
        samples = keep_part(collection, task, report or ReadReport(), test=True)
        if not samples.targets:
            raise DataError(f"{path} has no labels.", hint="Name labelled data.")
        check_labels(samples, task, f"{path}: ")
    return samples


def endings_of(spec: Preprocess) -> tuple[str, ...]:
    """The endings of the files that this preprocessing reads, where a plugin says so; else the modality's count."""
    return spec.endings if isinstance(spec, PluginSpec) else ()


def _check_named_labels(place: Path, train: Samples, task: Task, columns: Columns) -> None:
    """Raise DataError for a label that was named, and that no sample has."""
    there = {label for target in train.targets or () for label in task.labels_in(target)}
    named = {"label_columns": columns.get("label_columns", []), "label_names": columns.get("label_names", [])}
    for name, labels in named.items():
        if missing := [label for label in labels if label not in there]:
            raise DataError(
                f"{place} has no sample with the label {missing[0]!r} of `{name}`.",
                hint="Add samples that have it, or leave it out.",
                parameter=name,
            )


def _from_folder(folder: Path, spec: ReadSpec) -> TrainTestSamples:
    tables = {stem: _named_table(folder, stem, spec) for stem in ("train", "test")}
    if tables["train"]:
        found = _from_tables(tables["train"], tables["test"], spec)
        spec.named.update(str(table) for table in tables.values() if table)
        count_beside(folder, BESIDE_TABLE, spec.report, spec.named.__contains__)
        return found
    halves = _train_and_test_folders(folder, spec)
    form = "a folder per class" if spec.labelled else "all files below"
    if not halves:
        spec.report.layout = form
        return TrainTestSamples(_from_class_folders(folder, spec), None)
    train, test_folder = halves
    parts = {str(folder / name) for name in folder_names(folder)}
    count_beside(folder, BESIDE_PARTS, spec.report, parts.__contains__)
    spec.report.layout = f"{form} in {' and '.join(f'{part.name}/' for part in halves if part)}"
    test = _from_class_folders(test_folder, spec) if test_folder else None
    return TrainTestSamples(_from_class_folders(train, spec), test)


def _from_tables(train: Path, test: Path | None, spec: ReadSpec) -> TrainTestSamples:
    parts: list[Samples] = []
    layouts: list[str] = []
    without_parts = replace(spec, facts=spec.facts.without_parts())
    for path in filter(None, (train, test)):
        spec.report.layout = ""
        parts.append(_from_file(path, spec if path == train else without_parts))
        layouts.append(path.name + spec.report.layout.removeprefix(TABLE if table_ending(path) else ""))
    spec.report.layout = " and ".join(layouts)
    return TrainTestSamples(parts[0], parts[1] if test else None)


def _named_table(folder: Path, stem: str, spec: ReadSpec) -> Path | None:
    endings = dict.fromkeys((*TABLES, *spec.task.endings))
    if (folder / stem).is_dir():
        endings.pop(".json", None)  # it may say something of the folder
    there = [folder / (stem + suffix) for suffix in endings]
    found = [path for path in there if path.is_file() and path not in spec.apart]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DataError(f"Folder {folder} has both {names}.", hint="Keep one of them, or pass the file itself.")
    return found[0] if found else None


def _train_and_test_folders(folder: Path, spec: ReadSpec) -> tuple[Path, Path | None] | None:
    """The folders `train/` and `test/`, or as others call them; `None` where sub-folders are classes, even one named
    `train`."""
    names = [name for name in folder_names(folder) if folder / name not in spec.apart]
    parts = {part: [name for name in names if name.lower() in spelled] for part, spelled in _PARTS.items()}
    if twice := next((found for found in parts.values() if len(found) > 1), None):
        raise DataError(f"Folder {folder} has both {twice[0]}/ and {twice[1]}/.", hint="Keep one of them.")
    train = folder / parts["train"][0] if parts["train"] else None
    if train is None or (spec.labelled and not folder_names(train)):
        return None
    test = folder / parts["test"][0] if parts["test"] else None
    others = sorted(set(names) - {part.name for part in (train, test) if part})
    if others and not (test and all(name.lower() in _THIRD_PART for name in others)):
        raise DataError(
            f"Folder {folder} has {others[0]}/ beside {train.name}/.",
            hint=f"Training reads {train.name}/ and test/ only: move it, rename it to test, or give `validation`.",
        )
    for other in others:
        advise(f"Ignoring {folder / other}: validation data is split off, or named by `validation`.")
        count_files(folder / other, UNREAD_PART, spec.report)
    return train, test


def _from_class_folders(folder: Path, spec: ReadSpec) -> Samples:
    walk = FolderWalk(folder, spec.endings, spec.modality, spec.report)
    if not spec.labelled:
        return _samples_of_files(list(walk.files()), None, folder, spec)
    if not spec.task.folders:
        needed = [*(each.name for each in spec.task.inputs), *spec.task.columns]
        raise DataError(
            f"Folder {folder} cannot be read as {spec.task.holds}: a folder holds the samples of one class.",
            hint=f"Give a table with the columns {' and '.join(needed)}.",
        )
    classes = {child: found for child, found in walk.files_by_folder().items() if child not in spec.apart}
    if not classes:
        raise DataError(
            f"Folder {folder} has no sub-folders, so no classes.",
            hint="Give a folder with one sub-folder of files per class, or a table with a label column.",
        )
    files: list[str] = []
    targets: list[Target] = []
    for child, found in classes.items():
        if not found:
            raise DataError(f"Class folder {child} has no {spec.modality} files.", hint=spec.install or spec.kinds)
        if has_lone_surrogate(child.name):
            raise DataError(f"Class folder {child} has a name that is not UTF-8.", hint="Rename it.")
        files += found
        row = Row(folder, f"folder {child.name!r}", {"label": child.name}, ("label",), spelled=spec.report.spelled)
        targets += [spec.task.read(row)] * len(found)
    return _samples_of_files(files, tuple(targets), folder, spec)


def _samples_of_files(files: list[str], targets: tuple[Target, ...] | None, folder: Path, spec: ReadSpec) -> Samples:
    if not files:
        raise DataError(f"Folder {folder} has no {spec.modality} files.", hint=spec.install or spec.kinds)
    inputs: list[RawInput] = []
    facts: list[SampleFacts] = []
    whole: list[int] = []
    for at, file in enumerate(files):
        try:
            _check_not_skipped(file, spec)
            check_file(file, spec.modality)
            found = spec.facts.of_file(file, folder, classes=targets is not None)
            inputs.append(read_text_file(Path(file), spec) if spec.modality == "text" else file)
        except DataError as error:
            spec.report.broken[file] = error
        else:
            whole.append(at)
            facts.append(found)
    kept = None if targets is None else tuple(targets[at] for at in whole)
    return with_facts(Samples(tuple(inputs), kept, spec.modality, tuple(files[at] for at in whole)), facts)


def _check_not_skipped(place: str, spec: ReadSpec) -> None:
    if spec.skip.places and (why := spec.skip.places.get(utf8_name(place))) is not None:
        raise DataError(why)


def _from_file(path: Path, spec: ReadSpec) -> Samples:
    """The samples of a task's own layout, or of a table."""
    layout = spec.task.layouts(path)
    if layout is None and spec.task.endings and not table_ending(path):
        raise DataError(
            f"File {path} is neither a table nor a file of {spec.task.holds}.",
            hint=f"Supported: {', '.join((*TABLES, *spec.task.endings))}; rename the file if it is one of these.",
        )
    if layout is not None and not isinstance(layout, Iterable):
        raise task_error(spec.task, f"cannot be used: `layouts` returns {type(layout).__name__}, not rows.")
    if not spec.report.layout:
        spec.report.layout = TABLE if layout is None else f"a file of {spec.task.holds}"
    table = table_rows(path, spec) if layout is None else []
    rows = spec.task.samples(table) if layout is None else list(layout)
    if spec.task.plugin and (wrong := rows_problem(rows, "samples" if layout is None else "layouts")):
        raise task_error(spec.task, f"cannot be used: {wrong}")
    if not rows:
        raise DataError(f"File {path} has no samples.", hint="Check that the file is complete.")
    spec.report.merged += max(0, len(table) - len(rows))
    if spec.labelled:
        spec.task.check_table(rows)
    samples = _samples_of_rows(rows, table, spec)
    if spec.task.plugin and (wrong := labels_problem(spec.task, samples.targets or ())):
        raise task_error(spec.task, f"cannot be used: {wrong}")
    return merge_rows(samples, path, spec.task, spec.report)


def _samples_of_rows(rows: Sequence[Row], table: Sequence[Row], spec: ReadSpec) -> Samples:
    """What the rows hold; those with something wrong are kept apart. `table` has the rows that a task made them of."""
    inputs: list[RawInput] = []
    targets: list[Target] = []
    places: list[str] = []
    facts: list[SampleFacts] = []
    origins = {row.place: row for row in table}
    for row in rows:
        place = f"{row.file}, {row.place}"
        try:
            _check_not_skipped(place, spec)
            given = input_of(row, spec)
            found = spec.facts.of_row(origins.get(row.place, row), None if spec.modality == "text" else given)
            if spec.labelled:
                targets.append(_target(row, spec.task))
        except DataError as error:
            if error.parameter:  # about a column, not about this row
                raise
            spec.report.broken[place] = error
        else:
            inputs.append(given)
            places.append(place)
            facts.append(found)
    samples = Samples(tuple(inputs), tuple(targets) if spec.labelled else None, spec.modality, tuple(places))
    return with_facts(samples, facts)


def _target(row: Row, task: Task) -> Target:
    target = task.read(row)
    if target is None:
        raise task_error(task, f"returned None from `read` for {row.place} of {row.file}.")
    return target
