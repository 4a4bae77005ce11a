"""Files on this machine, named by a user's own registry: verified and copied into the cache."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from tlzoo.errors import SourceError
from tlzoo.parts import Weights
from tlzoo.registry.schema import FileSource
from tlzoo.registry.sources import cache


def fetch(source: FileSource, request: cache.Request) -> Weights:
    """The files from the cache, or copied into it. Needs no network. Raises SourceError, HashMismatch."""
    files = [cache.Pinned(Path(file.path).name, file.sha256, file.size) for file in source.files]

    def copy(folder: Path) -> None:
        for file, pinned in zip(source.files, files, strict=True):
            try:
                shutil.copyfile(file.path, folder / pinned.name)
            except OSError as cause:
                raise SourceError(
                    f"{request.key}: {file.path} cannot be read: {cause.strerror}.",
                    hint="A relative path starts at the registry file's folder.",
                ) from cause

    folder = cache.place(request.key, source.model_dump_json())
    return cache.obtain(replace(request, offline=False), folder, files, copy)
