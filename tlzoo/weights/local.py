"""Files on this machine, named by a user's own registry: verified and copied into the cache."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

from tlzoo.errors import HashMismatch, SourceError
from tlzoo.interfaces import Weights
from tlzoo.registry.schema import FileSource
from tlzoo.weights import cache


def fetch(source: FileSource, request: cache.FetchRequest) -> Weights:
    """The files from the cache, or copied into it. Needs no network. Raises SourceError, HashMismatch."""
    files = [cache.PinnedFile(Path(file.path).name, file.sha256, file.size) for file in source.files]

    def copy(folder: Path) -> None:
        for file, pinned in zip(source.files, files, strict=True):
            try:
                status = os.stat(file.path)
                whole = stat.S_ISREG(status.st_mode) and status.st_size == file.size  # a device would never end
                if whole:
                    shutil.copyfile(file.path, folder / pinned.name)
            except OSError as cause:
                if cause.filename2 is not None or cause.filename != file.path:
                    raise  # the cache cannot be written
                raise SourceError(
                    f"{request.key}: {file.path} cannot be read: {cause.strerror}.",
                    hint="A relative path starts at the registry file's folder.",
                ) from cause
            if not whole:
                found = f"has {status.st_size} bytes" if stat.S_ISREG(status.st_mode) else "is not a file"
                raise HashMismatch(
                    f"{request.key}: {file.path} {found}; one of {file.size} bytes is pinned.",
                    hint="Restore it, or write its entry again: tlzoo registry new-entry",
                )

    folder = cache.source_folder(request.key, source.model_dump_json())
    return cache.fetch_or_cache(replace(request, offline=False), folder, files, copy)
