"""Tables in JSON: an object on each line, or an array of objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tlzoo.errors import DataError, InputError
from tlzoo.io.encodings import open_text
from tlzoo.io.inputs.formats import Rows, TableFormat, check_names
from tlzoo.io.texts import bounded_lines

_MOST = 256 * 2**20
"""Characters of a JSON document, which is held whole."""
_ARRAY = 'Write an array of objects, such as [{"text": "...", "label": "..."}], or one object per line into a .jsonl.'


class _Duplicate(ValueError):
    """An object has a key twice."""


def read_json_lines(path: Path, only: Sequence[str], how: TableFormat) -> Rows:
    """The rows of a file with an object on each line."""
    with open_text(path, how.encoding, newline="\n") as file:
        how.note_encoding(file.encoding)
        first = True
        for number, line in enumerate(bounded_lines(file, f"File {path}"), start=1):
            if not line.strip():
                continue
            row = _object(path, f"line {number}", line)
            if first and isinstance(row, dict):
                check_names(path, list(row), only)
                first = False
            yield f"line {number}", row


def read_json(path: Path, only: Sequence[str], how: TableFormat) -> Rows:
    """The rows of a document that is an array of objects, or an object whose only list is one.

    One with an object on each line is read as JSON lines.
    """
    with open_text(path, how.encoding) as file:
        text = file.read(_MOST + 1)
        encoding = file.encoding
    if len(text) > _MOST:
        raise DataError(
            f"File {path} has more than {_MOST:,} characters.", hint="Write one object per line into a .jsonl."
        )
    try:
        document = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as cause:
        if _begins_with_object(text):
            how.notes.append("of JSON lines")
            yield from read_json_lines(path, only, how)
            return
        raise DataError(f"File {path} is not JSON: {cause}.", hint=_ARRAY) from cause
    how.note_encoding(encoding)
    rows = _rows_of(path, document, how)
    names = dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row)
    check_names(path, list(names), only)
    for number, row in enumerate(rows, start=1):
        place = f"row {number}"
        yield place, row if isinstance(row, dict) else InputError(f"File {path} has no object in {place}.", hint=_ARRAY)


def _begins_with_object(text: str) -> bool:
    """Whether the first line that is not blank is an object of its own."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _rows_of(path: Path, document: Any, how: TableFormat) -> list[Any]:
    if isinstance(document, list):
        return document
    lists = [name for name, value in document.items() if isinstance(value, list)] if isinstance(document, dict) else []
    if len(lists) == 1 and document[lists[0]] and all(isinstance(row, dict) for row in document[lists[0]]):
        how.notes.append(f"the list {lists[0]!r} in it")
        found: list[Any] = document[lists[0]]
        return found
    what = f"an object with {len(lists)} lists" if isinstance(document, dict) else type(document).__name__
    raise DataError(f"File {path} holds {what}, not an array of objects.", hint=_ARRAY)


def _object(path: Path, place: str, line: str) -> dict[str, Any] | InputError:
    try:
        row = json.loads(line, object_pairs_hook=_without_duplicates)
    except _Duplicate as cause:
        return InputError(f"File {path} has the key {cause} twice in {place}.", hint="Keep one of them.")
    except (ValueError, RecursionError):
        return InputError(f"File {path} has broken JSON in {place}.", hint="Write one object per line.")
    if not isinstance(row, dict):
        return InputError(f"File {path} has no JSON object in {place}.", hint="Write one object per line.")
    return row


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Duplicate(repr(next(name for name in names if names.count(name) > 1)))
    return found
