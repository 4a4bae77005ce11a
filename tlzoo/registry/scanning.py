"""JSON read from a stream a value at a time, each with its line, its duplicate keys and what JSON does not have."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, TextIO

_CHUNK = 2**20
_LARGEST_VALUE = 2**23


class Scanner:
    """Reads JSON a value at a time.

    `raw` is the text of the value read last, `repeated` its objects with a duplicate key, `constants` its constants
    that are not JSON, such as NaN; `line` counts from 1.
    """

    def __init__(self, file: TextIO) -> None:
        self.repeated: list[tuple[dict[str, Any], str]] = []
        self.constants: list[str] = []
        self.raw = ""
        self.line = 1
        self._file = file
        self._text, self._at, self._ended = "", 0, False
        self._decoder = json.JSONDecoder(object_pairs_hook=self._build, parse_constant=self.constants.append)

    def parts(self, opening: str, closing: str) -> Iterator[None]:
        """Stop at each part of an object or array; the caller reads it before it asks for the next."""
        self._take(opening)
        while self.peek() != closing:
            yield
            if self.peek() != closing:
                self._take(",")
                if self.peek() == closing:
                    raise ValueError("trailing comma")
        self._take(closing)

    def key(self) -> str:
        """A key of an object, with its colon."""
        key = self.value()
        if not isinstance(key, str):
            raise ValueError("expected a key")
        self._take(":")
        return key

    def peek(self) -> str:
        """The next character that is not white space, not taken; empty at the end of the file."""
        while True:
            while self._at < len(self._text):
                letter = self._text[self._at]
                if letter not in " \t\r\n":
                    return letter
                self.line += letter == "\n"
                self._at += 1
            if not self._more():
                return ""

    def value(self) -> Any:
        """The next value; more of the file is read while it does not end in what is there."""
        self.peek()
        while True:
            self.repeated.clear()
            self.constants.clear()
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except ValueError as cause:
                lines = self._text.count("\n", self._at, getattr(cause, "pos", self._at))
                if len(self._text) - self._at > _LARGEST_VALUE or not self._more():
                    self.line += lines
                    raise ValueError(getattr(cause, "msg", str(cause))) from cause
                continue
            if end < len(self._text) or not self._more():
                self.raw, self._at = self._text[self._at : end], end
                self.line += self.raw.count("\n")
                return value

    def _build(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
            self.repeated.append((result, key))
        return result

    def _take(self, wanted: str) -> None:
        if self.peek() != wanted:
            raise ValueError(f"expected {wanted!r}")
        self._at += 1

    def _more(self) -> bool:
        """Read on, at least as much as is waiting; False at the end of the file."""
        if self._ended:
            return False
        rest = self._text[self._at :]
        chunk = self._file.read(max(_CHUNK, len(rest)))
        self._text, self._at, self._ended = rest + chunk, 0, not chunk
        return bool(chunk)


def path_to(node: Any, wanted: dict[str, Any], at: tuple[str | int, ...] = ()) -> tuple[str | int, ...] | None:
    """The keys and indices that lead to the object `wanted`."""
    if node is wanted:
        return at
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    found = (path_to(value, wanted, (*at, key)) for key, value in below)
    return next((place for place in found if place is not None), None)
