"""Files of text, the files below a folder, and what inputs are called."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any, AnyStr

from tlzoo.errors import DataError
from tlzoo.io.encodings import encoding_of, settled_encoding, undecodable
from tlzoo.io.regular import read_regular, reading_hint

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a pair of UTF-16: no character, and nothing that UTF-8 can hold."""
SURROGATE_HINT = "Write the whole character, or leave the half out."
NUL_HINT = "Is it text? Save it again as UTF-8, or name its encoding, such as `columns={'encoding': 'utf-16'}`"

_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and signs that are drawn as nothing."""

LONGEST = 64 * 2**20
"""Bytes of a text, or characters of a line or a cell: what is longer is no text, or would fill the memory."""


def bounded_lines(file: IO[AnyStr], what: str) -> Iterator[AnyStr]:
    """The lines of a text as iterating it gives them; raises DataError for one without end, `what` says of what."""
    for number in count(1):
        line = file.readline(LONGEST + 1)
        if len(line) > LONGEST:
            raise DataError(
                f"{what} has more than {LONGEST:,} characters in line {number}.",
                hint="Is it text? Give one input on each line.",
            )
        if not line:
            return
        yield line


def read_text(path: Path, encoding: str | None = None) -> str:
    """A file's text, in UTF-8, in what its byte order mark says, or in this encoding; raises DataError for others."""
    try:
        raw = read_regular(path, LONGEST)
    except OSError as cause:
        raise DataError(f"File {path} cannot be read: {cause.strerror}.", hint=reading_hint(cause)) from cause
    coding = encoding_of(raw[:4], settled_encoding(path, encoding))
    try:
        text = raw.decode(coding)
    except UnicodeDecodeError as cause:
        raise undecodable(path, coding) from cause
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"File {path} has a NUL byte in line {line}.", hint=NUL_HINT)
    return text


def is_blank(text: str) -> bool:
    """Whether a text has nothing that anybody sees: blanks, controls, and signs without width."""
    rest = text.strip()
    return all(sign.isspace() or sign in _FILLERS or unicodedata.category(sign) in ("Cc", "Cf") for sign in rest)


def has_lone_surrogate(value: Any) -> bool:
    """Whether a text, or one in what JSON holds, has half a surrogate pair."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return LONE_SURROGATE.search(text) is not None


def utf8_name(name: str) -> str:
    """A file's name as UTF-8 can hold it: bytes that are none are escaped."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def json_text(document: Any, encoding: str = "utf-8", indent: int | None = None) -> str:
    """A document as JSON; what the encoding lacks, such as half a surrogate pair of a path's byte, is escaped."""
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = json.dumps(document, indent=indent)
    return f"{text}\n"


def input_name(given: object, longest: int | None = None) -> str:
    """What an input is called: a text or path is itself, several have a bar between them, all within `longest`."""
    parts = given if isinstance(given, tuple) else (given,)
    return " | ".join(str(each)[: longest and longest // len(parts)] for each in parts)


def listed_names(names: Sequence[str], most: int = 20) -> str:
    """The first names of a list, in quotes, each at most 80 characters long: a file may hold a million of them."""
    shown = [repr(name if len(name) <= 80 else f"{name[:80]}...") for name in names[:most]]
    return ", ".join([*shown, *([f"and {len(names) - most:,} more"] if len(names) > most else [])])
