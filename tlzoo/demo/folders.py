"""Folders of demo data carry a card that says what they hold, so that a complete one is used again."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tlzoo.errors import DataError, WriteError
from tlzoo.io.files import atomic_folder, write_json

_CARD = ".tlzoo-demo.json"


def write_card(folder: Path, card: Mapping[str, object]) -> None:
    """Say what the folder holds."""
    write_json(folder / _CARD, card)


@contextmanager
def filling(folder: Path, card: Mapping[str, object]) -> Iterator[Path]:
    """A folder that becomes `folder`, with its card, unless another process is faster with the same data."""
    try:
        with atomic_folder(folder) as temporary:
            yield temporary
            write_card(temporary, card)
    except WriteError as error:
        if error.errno != errno.EEXIST or not is_complete(folder, card):
            raise


def is_complete(folder: Path, card: Mapping[str, object]) -> bool:
    """Whether the folder holds what the card says; clears away other demo data and an empty folder.

    Raises DataError for a folder of other contents, which is left alone.
    """
    if not folder.exists():
        return False
    try:
        there = json.loads((folder / _CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            return False
        raise DataError(f"{folder} contains files other than demo data.", hint="Choose another folder.") from cause
    if there == card:
        return True
    shutil.rmtree(folder)
    return False
