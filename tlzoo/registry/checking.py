"""Everything that is wrong with a registry file, not only the first: for its author, and before one is taken in."""

from __future__ import annotations

import codecs
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, ValidationError

from tlzoo.errors import RegistryError
from tlzoo.io import addresses
from tlzoo.registry.reading import file_names, place_of, stamp_of
from tlzoo.registry.schema import Checkpoint, FileSource, PackageSource, RegistryFile, UrlSource
from tlzoo.registry.streaming import Scanner

_PAGE_STARTS = (b"<!doctype", b"<html", b"<?xml")


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
    """The ids of the entries that are right in themselves, the file's `sequence`, and all that is wrong with it."""

    ids: tuple[str, ...] = ()
    sequence: int | None = None
    faults: tuple[Fault, ...] = ()


def check_file(path: Path, *, allow_files: bool = True) -> Checked:
    """Check the registry file at `path`. Raises RegistryError only where it cannot be read or is too large."""
    stamp_of(path)  # opening a pipe would wait for whoever writes into it
    try:
        with path.open("rb") as file:
            return _checked(file, allow_files)
    except OSError as cause:
        raise RegistryError(f"Registry {path} cannot be read: {cause.strerror}.", hint="Check the path.") from cause


def check(content: bytes, *, allow_files: bool) -> Checked:
    """Check a registry file's bytes; sources of kind `file` and `package` are faults unless allowed."""
    return _checked(io.BytesIO(content), allow_files)


def _checked(file: BinaryIO, allow_files: bool) -> Checked:
    """One entry after the other, so that the memory is that of an entry and of the ids."""
    head = file.read(200)
    start = head.lstrip(codecs.BOM_UTF8 + b" \t\r\n").lower()
    if not start or start.startswith(_PAGE_STARTS):
        return Checked(faults=(Fault("", "", "it is a web page, not JSON" if start else "it is empty"),))
    if head.startswith(codecs.BOM_UTF8):
        return Checked(faults=(Fault("", "", "it begins with a byte order mark; save it as UTF-8 without one"),))
    file.seek(0)
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    walk = _Walk(Scanner(Path("registry"), text), allow_files)
    faults = []
    try:
        for fault in walk.faults():
            faults.append(fault)  # not a list of all: those before an end that is not JSON count too
    except RegistryError as cause:
        faults.append(Fault("", "", f"it {cause.message.removeprefix('Registry registry ').rstrip('.')}"))
    except (ValueError, RecursionError) as cause:
        faults.append(Fault("", "", f"it is not JSON in UTF-8: {cause}"))
    finally:
        text.detach()
    return Checked(tuple(walk.ids), walk.sequence, tuple(faults))


class _Walk:
    """A walk through a registry file: the faults as they come, and meanwhile the ids."""

    def __init__(self, scanner: Scanner, allow_files: bool) -> None:
        self.ids: Counter[str] = Counter()
        self.sequence: int | None = None
        self._scanner, self._allow_files = scanner, allow_files

    def faults(self) -> Iterator[Fault]:
        """Each fault; raises RegistryError, ValueError or RecursionError where the file is no JSON any more."""
        if self._scanner.peek() != "{":
            yield Fault("", "", "it must be a JSON object with 'checkpoints'")
            return
        outer: dict[str, Any] = {}
        for key in self._scanner.fields():
            if key in outer:
                yield Fault("", "", f"the key {key!r} stands twice")
            if key == "checkpoints" and self._scanner.peek() == "[":
                outer[key] = []
                for number, entry in enumerate(self._scanner.elements()):
                    yield from self._entry_faults(number, entry)
            else:
                outer[key] = self._scanner.value()
                yield from self._value_faults("", outer[key])
        whole, faults = _validated(RegistryFile, json.dumps(outer), "")
        yield from faults
        yield from (Fault(id, "id", f"the id stands {times} times") for id, times in self.ids.items() if times > 1)
        self.sequence = whole.sequence if isinstance(whole, RegistryFile) else None

    def _entry_faults(self, number: int, entry: Any) -> Iterator[Fault]:
        id = entry.get("id") if isinstance(entry, dict) else None
        name = id if isinstance(id, str) and id else str(number)
        yield from self._value_faults(name, entry)
        checkpoint, faults = _validated(Checkpoint, self._scanner.taken, name)
        yield from faults
        if isinstance(checkpoint, Checkpoint):
            self.ids[checkpoint.id] += 1
            self._scanner.last = checkpoint.id
            yield from _beyond_the_schema(checkpoint, self._allow_files)

    def _value_faults(self, name: str, value: Any) -> Iterator[Fault]:
        """What the schema cannot see in the value read last: keys that stand twice, numbers that JSON does not have."""
        for holder, key in self._scanner.repeated:
            place = ".".join(map(str, place_of(value, holder) or ()))
            yield Fault(name, place, f"the key {key!r} stands twice")
        if "NaN" in self._scanner.taken or "Infinity" in self._scanner.taken:
            constants: list[str] = []
            json.loads(self._scanner.taken, parse_constant=constants.append)
            yield from (Fault(name, "", f"{constant} is no number of JSON") for constant in constants)


def _validated(model: type[BaseModel], text: str, entry: str) -> tuple[BaseModel | None, list[Fault]]:
    """The record, strictly as the published JSON Schema has it: neither `true` nor `"1"` is a number."""
    try:
        return model.model_validate_json(text, strict=True), []
    except ValidationError as cause:
        faults = []
        for error in cause.errors(include_url=False):
            message = error["msg"].removeprefix("Value error, ").replace("\n", " ")
            faults.append(Fault(entry, ".".join(map(str, error["loc"])), message))
        return None, faults


def _beyond_the_schema(checkpoint: Checkpoint, allow_files: bool) -> list[Fault]:
    """What only a look at several fields, or at where the file comes from, can tell."""
    if isinstance(checkpoint.source, FileSource | PackageSource) and not allow_files:
        kind = checkpoint.source.kind
        return [Fault(checkpoint.id, "source.kind", f"{kind!r} is for registries on this machine: pypi, hub or url")]
    if isinstance(checkpoint.source, UrlSource) and not allow_files:
        try:
            addresses.check(checkpoint.source.url)
        except addresses.Refused as refusal:
            return [Fault(checkpoint.id, "source.url", f"{checkpoint.source.url} is refused: {refusal}")]
    twice = [name for name, times in Counter(file_names(checkpoint)).items() if times > 1]
    return [Fault(checkpoint.id, "source", f"two files are named {name!r}") for name in twice]
