"""The one reader of registry files: it holds one entry at a time, and names what is wrong with its place.

`read_checkpoints` stops at the first fault, `check_file` and `check_published` list them all.
"""

from __future__ import annotations

import codecs
import io
import json
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError

from tlzoo.errors import RegistryError
from tlzoo.registry.scanning import Scanner, path_to
from tlzoo.registry.schema import (
    Checkpoint,
    FileSource,
    HubSource,
    LocalFile,
    PackageSource,
    PypiSource,
    RegistryFile,
    UrlSource,
)

MAX_BYTES = 80 * 2**20
"""Room for 100,000 entries of 800 bytes; a larger file is an accident or an attack."""
MAX_ENTRY = 2**20
"""Characters of one entry; the largest of the built-in registry has a hundredth of them."""
MAX_FAULTS, _SHOWN = 1000, 200

RecordT = TypeVar("RecordT", bound=BaseModel)
_PAGE_STARTS = (b"<!doctype", b"<html", b"<?xml")
_PATH_HINT = "Check its path; the registries in use: tlzoo registry list"


@dataclass(frozen=True)
class Fault:
    """What is wrong: in which entry (its id, or its index from 0), in which field; empty for the whole file."""

    entry: str
    field: str
    message: str

    def __str__(self) -> str:
        where = [f"entry {self.entry!r}"] if self.entry else []
        where += [f"field {self.field!r}"] if self.field else []
        return f"{', '.join(where) or 'the file'}: {self.message}"


@dataclass(frozen=True)
class CheckedFile:
    """The ids of the valid entries, the file's `sequence`, and every fault."""

    ids: tuple[str, ...] = ()
    sequence: int | None = None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class _Rules:
    """What a file may contain, by its origin; `path` is `None` for bytes that no file of this machine holds yet."""

    path: Path | None
    allow_files: bool
    published: bool = False


def read_checkpoints(path: Path, allow_files: bool) -> Iterator[tuple[Checkpoint, str]]:
    """Each checkpoint, paths of `file` sources absolute, and its JSON. Raises RegistryError at the first fault.

    Sources of kind `file` are a fault unless `allow_files`.
    """
    file_stamp(path)
    try:
        with path.open("rb") as file:
            for found in _Document(file, _Rules(path, allow_files)).items():
                if isinstance(found, Fault):
                    hint = f"List all faults: tlzoo registry validate {path}. To stop using it, remove it from "
                    hint += "TLZOO_REGISTRY, or: tlzoo registry remove NAME"
                    raise RegistryError(f"Registry {path}: {found}.", hint=hint)
                yield found
    except OSError as cause:
        raise _unreadable(path, cause) from cause


def check_file(path: Path, *, published: bool = False) -> CheckedFile:
    """Check a registry file; with `published` as one that others will use, so without files of this machine.

    Raises RegistryError only where it cannot be read or is too large.
    """
    file_stamp(path)  # opening a pipe would wait for whoever writes into it
    try:
        with path.open("rb") as file:
            return _checked(file, _Rules(path, not published, published))
    except OSError as cause:
        raise _unreadable(path, cause) from cause


def check_published(content: bytes) -> CheckedFile:
    """Check the bytes of a registry file as one that others publish."""
    return _checked(io.BytesIO(content), _Rules(None, allow_files=False, published=True))


def file_stamp(path: Path) -> tuple[int, int, int]:
    """What changes when the file does: modification time in ns, size in bytes, inode.

    Raises RegistryError for what is no file, cannot be read or is larger than `MAX_BYTES`, before it is opened.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as cause:
        raise _unreadable(path, cause) from cause
    if not stat.S_ISREG(status.st_mode):
        raise RegistryError(f"Registry {path} cannot be read: it is not a file.", hint=_PATH_HINT)
    if status.st_size > MAX_BYTES:
        raise RegistryError(
            f"Registry {path} has {status.st_size >> 20} MiB; the limit is {MAX_BYTES >> 20} MiB.",
            hint="Split it into several files.",
        )
    return status.st_mtime_ns, status.st_size, status.st_ino


def _unreadable(path: Path, cause: Exception) -> RegistryError:
    reason = getattr(cause, "strerror", None) or cause
    return RegistryError(f"Registry {path} cannot be read: {reason}.", hint=_PATH_HINT)


def _checked(file: BinaryIO, rules: _Rules) -> CheckedFile:
    document = _Document(file, rules)
    ids: list[str] = []
    faults: list[Fault] = []
    for found in document.items():
        if isinstance(found, Fault):
            faults.append(found)
        else:
            ids.append(found[0].id)
    return CheckedFile(tuple(ids), document.sequence, tuple(faults))


class _Document:
    """One registry file while it is read; `sequence` is known at its end."""

    def __init__(self, file: BinaryIO, rules: _Rules) -> None:
        self.sequence: int | None = None
        self._file, self._rules = file, rules
        self._scanner = Scanner(io.TextIOWrapper(file, encoding="utf-8", newline=""))
        self._ids: Counter[str] = Counter()
        self._last = ""

    def items(self) -> Iterator[tuple[Checkpoint, str] | Fault]:
        """Each valid checkpoint with its JSON, and each fault, in the file's order."""
        head = self._file.read(200)
        self._file.seek(0)
        start = head.lstrip(codecs.BOM_UTF8 + b" \t\r\n").lower()
        if not start:
            yield Fault("", "", "it is empty")
        elif start.startswith(_PAGE_STARTS):
            yield Fault("", "", "it is a web page, not JSON")
        elif head.startswith(codecs.BOM_UTF8):
            yield Fault("", "", "it begins with a byte order mark; save it as UTF-8 without one")
        else:
            try:
                yield from _readable(self._fields())
            except (ValueError, RecursionError) as cause:
                after = f" after entry {self._last!r}" if self._last else ""
                reason = str(cause).replace("\n", " ")
                yield Fault("", "", f"it is not JSON in UTF-8{after}, line {self._scanner.line}: {reason}")

    def _fields(self) -> Iterator[tuple[Checkpoint, str] | Fault]:
        scanner = self._scanner
        if scanner.peek() != "{":
            yield Fault("", "", "it must be a JSON object with 'checkpoints'")
            return
        outer: dict[str, Any] = {}
        for _ in scanner.parts("{", "}"):
            key = scanner.key()
            if key in outer:
                yield Fault("", key, f"duplicate key {key!r}")
            if key == "checkpoints" and scanner.peek() == "[":
                outer[key] = []
                for number, _ in enumerate(scanner.parts("[", "]")):
                    yield from self._entry(number, scanner.value())
            else:
                outer[key] = scanner.value()
                yield from self._value_faults("", outer[key])
        if scanner.peek():
            raise ValueError("unexpected data after the end")
        whole, faults = _validated(RegistryFile, json.dumps(outer), "")
        yield from faults
        self.sequence = whole.sequence if whole else None

    def _entry(self, number: int, entry: Any) -> Iterator[tuple[Checkpoint, str] | Fault]:
        text, id = self._scanner.raw, entry.get("id") if isinstance(entry, dict) else None
        name = id if isinstance(id, str) and id else str(number)
        name = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
        if len(text) > MAX_ENTRY:
            yield Fault(name, "", f"it has {len(text):,} characters; the limit of an entry is {MAX_ENTRY:,}")
            return
        checkpoint, faults = _validated(Checkpoint, text, name)
        faults = [*self._value_faults(name, entry), *faults]
        if checkpoint:
            self._last = checkpoint.id
            self._ids[checkpoint.id] += 1
            if self._ids[checkpoint.id] == 2:
                faults.append(Fault(name, "id", f"duplicate id {name!r}"))
            faults += _semantic_faults(checkpoint, self._rules)
        yield from faults
        if checkpoint and not faults:
            path = self._rules.path
            if path and isinstance(checkpoint.source, FileSource):
                checkpoint = _with_absolute_paths(checkpoint, checkpoint.source, path)
                text = checkpoint.model_dump_json()
            yield checkpoint, text

    def _value_faults(self, name: str, value: Any) -> Iterator[Fault]:
        """What the schema cannot see in the value read last: duplicate keys, numbers that JSON does not have."""
        for holder, key in self._scanner.repeated:
            field = ".".join(map(str, (*(path_to(value, holder) or ()), key)))
            yield Fault(name, field, f"duplicate key {key!r}")
        for constant in self._scanner.constants:
            yield Fault(name, "", f"{constant} is not a JSON number")


def _readable(found: Iterator[tuple[Checkpoint, str] | Fault]) -> Iterator[tuple[Checkpoint, str] | Fault]:
    """What is found, up to as many faults as anybody reads, none of them longer than that."""
    faults = 0
    for each in found:
        if isinstance(each, Fault):
            faults += 1
            if faults > MAX_FAULTS:
                yield Fault("", "", f"it has more than {MAX_FAULTS:,} faults; what follows was not read")
                return
            each = Fault(_shortened(each.entry), _shortened(each.field), _shortened(each.message))
        yield each


def _shortened(text: str) -> str:
    """The text without its middle, if it is long: a name or value in it may have a million characters."""
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}...{text[-_SHOWN:]}"


def _validated(model: type[RecordT], text: str, entry: str) -> tuple[RecordT | None, list[Fault]]:
    """The record, strictly as the published JSON Schema has it: neither `true` nor `"1"` is a number."""
    try:
        return model.model_validate_json(text, strict=True), []
    except ValidationError as cause:
        faults = []
        for error in cause.errors(include_url=False):
            message = error["msg"].removeprefix("Value error, ").replace("\n", " ")
            faults.append(Fault(entry, ".".join(map(str, error["loc"])), message))
        return None, faults


def _semantic_faults(checkpoint: Checkpoint, rules: _Rules) -> list[Fault]:
    """What only a look at several fields, or at where the file comes from, can tell."""
    source, faults = checkpoint.source, []
    local = isinstance(source, FileSource) and not rules.allow_files
    if local or (isinstance(source, PackageSource) and rules.published):
        message = f"{source.kind!r} is for registries on this machine; published ones have pypi, hub or url"
        faults.append(("source.kind", message))
    elif isinstance(source, PackageSource) and rules.path and not _inside_package(rules.path, source.package):
        faults.append(("source.package", f"this registry file is not inside the package {source.package!r}"))
    elif isinstance(source, UrlSource) and rules.published:
        from tlzoo.io.network import addresses

        try:
            addresses.check_address(source.url)
        except addresses.AddressRefused as refusal:
            faults.append(("source.url", f"{source.url} is refused: {refusal}"))
    twice = [name for name, times in Counter(_file_names(checkpoint)).items() if times > 1]
    faults += [("source", f"two files are named {name!r}") for name in twice]
    return [Fault(checkpoint.id, field, message) for field, message in faults]


def _inside_package(path: Path, package: str) -> bool:
    """Whether a registry file lies in the package of this name, or below it."""
    parts = tuple(package.split("."))
    return any(folder.parts[-len(parts) :] == parts for folder in path.absolute().parents)


def _file_names(checkpoint: Checkpoint) -> list[str]:
    """What the source's files are called once they are fetched; nothing for the one of a URL."""
    match checkpoint.source:
        case PypiSource(members=members) | PackageSource(files=members):
            return [member.name for member in members]
        case HubSource(files=hub_files):
            return [file.path for file in hub_files]
        case FileSource(files=files):
            return [Path(file.path).name for file in files]
    return []


def _with_absolute_paths(checkpoint: Checkpoint, source: FileSource, path: Path) -> Checkpoint:
    folder = path.absolute().parent
    files = tuple(
        LocalFile(path=str(folder / Path(file.path).expanduser()), sha256=file.sha256, size=file.size)
        for file in source.files
    )
    return checkpoint.model_copy(update={"source": FileSource(files=files)})
