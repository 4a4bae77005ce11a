"""Which hash of a checkpoint's file was written down before it was fetched: in its entry, or by `tlzoo lock`."""

from __future__ import annotations

from pathlib import Path

from tlzoo.registry.schema import Checkpoint, FileSource, HubSource, PackageSource, PypiSource, Source, UrlSource
from tlzoo.weights import lockfile
from tlzoo.weights.cache import PinnedFile
from tlzoo.weights.url import file_name


def pins(source: Source) -> dict[str, PinnedFile | None]:
    """Each file of the source by its name, as `Weights.files` has it; `None` where the entry does not pin it."""
    match source:
        case PypiSource(members=members) | PackageSource(files=members):
            return {member.name: PinnedFile(member.name, member.sha256, member.size) for member in members}
        case HubSource(files=hub_files):
            return {
                file.path: PinnedFile(file.path, file.sha256, file.size) if file.sha256 and file.size else None
                for file in hub_files
            }
        case UrlSource(url=url, sha256=sha256, size=size):
            name = file_name(url)
            return {name: PinnedFile(name, sha256, size)}
        case FileSource(files=files):
            return {Path(file.path).name: PinnedFile(Path(file.path).name, file.sha256, file.size) for file in files}


def pinned_sha256(checkpoint: Checkpoint, name: str) -> str | None:
    """The sha256 that the file must have, in hex; what a first use merely saw is not a pin.

    Raises SourceError when the lock file is damaged.
    """
    source = checkpoint.source
    pin = pins(source).get(name)
    if pin is not None:
        return pin.sha256
    if isinstance(source, HubSource):
        given = next((file.sha256 for file in source.files if file.path == name), None)
        if given is not None:
            return given
    locked = lockfile.read().checkpoints.get(checkpoint.id)
    found = locked.files.get(name) if locked is not None and locked.kind == source.kind else None
    return None if found is None else found.sha256
