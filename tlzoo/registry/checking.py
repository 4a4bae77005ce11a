"""Everything that is wrong with a registry file, not only the first: for its author, and before one is taken in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ValidationError

from tlzoo.errors import RegistryError
from tlzoo.registry.schema import Checkpoint, FileSource, HubSource, PackageSource, PypiSource, RegistryFile

LARGEST_BYTES = 256 * 2**20
_PAGE_STARTS = ("<!doctype", "<html", "<?xml")


@dataclass(frozen=True)
class Fault:
    """What is wrong: in which entry (its id, or its place from 0), in which field; empty where it is the whole file."""

    entry: str
    field: str
    message: str

    def __str__(self) -> str:
        where = [f"entry {self.entry!r}"] if self.entry else []
        where += [f"field {self.field!r}"] if self.field else []
        return f"{', '.join(where) or 'the file'}: {self.message}"


@dataclass(frozen=True)
class Checked:
    """What a file holds, as far as it is right, and all that is wrong with it."""

    checkpoints: tuple[Checkpoint, ...]
    sequence: int | None
    faults: tuple[Fault, ...]


def check_file(path: Path, *, allow_files: bool = True) -> Checked:
    """Check the registry file at `path`. Raises RegistryError only where it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as cause:
        raise RegistryError(f"Registry {path} cannot be read: {cause.strerror}.", hint="Check the path.") from cause
    return check(content, allow_files=allow_files)


def check(content: bytes, *, allow_files: bool) -> Checked:
    """Check a registry file's bytes; sources of kind `file` and `package` are faults unless allowed."""
    if len(content) > LARGEST_BYTES:
        return Checked((), None, (Fault("", "", f"it is larger than {LARGEST_BYTES >> 20} MiB"),))
    try:
        text = content.decode("utf-8")
        document, repeated = _parse(text)
    except (ValueError, RecursionError) as cause:
        return Checked((), None, (Fault("", "", _not_json(content, cause)),))
    faults = [Fault(*_place(document, holder), f"the key {key!r} stands twice") for holder, key in repeated]
    entries = document.get("checkpoints") if isinstance(document, dict) else None
    frame = {**document, "checkpoints": []} if isinstance(entries, list) else document
    whole, found = _validated(RegistryFile, frame, "")
    faults += found
    good = []
    for number, entry in enumerate(entries if isinstance(entries, list) else []):
        checkpoint, found = _validated(Checkpoint, entry, _name(entry, number))
        faults += found
        if isinstance(checkpoint, Checkpoint):
            good.append(checkpoint)
            faults += _beyond_the_schema(checkpoint, allow_files)
    counted = Counter(checkpoint.id for checkpoint in good)
    faults += [Fault(id, "id", f"the id stands {times} times") for id, times in counted.items() if times > 1]
    sequence = whole.sequence if isinstance(whole, RegistryFile) else None
    return Checked(tuple(good), sequence, tuple(faults))


def _not_json(content: bytes, cause: Exception) -> str:
    start = content[:200].decode("latin-1").lstrip("\ufeffï»¿ \t\r\n").lower()
    if start.startswith(_PAGE_STARTS):
        return "it is a web page, not JSON"
    return f"it is not JSON in UTF-8: {cause or 'too deep'}"


def _parse(text: str) -> tuple[Any, list[tuple[dict[str, Any], str]]]:
    """The document, and each object and key where a key stands twice."""
    repeated: list[tuple[dict[str, Any], str]] = []

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            counted = Counter(key for key, _ in pairs)
            repeated.extend((made, key) for key, times in counted.items() if times > 1)
        return made

    return json.loads(text, object_pairs_hook=build, parse_constant=_refuse), repeated


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _place(document: Any, holder: dict[str, Any]) -> tuple[str, str]:
    """The entry and field at which this object stands."""
    path = next((path for node, path in _walk(document, ()) if node is holder), ())
    if len(path) > 1 and path[0] == "checkpoints" and isinstance(path[1], int):
        return _name(document["checkpoints"][path[1]], path[1]), ".".join(map(str, path[2:]))
    return "", ".".join(map(str, path))


def _walk(node: Any, path: tuple[str | int, ...]) -> Iterator[tuple[Any, tuple[str | int, ...]]]:
    yield node, path
    below: Any = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in below:
        yield from _walk(value, (*path, key))


def _name(entry: Any, number: int) -> str:
    id = entry.get("id") if isinstance(entry, dict) else None
    return id if isinstance(id, str) and id else str(number)


def _validated(model: type[BaseModel], document: Any, entry: str) -> tuple[BaseModel | None, list[Fault]]:
    try:  # as JSON, since only there may a list stand for a tuple and yet no text for a number
        return model.model_validate_json(json.dumps(document)), []
    except ValidationError as cause:
        faults = []
        for error in cause.errors(include_url=False):
            message = error["msg"].removeprefix("Value error, ").replace("\n", " ")
            faults.append(Fault(entry, ".".join(map(str, error["loc"])), message))
        return None, faults
    except (ValueError, RecursionError) as cause:
        return None, [Fault(entry, "", str(cause))]


def _beyond_the_schema(checkpoint: Checkpoint, allow_files: bool) -> list[Fault]:
    """What only a look at several fields, or at where the file comes from, can tell."""
    if isinstance(checkpoint.source, FileSource | PackageSource) and not allow_files:
        kind = checkpoint.source.kind
        return [Fault(checkpoint.id, "source.kind", f"{kind!r} is for registries on this machine: pypi, hub or url")]
    twice = [name for name, times in Counter(_file_names(checkpoint)).items() if times > 1]
    return [Fault(checkpoint.id, "source", f"two files are named {name!r}") for name in twice]


def _file_names(checkpoint: Checkpoint) -> list[str]:
    match checkpoint.source:
        case PypiSource(members=members):
            return [member.name for member in members]
        case HubSource(files=hub_files):
            return [file.path for file in hub_files]
        case PackageSource(files=package_files):
            return [member.name for member in package_files]
        case FileSource(files=files):
            return [PurePosixPath(file.path).name for file in files]
    return []
