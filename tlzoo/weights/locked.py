"""What `tlzoo lock` writes down of a checkpoint, and fetching exactly that again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tlzoo.errors import HashMismatch
from tlzoo.interfaces import Weights
from tlzoo.registry.schema import (
    Checkpoint,
    FileSource,
    HubFile,
    HubSource,
    LocalFile,
    PackageSource,
    PypiSource,
    Source,
    UrlSource,
)
from tlzoo.weights.fetch import fetch, fetch_source
from tlzoo.weights.lockfile import LockedCheckpoint, LockedFile, hash_file
from tlzoo.weights.pins import pins


def lock_checkpoint(checkpoint: Checkpoint, *, listed: bool) -> LockedCheckpoint:
    """Everything that the checkpoint's weights are made of; fetched only where its entry does not pin it all.

    `listed` says whether a registry has the entry; where none has, the lock file carries it. Raises as `fetch`.
    """
    found = {name: LockedFile(sha256=pin.sha256, size=pin.size) for name, pin in pins(checkpoint.source).items() if pin}
    revision = checkpoint.source.revision if isinstance(checkpoint.source, HubSource) else None
    if len(found) < len(pins(checkpoint.source)) or (isinstance(checkpoint.source, HubSource) and revision is None):
        weights = fetch(checkpoint)
        found = {name: hash_file(path) for name, path in weights.files.items()}
        revision = _fetched_revision(checkpoint)
    return LockedCheckpoint(
        entry=entry_digest(checkpoint),
        kind=checkpoint.source.kind,
        origin=source_name(checkpoint.source),
        revision=revision,
        files=dict(sorted(found.items())),
        resolved=None if listed else checkpoint,
    )


def fetch_locked(checkpoint: Checkpoint, locked: LockedCheckpoint, file: Path) -> Weights:
    """The files that the lock file names, and no others; `file` is its path, for messages.

    Raises HashMismatch where the registry's entry and the lock file differ, and as `fetch_source`.
    """
    difference = find_difference(checkpoint, locked)
    if difference is not None:
        raise HashMismatch(
            f"{checkpoint.id}: its registry entry and {file} differ: {difference}.",
            hint=f"If the change is intended: tlzoo lock {checkpoint.id}. If not, tell the registry's author.",
        )
    return fetch_source(_pinned(checkpoint.source, locked), checkpoint.id)


def find_difference(checkpoint: Checkpoint, locked: LockedCheckpoint) -> str | None:
    """In what the entry is no longer the one that was locked, `None` where it is."""
    source = checkpoint.source
    if (source.kind, source_name(source)) != (locked.kind, locked.origin):
        return (
            f"the entry's source is {source.kind} {source_name(source)}, the lock file's {locked.kind} {locked.origin}"
        )
    if isinstance(source, HubSource) and source.revision not in (None, locked.revision):
        return f"the entry's revision is {source.revision}, the lock file's {locked.revision}"
    for name, pin in pins(source).items():
        there = locked.files.get(name)
        if there is None:
            return f"the entry has the file {name}, the lock file does not"
        if pin is not None and (pin.sha256, pin.size) != (there.sha256, there.size):
            return f"the entry's {name} has sha256 {pin.sha256[:16]}…, the lock file's {there.sha256[:16]}…"
    surplus = sorted(locked.files.keys() - pins(source).keys())
    if surplus:
        return f"the lock file has the file {surplus[0]}, the entry does not"
    if entry_digest(checkpoint) != locked.entry:
        return f"the entry's sha256 is {entry_digest(checkpoint)[:16]}…, the lock file's {locked.entry[:16]}…"
    return None


def entry_digest(checkpoint: Checkpoint) -> str:
    """The sha256 of an entry, the same on every machine and in any order: of local files only the names count."""
    if isinstance(checkpoint.source, FileSource):
        files = tuple(
            LocalFile(path=Path(file.path).name, sha256=file.sha256, size=file.size) for file in checkpoint.source.files
        )
        checkpoint = checkpoint.model_copy(update={"source": FileSource(files=files)})
    document = checkpoint.model_dump(mode="json", exclude_defaults=True)
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def source_name(source: Source) -> str:
    """Where the files come from, in a word."""
    match source:
        case PypiSource(archive=archive):
            return archive
        case HubSource(repo=repo):
            return repo
        case UrlSource(url=url):
            return url
        case PackageSource(package=package):
            return package
        case FileSource():
            return "this machine"


def _pinned(source: Source, locked: LockedCheckpoint) -> Source:
    if not isinstance(source, HubSource):
        return source
    files = tuple(
        HubFile(path=file.path, sha256=locked.files[file.path].sha256, size=locked.files[file.path].size)
        for file in source.files
    )
    return HubSource(repo=source.repo, revision=locked.revision, files=files)


def _fetched_revision(checkpoint: Checkpoint) -> str | None:
    from tlzoo.weights.hub import revision_of

    source = checkpoint.source
    return revision_of(source, checkpoint.id) if isinstance(source, HubSource) else None
