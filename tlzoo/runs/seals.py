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
        if name not in hashes or _is_whole(folder, name, hashes):
            continue
        whole = [each for each in hashes if _is_whole(folder, each, hashes)]
        there = (folder / name).is_file()
        what = "is damaged, or was changed after the run was written: its checksum differs from the one in run.json"
        raise RunError(
            f"{folder / name} {what if there else 'is missing'}.",
            hint=f"Restore it from a copy, or train again. Undamaged: {', '.join(whole) or 'no others'}.",
        )


def damaged_record(file: Path) -> RunError:
    """The error of a record whose seal is not that of its fields."""
    return RunError(
        f"{file} is damaged, or was changed after the run was written: its checksum differs.",
        hint="Restore it from a copy, or train again. To use other data give it to the command, as in export's --data.",
    )


def _is_whole(folder: Path, name: str, hashes: Mapping[str, str]) -> bool:
    try:
        return sha256_of(folder / name) == hashes[name]
    except FileNotFoundError:
        return False
