"""The files below a folder, each of them read or counted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tlzoo.errors import DataError
from tlzoo.io.inputs.kinds import file_head, kind_of, needed_extra
from tlzoo.io.inputs.report import (
    BESIDE,
    HIDDEN,
    LINK_INSIDE,
    LINK_TWICE,
    NEEDS_EXTRA,
    OTHER_KIND,
    SPECIAL,
    ReadReport,
    Reason,
)
from tlzoo.io.regular import reading_hint


def is_hidden(name: str) -> bool:
    """Whether files and folders of this name are ignored."""
    return name.startswith(".") or name == "__MACOSX"


def folder_names(folder: Path) -> list[str]:
    """The names of the folders right below, without those that are hidden."""
    return [entry.name for entry in _entries(folder) if entry.is_dir() and not is_hidden(entry.name)]


class FolderWalk:
    """Walks below one folder, `root`: each folder's names in order, nothing hidden, each folder once.

    A file is read where its name ends in one of `endings`, or where it is no link and begins as a file of this
    `modality` does. A link to a folder elsewhere is followed, the first of several to the same; one to a folder below
    `root` is not, as that is read where it lies, nor one to a folder that `root` lies in. `report` counts what is left
    out.
    """

    def __init__(
        self, root: str | os.PathLike[str], endings: tuple[str, ...], modality: str, report: ReadReport | None = None
    ) -> None:
        self.report = ReadReport() if report is None else report
        self._root, self._endings, self._modality = Path(root), endings, modality
        self._real = os.path.realpath(root)
        self._followed: list[str] = []

    def files_by_folder(self) -> dict[Path, list[str]]:
        """The folders right below `root` with the files in and below each; the files beside them are counted."""
        found: dict[Path, list[str]] = {}
        for entry in _entries(self._root):
            if is_hidden(entry.name):
                _count_hidden(entry, self.report)
            elif not entry.is_dir():
                self.report.leave_out(BESIDE, entry.path)
            elif self._reads_folder(entry):
                found[Path(entry.path)] = list(self.files(entry.path))
        return found

    def files(self, folder: str | os.PathLike[str] | None = None) -> Iterator[str]:
        """The files of this kind in `folder`, by default `root`, and below it.

        Raises DataError for a folder that cannot be read.
        """
        for entry in _entries(self._root if folder is None else folder):
            if is_hidden(entry.name):
                _count_hidden(entry, self.report)
            elif entry.is_dir():
                if self._reads_folder(entry):
                    yield from self.files(entry.path)
            elif self._is_sample(entry):
                yield entry.path

    def _reads_folder(self, entry: os.DirEntry[str]) -> bool:
        """Whether a folder is read here: not where it is a link to one that is read elsewhere."""
        if not entry.is_symlink():
            return True
        target = os.path.realpath(entry.path)
        if _lies_in(target, self._real) or _lies_in(self._real, target):
            self.report.leave_out(LINK_INSIDE, entry.path)
            return False
        if any(_lies_in(target, other) or _lies_in(other, target) for other in self._followed):
            self.report.leave_out(LINK_TWICE, entry.path)
            return False
        self._followed.append(target)
        return True

    def _is_sample(self, entry: os.DirEntry[str]) -> bool:
        """Whether a file is one of those asked for, by its ending or what it begins with; else it is counted."""
        named = entry.name.lower().endswith(self._endings)
        if not entry.is_file() and _exists(entry):  # what a link to nothing names is told when it is read
            self.report.leave_out(SPECIAL, entry.path)
            return False
        if named:
            return True
        head = b"" if entry.is_symlink() else file_head(entry.path)  # a link that is not called so may lead anywhere
        if kind_of(head) != self._modality:
            self.report.leave_out(OTHER_KIND, entry.path)
            return False
        needed = needed_extra(head)
        if needed is not None and not needed.there:
            self.report.leave_out(NEEDS_EXTRA, entry.path)
            self.report.extras.add(needed.extra)
            return False
        return True


def _exists(entry: os.DirEntry[str]) -> bool:
    try:
        entry.stat()
    except OSError:
        return False
    return True


def count_files(
    folder: str | os.PathLike[str],
    reason: Reason,
    report: ReadReport,
    is_read: Callable[[str], bool] = lambda path: False,
) -> None:
    """Count what lies below a folder and is not read; a link to a folder counts as one."""
    for place, folders, names in os.walk(folder):
        for path in sorted(os.path.join(place, name) for name in (*folders, *names)):
            if not is_read(path) and (os.path.islink(path) or not os.path.isdir(path)):
                report.leave_out(reason, path)


def count_beside(
    folder: str | os.PathLike[str], reason: Reason, report: ReadReport, is_read: Callable[[str], bool]
) -> None:
    """Count what lies in a folder and below and is not read; what is hidden apart."""
    for entry in _entries(folder):
        if is_read(entry.path):
            continue
        if is_hidden(entry.name):
            _count_hidden(entry, report, is_read)
        elif entry.is_dir(follow_symlinks=False):
            count_beside(entry.path, reason, report, is_read)
        else:
            report.leave_out(reason, entry.path)


def _count_hidden(
    entry: os.DirEntry[str], report: ReadReport, is_read: Callable[[str], bool] = lambda path: False
) -> None:
    """Count a hidden file, or all below a hidden folder."""
    if entry.is_dir(follow_symlinks=False):
        count_files(entry.path, HIDDEN, report, is_read)
    else:
        report.leave_out(HIDDEN, entry.path)


def _entries(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as cause:
        raise DataError(f"Folder {folder} cannot be read: {cause.strerror}.", hint=reading_hint(cause)) from cause


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
