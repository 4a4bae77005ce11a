"""Bytes as text: UTF-8, what a byte order mark says, or a named encoding; compressed by gzip or not."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from tlzoo.errors import DataError, UsageError
from tlzoo.io.regular import open_regular

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as that of UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK = 2**16
_LETTERS = 75
"""Encodings of several bytes a letter have fewer letters of one byte beyond ASCII: cp932 has 68, TIS-620 87."""
_ALLOWED, _RATIO = 64 * 2**20, 200
"""Bytes that any file may expand to, and how many times its own size a larger one: text shrinks by far less."""


def check_encoding(name: str) -> str:
    """Python's name of a text encoding; raises UsageError for what is none."""
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        found = None
    if found is None or not getattr(found, "_is_text_encoding", True):
        raise UsageError(
            f"`encoding` cannot be {name!r}.",
            hint="Give a text encoding that Python knows, such as cp1252, latin-1, utf-16 or shift_jis.",
            parameter="encoding",
        )
    return found.name


def encoding_of(head: bytes, named: str | None = None) -> str:
    """The encoding of a text that begins with these bytes: a byte order mark decides, then the name, then UTF-8."""
    marked = next((coding for mark, coding in _MARKS if head.startswith(mark)), None)
    if marked is None and named is not None:
        return named
    return marked or "utf-8-sig"


@contextmanager
def open_bytes(path: Path) -> Iterator[io.BufferedReader[Any]]:
    """A regular file's bytes, decompressed where it is called .gz.

    Raises OSError as `open_regular`, and DataError for what is no gzip file, is cut short or expands beyond measure.
    """
    with open_regular(path) as file:
        if path.suffix.lower() != ".gz":
            yield file
            return
        try:
            with io.BufferedReader(_Inflated(file, path)) as inflated:
                yield inflated
        except (gzip.BadGzipFile, EOFError, zlib.error) as cause:
            raise DataError(
                f"File {path} is not a whole gzip file: {cause}.", hint="Fetch or pack it again."
            ) from cause


@contextmanager
def open_text(path: Path, encoding: str | None = None, newline: str = "") -> Iterator[TextIO]:
    """A file's text, decoded as `encoding_of` says; its attribute `encoding` has the name."""
    with open_bytes(path) as file:
        coding = encoding_of(file.peek(4)[:4], encoding)
        with io.TextIOWrapper(file, coding, newline=newline) as text:
            yield text


class UsualEncoding(str):
    """The name of an encoding that other data had: not that of a file that is surely UTF-8."""

    __slots__ = ()


def settled_encoding(path: Path, encoding: str | None) -> str | None:
    """The named encoding, but where the file is UTF-8, letters beyond ASCII included, and the name is of one byte a
    letter: such an encoding reads anything, and would read this wrongly. Raises DataError there, or, of a
    `UsualEncoding`, it is none."""
    if encoding is None or not _one_byte_a_letter(encoding):
        return encoding
    decoder, beyond = codecs.getincrementaldecoder("utf-8")(), False
    with open_bytes(path) as file:
        if encoding_of(file.peek(4)[:4], encoding) != encoding:
            return encoding
        try:
            while chunk := file.read(_CHUNK):
                beyond = not decoder.decode(chunk).isascii() or beyond
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return encoding
    if beyond and isinstance(encoding, UsualEncoding):
        return None
    if beyond:
        raise DataError(f"File {path} is UTF-8, not {encoding}.", hint="Say so: `columns={'encoding': 'utf-8'}`")
    return encoding


def undecodable(path: Path, encoding: str) -> DataError:
    """The error for a file that is not in this encoding, with the first bad line where lines can be told."""
    called = encoding.removesuffix("-sig").upper() if encoding.startswith("utf") else encoding
    line = None if encoding.startswith(("utf-16", "utf-32")) else _bad_line(path, encoding)
    where = f" (line {line})" if line else ""
    return DataError(
        f"File {path} is not {called} text{where}.",
        hint="Save it again as UTF-8, or name its encoding, such as `columns={'encoding': 'cp1252'}`",
    )


def _bad_line(path: Path, encoding: str) -> int:
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError:
                return number
    return 1


def _one_byte_a_letter(encoding: str) -> bool:
    """Whether most bytes beyond ASCII are letters by themselves."""
    return sum(_is_letter(bytes([byte]), encoding) for byte in range(128, 256)) >= _LETTERS


def _is_letter(byte: bytes, encoding: str) -> bool:
    try:
        return len(byte.decode(encoding)) == 1
    except UnicodeError:
        return False


class _Inflated(io.RawIOBase):
    """What a gzip file holds, up to a size that no honest text exceeds."""

    def __init__(self, file: io.BufferedReader, path: Path) -> None:
        self._inner, self._path, self._count = gzip.GzipFile(fileobj=file, mode="rb"), path, 0
        self._most = max(_ALLOWED, _RATIO * os.fstat(file.fileno()).st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]
        found = self._inner.read(len(into))
        self._count += len(found)
        if self._count > self._most:
            raise DataError(
                f"File {self._path} expands to more than {_RATIO} times its size.",
                hint="Unpack it yourself if you know what it is.",
            )
        into[: len(found)] = found
        return len(found)
