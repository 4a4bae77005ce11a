"""Whether a sample's file can be read to its end, as far as that is seen before work starts."""

from __future__ import annotations

import os
from pathlib import Path

from tlzoo.data.samples import content_digests
from tlzoo.errors import DataError, InputError
from tlzoo.io.inputs.kinds import file_head, is_container

LARGEST = 2**36
"""Bytes of a sample's file: larger ones would be hashed for minutes, and a sparse file may claim any size."""


def check_file(file: str | os.PathLike[str], modality: str) -> None:
    """Raise DataError for a file that is empty, far too large, or cannot be read to its end, as a link to nothing."""
    try:
        size = os.stat(file).st_size
    except OSError as cause:
        raise DataError(f"File {file} cannot be read: {cause.strerror}.", hint="Restore it or delete it.") from cause
    if size == 0:
        raise DataError(f"File {file} is empty (zero bytes).", hint="Restore it or delete it.")
    if size > LARGEST:
        raise DataError(f"File {file} has more than {LARGEST // 2**30} GiB.", hint="Check what it is, or delete it.")
    if modality == "audio":
        _check_container(file)
    if modality != "text":
        content_digests((os.fspath(file),), modality)  # each file is hashed once, and read whole by that


def _check_container(file: str | os.PathLike[str]) -> None:
    """Raise DataError for an MP4, WebM or their kin that cannot be read."""
    if is_container(file_head(file)):
        from tlzoo.preprocess.sounds.containers import check_whole

        try:
            check_whole(Path(file), f"File {file}")
        except InputError as error:
            raise DataError(error.message, hint=error.hint) from error
