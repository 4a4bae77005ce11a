"""timm's entries, remembered in the cache: importing torch and timm takes seconds, and one timm says the same again."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from tlzoo.plugin import Checkpoint, cache_folder, read_sealed_json, write_sealed_json


def resolve_timm(id: str) -> Checkpoint:
    """As `tlzoo_vision.resolving.resolve_timm`, which is asked once for each version of timm and of this plugin."""
    memory = cache_folder() / "resolved" / f"{id.replace('/', '--')}@{_versions()}.json"
    with suppress(ValueError):
        known = Checkpoint.model_validate(read_sealed_json(memory))
        if known.id == id:
            return known
    from tlzoo_vision.resolving import resolve_timm as ask

    found = ask(id)
    with suppress(OSError):
        write_sealed_json(memory, found.model_dump(mode="json"))
    return found


def _versions() -> str:
    """A digest of what decides an entry: timm, tlzoo and this plugin, whose files count too where they are edited."""
    named = [f"{name} {metadata.version(name)}" for name in ("timm", "tlzoo", "tlzoo-vision")]
    files = sorted(Path(__file__).parent.glob("*.py"))
    edited = [f"{file.name} {status.st_size} {status.st_mtime_ns}" for file in files for status in [file.stat()]]
    return hashlib.sha256("\n".join([*named, *edited]).encode()).hexdigest()[:16]
