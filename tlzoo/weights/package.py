"""Files inside the installed package of a plugin: found without importing it, verified where they lie."""

from __future__ import annotations

from pathlib import Path

from tlzoo.errors import HashMismatch, SourceError
from tlzoo.interfaces import Weights
from tlzoo.io.entry_points import package_folders
from tlzoo.registry.schema import PackageSource
from tlzoo.weights import cache


def fetch(source: PackageSource, request: cache.FetchRequest) -> Weights:
    """The files where they lie. Needs no network. Raises SourceError where there is no such package, HashMismatch."""
    folder = next(filter(Path.is_dir, package_folders(source.package)), None)
    if folder is None:
        raise SourceError(
            f"{request.key}: no package {source.package!r} is installed.", hint="Install the plugin that brings it."
        )
    files = [cache.PinnedFile(file.path, file.sha256, file.size) for file in source.files]
    fault = cache.verify_files(folder, files)
    if fault is not None:
        raise HashMismatch(
            f"{request.key}: the package {source.package!r} does not match its pins: {fault}.",
            hint="Install the plugin again. If it fails again, tell its author.",
        )
    return Weights(folder, {file.name: folder / file.path for file in source.files})
