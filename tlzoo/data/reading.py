"""Read samples from folders and tables."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import TypedDict  # pydantic takes the standard library's from Python 3.12 on

from tlzoo.data.samples import Collection, Kind, Samples, labels_in
from tlzoo.data.tables import FORMATS, Table, cells, decode_text, label_cells, number_cells, read_table
from tlzoo.errors import DataError, UsageError
from tlzoo.progress import say
from tlzoo.specs import PluginSpec, Preprocess

EXTENSIONS = {
    "image": (
        ".avif", ".bmp", ".dcm", ".dicom", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff",
        ".webp",
    ),
    "audio": (".aif", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav"),
    "text": (".txt",),
}  # fmt: skip
_THIRD_SPLIT = ("dev", "val", "valid", "validation")


@dataclass(frozen=True)
class _Wanted:
    modality: str
    text_column: str
    path_column: str
    label_column: str
    labelled: bool
    kind: Kind
    endings: tuple[str, ...]

    @property
    def kinds(self) -> str:
        """The files that are read, as an error's hint."""
        return f"Files of these kinds are read: {', '.join(self.endings)}"


class Columns(TypedDict, total=False):
    """What a table calls its columns, where not `text`, `path` and `label`."""

    text_column: str
    path_column: str
    label_column: str


def read(
    path: str | os.PathLike[str],
    modality: str,
    *,
    text_column: str = "text",
    path_column: str = "path",
    label_column: str = "label",
    labelled: bool = True,
    minimum_classes: int = 2,
    kind: Kind = "single",
    endings: tuple[str, ...] = (),
) -> Collection:
    """Read a folder per class, `train/` and `test/` of that form (or tables of these names), or one table.

    `modality` is `image`, `audio`, `text` or a plugin's own, whose files end in `endings` (see `endings_of`). With
    `labelled=False` folders may be flat or nested, labels are not looked at and come back as `None`. The order is
    sorted for folders, the table's own for tables. `kind` says what a label is: one class, any number of labels as
    `a;b` (or a list, where the format has lists), or a finite number; the latter two take tables. Raises DataError
    naming the file, class, column or row for whatever cannot be used, and for fewer than `minimum_classes` classes or
    different numbers; a label beside others counts as two, there or not.
    """
    endings = endings or EXTENSIONS.get(modality, ())
    if not endings:
        raise UsageError(
            f"Nothing says which files hold {modality!r}.",
            hint=f"Known are {', '.join(sorted(EXTENSIONS))}; a plugin names `endings` in its preprocessing.",
        )
    place = Path(os.path.abspath(path))
    wanted = _Wanted(modality, text_column, path_column, label_column, labelled, kind, endings)
    if not place.exists():
        raise DataError(f"{place} does not exist.", hint="Give a folder with one sub-folder per class, or a table.")
    collection = _from_folder(place, wanted) if place.is_dir() else Collection(_from_table(place, wanted), None)
    if labelled:
        _check_labels(place, collection, minimum_classes, kind)
    return collection


def endings_of(spec: Preprocess) -> tuple[str, ...]:
    """The endings of the files that this preprocessing reads, where a plugin says so; else the modality's count."""
    return spec.endings if isinstance(spec, PluginSpec) else ()


def _check_labels(place: Path, collection: Collection, minimum: int, kind: Kind) -> None:
    if kind == "regression":
        _check_numbers(place, collection.train.labels or (), minimum)
        return
    known = _occurring(collection.train, kind)
    if kind == "multilabel" and len(known) < minimum - 1:
        raise DataError(f"{place} has no label in any row.", hint="Fill its label column: a;b where there are several.")
    if kind == "single" and len(known) < minimum:
        only = ", ".join(repr(label) for label in sorted(known))
        raise DataError(f"{place} has only one class, {only}.", hint="A classifier needs samples of two or more.")
    unseen = sorted(_occurring(collection.test, kind) - known) if collection.test else []
    if unseen:
        names = ", ".join(repr(label) for label in unseen[:5]) + (", ..." if len(unseen) > 5 else "")
        raise DataError(
            f"{place} has labels in its test data that training never sees: {names}.",
            hint="Add samples of them to the training data or take them out of the test data.",
        )


def _occurring(samples: Samples, kind: Kind) -> set[str]:
    cells = samples.labels or ()
    return {label for cell in cells for label in labels_in(cell)} if kind == "multilabel" else set(cells)


def _check_numbers(place: Path, cells: tuple[str, ...], minimum: int) -> None:
    if len({float(cell) for cell in cells}) < minimum:
        raise DataError(
            f"{place} has only one target, {cells[0]}: there is nothing to learn.",
            hint="Give samples with different targets.",
        )


def _from_folder(folder: Path, wanted: _Wanted) -> Collection:
    tables = {stem: _named_table(folder, stem) for stem in ("train", "test")}
    if tables["train"]:
        test = _from_table(tables["test"], wanted) if tables["test"] else None
        return Collection(_from_table(tables["train"], wanted), test)
    halves = _halves(folder, wanted)
    if not halves:
        return Collection(_from_classes(folder, wanted), None)
    train, test_folder = halves
    test = _from_classes(test_folder, wanted) if test_folder else None
    return Collection(_from_classes(train, wanted), test)


def _named_table(folder: Path, stem: str) -> Path | None:
    found = [folder / (stem + suffix) for suffix in FORMATS if (folder / (stem + suffix)).is_file()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DataError(f"Folder {folder} has both {names}.", hint="Keep one of them, or give that file itself.")
    return found[0] if found else None


def _halves(folder: Path, wanted: _Wanted) -> tuple[Path, Path | None] | None:
    """The folders `train/` and `test/`; `None` where sub-folders are classes, even one named `train`."""
    names = {child.name for child in _folders(folder)}
    train, test = folder / "train", folder / "test"
    if "train" not in names or (wanted.labelled and not _folders(train)):
        return None
    others = sorted(names - {"train", "test"})
    if others and not (set(others) <= set(_THIRD_SPLIT) and "test" in names):
        raise DataError(
            f"Folder {folder} has {others[0]}/ beside train/.",
            hint="Training reads train/ and test/ only: rename it to test, or move it away.",
        )
    for other in others:
        say(f"{folder / other} is not read: training holds out its own validation data.")
    return train, test if "test" in names else None


def _from_classes(folder: Path, wanted: _Wanted) -> Samples:
    if not wanted.labelled:
        return _contents(_files(folder, wanted.endings), None, folder, wanted)
    if wanted.kind != "single":
        sort = "several labels per sample" if wanted.kind == "multilabel" else "numbers"
        raise DataError(
            f"Folder {folder} cannot hold {sort}: its folders are one class each.",
            hint=f"Give a table with the columns {'text' if wanted.modality == 'text' else 'path'} and label.",
        )
    classes = _folders(folder)
    if not classes:
        raise DataError(
            f"Folder {folder} is empty of classes: it has no sub-folders.",
            hint="Give a folder with one sub-folder of files per class, or a table with a label column.",
        )
    files: list[Path] = []
    labels: list[str] = []
    for child in classes:
        found = _files(child, wanted.endings)
        if not found:
            raise DataError(f"Class folder {child} has no {wanted.modality} files.", hint=wanted.kinds)
        files += found
        labels += [child.name] * len(found)
    return _contents(files, tuple(labels), folder, wanted)


def _contents(files: list[Path], labels: tuple[str, ...] | None, folder: Path, wanted: _Wanted) -> Samples:
    if not files:
        raise DataError(f"Folder {folder} has no {wanted.modality} files.", hint=wanted.kinds)
    for file in files:
        _check_not_empty(file)
    inputs = tuple(_text_of(file) for file in files) if wanted.modality == "text" else tuple(map(str, files))
    return Samples(inputs, labels, wanted.modality)


def _from_table(path: Path, wanted: _Wanted) -> Samples:
    table = read_table(path)
    if wanted.modality == "text":
        inputs = cells(table, wanted.text_column, "--text-column")
    else:
        inputs = _files_in_rows(table, wanted)
    labels = None
    if wanted.labelled:
        column = {"single": cells, "multilabel": label_cells, "regression": number_cells}[wanted.kind]
        labels = tuple(label.strip() for label in column(table, wanted.label_column, "--label-column"))
    return Samples(tuple(inputs), labels, wanted.modality)


def _files_in_rows(table: Table, wanted: _Wanted) -> list[str]:
    files = []
    for (place, _), cell in zip(table.rows, cells(table, wanted.path_column, "--path-column"), strict=True):
        file = Path(os.path.abspath(table.path.parent / cell.strip()))
        if "\0" in cell or not file.is_file():
            raise DataError(
                f"File {table.path} names {cell!r} in {place}, which is no file.",
                hint=f"Paths are relative to {table.path.parent}",
            )
        if not file.name.lower().endswith(wanted.endings):
            raise DataError(
                f"File {table.path} names {cell!r} in {place}, no {wanted.modality} file.", hint=wanted.kinds
            )
        _check_not_empty(file)
        files.append(str(file))
    return files


def _check_not_empty(file: Path) -> None:
    if file.stat().st_size == 0:
        raise DataError(f"File {file} has zero bytes.", hint="Restore it or delete it.")


def _text_of(file: Path) -> str:
    text = decode_text(file)
    if not text.strip():
        raise DataError(f"File {file} has no text.", hint="Fill it or delete it.")
    return text


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not _hidden(child.name))


def _files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    return sorted(file for file in _walk(folder) if file.name.lower().endswith(endings))


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _hidden(name)]
        yield from (Path(root, name) for name in names if not _hidden(name))
