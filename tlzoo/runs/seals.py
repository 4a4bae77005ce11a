"""What notices that a file of a run was damaged or changed: hashes in its record, and a hash of the record itself.

Torch-free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tlzoo.errors import RunError
from tlzoo.io.files import sha256_of


def hashes_of(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file in a folder, by name."""
    return {file.name: sha256_of(file) for file in sorted(folder.iterdir())}


def check_files(folder: Path, hashes: Mapping[str, str], names: Iterable[str]) -> None:
    """Raise RunError for the first of these files that is not what its record says, naming those that are.

    One that the record has no hash of, as older runs have none, is left to who reads it.
    """
    for name in names:
        if name in hashes and (fault := _fault(folder / name, hashes[name])):
            raise RunError(
                f"{folder / name} {fault}.",
                hint=f"Restore it from a copy, or train again. Undamaged: {undamaged(folder, hashes)}.",
            )


def undamaged(folder: Path, hashes: Mapping[str, str]) -> str:
    """The names of the files that are what they were, for people."""
    return ", ".join(name for name, digest in hashes.items() if not _fault(folder / name, digest)) or "no others"


def damaged_record(file: Path, hashes: object) -> RunError:
    """The error of a record whose seal is not that of its fields, with the files that are what its `hashes` state."""
    stated = {str(name): str(digest) for name, digest in hashes.items()} if isinstance(hashes, Mapping) else {}
    return RunError(
        f"{file} is damaged, or was changed after the run was written: its checksum differs.",
        hint=f"Restore it from a copy, or train again. Unchanged by what it states: {undamaged(file.parent, stated)}.",
    )


def _fault(file: Path, digest: str) -> str:
    """What is wrong with a file of this SHA-256; empty where nothing is."""
    try:
        if sha256_of(file) == digest:
            return ""
    except FileNotFoundError:
        return "is missing"
    except OSError as cause:
        return f"cannot be read: {cause.strerror}"
    return "is damaged, or was changed after the run was written: its checksum differs from the one in run.json"
