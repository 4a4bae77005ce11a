"""A large registry file, one entry after the other: its memory is that of an entry, not that of the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, TextIO

from pydantic import ValidationError

from tlzoo.errors import RegistryError
from tlzoo.registry.reading import HINT, place_of, settled, unreadable, where, worded
from tlzoo.registry.schema import Checkpoint, FileSource, RegistryFile

_CHUNK = 2**20
_LARGEST_ENTRY = 2**23
_COMPACT = json.JSONEncoder(separators=(",", ":"))


def stream(path: Path, allow_files: bool) -> Iterator[tuple[Checkpoint, str]]:
    """Each checkpoint of the file, and its JSON; raises RegistryError as `read_checkpoints`, when it comes to it."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            yield from _entries(path, Scanner(path, file), allow_files)
    except OSError as cause:
        raise unreadable(path, cause) from cause
    except UnicodeDecodeError as cause:
        raise RegistryError(f"Registry {path} is not JSON in UTF-8: {cause}.", hint="Mend it there.") from cause


def _entries(path: Path, scanner: Scanner, allow_files: bool) -> Iterator[tuple[Checkpoint, str]]:
    """Walk the outer object; its other fields are judged when all have been read."""
    outer: dict[str, Any] = {}
    for key in scanner.fields():
        if key in outer:
            raise RegistryError(f"Registry {path}: field {key!r}: the key stands twice.", hint=HINT)
        if key != "checkpoints" or scanner.peek() != "[":
            outer[key] = scanner.value()
            continue
        outer[key] = []
        ids: set[str] = set()
        for index, entry in enumerate(scanner.elements()):
            checkpoint, text = _checked(path, index, entry, scanner, allow_files)
            if checkpoint.id in ids:
                raise RegistryError(f"Registry {path}: the file: id {checkpoint.id!r} stands twice.", hint=HINT)
            ids.add(checkpoint.id)
            scanner.last = checkpoint.id
            yield checkpoint, text
    try:
        RegistryFile.model_validate_json(json.dumps(outer))
    except ValidationError as cause:
        raise RegistryError(f"Registry {path}: {worded(outer, cause)}.", hint=HINT) from cause


def _checked(path: Path, index: int, entry: Any, scanner: Scanner, allow_files: bool) -> tuple[Checkpoint, str]:
    document = {"checkpoints": {index: entry}}
    if scanner.repeated:
        holder, key = scanner.repeated[0]
        at = (*(place_of(document, holder) or ()), key)
        raise RegistryError(f"Registry {path}: {where(document, at)}: the key stands twice.", hint=HINT)
    text = _COMPACT.encode(entry) if "\n" in scanner.taken else scanner.taken
    try:
        checkpoint = settled(path, Checkpoint.model_validate_json(text), allow_files)
    except ValidationError as cause:
        fault = worded(document, cause, ("checkpoints", index))
        raise RegistryError(f"Registry {path}: {fault}.", hint=HINT) from cause
    return checkpoint, checkpoint.model_dump_json() if isinstance(checkpoint.source, FileSource) else text


class Scanner:
    """Reads JSON from a file a value at a time.

    `taken` is the value read last as it stands there, `repeated` its objects that have a key twice; `last` names the
    entry before the present one.
    """

    def __init__(self, path: Path, file: TextIO) -> None:
        self.repeated: list[tuple[dict[str, Any], str]] = []
        self.last = self.taken = ""
        self._path, self._file = path, file
        self._text, self._at, self._ended = "", 0, False
        self._decoder = json.JSONDecoder(object_pairs_hook=self._build)

    def fields(self) -> Iterator[str]:
        """The keys of the outer object; the caller reads each one's value before it asks for the next."""
        self._take("{")
        while self.peek() != "}":
            key = self.value()
            if not isinstance(key, str):
                self._refuse("a key is expected")
            self._take(":")
            yield key
            if self.peek() != "}":
                self._take(",")
                if self.peek() == "}":
                    self._refuse("a comma has nothing behind it")
        self._take("}")
        if self.peek():
            self._refuse("there is more after its end")

    def elements(self) -> Iterator[Any]:
        """The values of an array."""
        self._take("[")
        while self.peek() != "]":
            yield self.value()
            if self.peek() != "]":
                self._take(",")
                if self.peek() == "]":
                    self._refuse("a comma has nothing behind it")
        self._take("]")

    def peek(self) -> str:
        """The next character that is not white space, not taken; empty at the end of the file."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in " \t\r\n":
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def value(self) -> Any:
        """The next value; more of the file is read while it does not end in what is there."""
        self.peek()
        while True:
            self.repeated.clear()
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except RecursionError as cause:
                self._refuse(str(cause))
            except ValueError as cause:
                if len(self._text) - self._at > _LARGEST_ENTRY or not self._more():
                    self._refuse(getattr(cause, "msg", str(cause)))
                continue
            if end < len(self._text) or not self._more():
                self.taken, self._at = self._text[self._at : end], end
                return value

    def _build(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            keys = [key for key, _ in pairs]
            self.repeated.append((made, next(key for key in keys if keys.count(key) > 1)))
        return made

    def _take(self, wanted: str) -> None:
        if self.peek() != wanted:
            self._refuse(f"{wanted!r} is expected")
        self._at += 1

    def _more(self) -> bool:
        """Read on, at least as much as is waiting; False at the end of the file."""
        if self._ended:
            return False
        rest = self._text[self._at :]
        chunk = self._file.read(max(_CHUNK, len(rest)))
        self._text, self._at, self._ended = rest + chunk, 0, not chunk
        return bool(chunk)

    def _refuse(self, why: str) -> NoReturn:
        after = f" after entry {self.last!r}" if self.last else ""
        raise RegistryError(f"Registry {self._path} is not JSON{after}: {why}.", hint="Mend it there.")
