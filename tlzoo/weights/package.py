"""Files inside the installed package of a plugin: found without importing it, verified where they lie."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tlzoo.errors import HashMismatch, SourceError
from tlzoo.interfaces import Weights
from tlzoo.registry.schema import PackageSource
from tlzoo.weights import cache


def fetch(source: PackageSource, request: cache.FetchRequest) -> Weights:
    """The files where they lie. Needs no network. Raises SourceError where there is no such package, HashMismatch."""
    folder = _folder(source.package, request.key)
    files = [cache.PinnedFile(file.path, file.sha256, file.size) for file in source.files]
    fault = cache.verify_files(folder, files)
    if fault is not None:
        raise HashMismatch(
            f"{request.key}: the package {source.package!r} does not match its pins: {fault}.",
            hint="Install the plugin again. If it fails again, tell its author.",
        )
    return Weights(folder, {file.name: folder / file.path for file in source.files})


def _folder(package: str, key: str) -> Path:
    """Where the package lies; neither it nor its parents are imported."""
    top, *below = package.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if Path(place, *below).is_dir():
            return Path(place, *below)
    raise SourceError(f"{key}: no package {package!r} is installed.", hint="Install the plugin that brings it.")
