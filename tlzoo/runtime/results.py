"""Predictions in a file: JSON lines, CSV or TSV, written as they come, and resumable after any interruption.

While it grows the file is called FILE.part; FILE itself appears when every input is answered. FILE.part.sums says what
is whole of it: lines of a number of bytes and their CRC-32.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from tlzoo.errors import UsageError, WriteError
from tlzoo.io.disk import resumable, sync, write_errors
from tlzoo.io.files import atomic_file, why_unwritable
from tlzoo.io.texts import json_text
from tlzoo.progress import say

FORMATS = (".jsonl", ".csv", ".tsv")
_DECISIONS = ("label", "labels")
_FLUSH_EVERY = 64
_TOLERANCE = 0.01  # batches of other sizes change the last digits, another model more


@dataclass(frozen=True)
class PredictionFile:
    """Where answers go, and in which form: `encode` makes a record's text, `decode` its fields again."""

    path: Path
    encode: Callable[[dict[str, Any]], str]
    decode: Callable[[str], dict[str, Any]]
    header: str

    @property
    def part(self) -> Path:
        """The file while it is not finished."""
        return self.path.with_name(f"{self.path.name}.part")

    @property
    def sums(self) -> Path:
        """Checksums of the file while it is not finished."""
        return self.path.with_name(f"{self.path.name}.part.sums")


def prediction_file(path: Path, columns: Sequence[str], *, resume: bool, embeddings: bool) -> PredictionFile:
    """Where answers with these columns go.

    Raises UsageError as `check_target`, or for an unfinished file that is there already (without `resume`).
    """
    check_target(path, embeddings=embeddings, resume=resume)
    ending = path.suffix.lower()
    into = _json_target(path) if ending == ".jsonl" else _table_target(path, columns, "\t" if ending == ".tsv" else ",")
    if into.part.exists() and not resume:
        raise UsageError(f"{into.part} is unfinished.", hint="Add `resume=True`, or delete it.", parameter="resume")
    return into


def check_target(path: Path, *, embeddings: bool, resume: bool = False) -> None:
    """Raise UsageError for another ending, embeddings in a table, a folder that cannot be written to, or a file that
    is there already."""
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise UsageError(
            f"`out={str(path)!r}` must end in {', '.join(FORMATS)}.",
            hint="Example: `out='predictions.jsonl'`",
            parameter="out",
        )
    if embeddings and ending != ".jsonl":
        raise UsageError(
            f"Embeddings cannot be written to the table {path}.",
            hint="Write JSON lines: `out='predictions.jsonl'`",
            parameter="embeddings",
        )
    if path.exists() and resume:
        raise UsageError(
            f"{path} is complete: nothing is left to `resume`.", hint="Leave out `resume=True`.", parameter="resume"
        )
    if path.exists():
        raise UsageError(f"{path} already exists.", hint="Choose another `out`, or delete it.", parameter="out")
    if reason := why_unwritable(path):
        raise UsageError(f"{path} cannot be written: {reason}.", hint="Choose another `out`.", parameter="out")


def read_records(into: PredictionFile) -> Iterator[tuple[int, dict[str, Any]]]:
    """The complete records of an unfinished file, each with the byte where it begins; a torn last one is left out, and
    all from the first damaged byte on."""
    if not into.part.exists():
        return
    whole = _whole_bytes(into)
    with into.part.open("rb") as file:
        if into.header and file.readline() != into.header.encode():
            return
        start, record = file.tell(), b""
        for line in file:
            record += line
            if start + len(record) > whole:
                return
            if not record.endswith(b"\n") or (into.header and record.count(b'"') % 2):
                continue  # torn, or a line break inside quotes
            try:
                fields = into.decode(record.decode("utf-8", "surrogateescape"))
            except (ValueError, csv.Error) as cause:
                raise UsageError(
                    f"{into.part} is damaged at byte {start}.", hint="Delete it and start again.", parameter="resume"
                ) from cause
            yield start, fields
            start, record = start + len(record), b""


def _whole_bytes(into: PredictionFile) -> int:
    """How many bytes of an unfinished file are those that were written; all, where there are no checksums of it."""
    size = into.part.stat().st_size
    if not into.sums.is_file():
        return size
    whole, crc = 0, 0
    with into.part.open("rb") as file:
        for line in into.sums.read_bytes().splitlines():
            found = re.fullmatch(rb"(\d{1,18}) ([0-9a-f]{8})", line)
            end = int(found[1]) if found else -1
            if found is None or not whole < end <= size:
                continue
            crc = _crc_of(file, end - whole, crc)
            if crc != int(found[2], 16):
                say(f"{into.part} is damaged after byte {whole}: the predictions from there on are made again.")
                break
            whole = end
    return whole


def _crc_of(file: BinaryIO, count: int, crc: int = 0) -> int:
    """The CRC-32 of so many bytes that come next, after those of `crc`."""
    while count > 0 and (part := file.read(min(count, 2**20))):
        crc, count = zlib.crc32(part, crc), count - len(part)
    return crc


@dataclass(frozen=True)
class ResumePoint:
    """Where to resume: `count` inputs are done; the prediction after them, which begins at byte `at`, is made
    again to check that it equals `last`; `inputs` are those still to answer, that one first."""

    count: int
    at: int
    last: dict[str, Any] | None
    inputs: Iterator[tuple[str, Any]]


def find_resume_point(into: PredictionFile, inputs: Iterator[tuple[str, Any]]) -> ResumePoint:
    """Skip the named inputs that an unfinished file has.

    Raises UsageError where the file answers other inputs than these, or in another order.
    """
    last: tuple[int, dict[str, Any], tuple[str, Any]] | None = None
    count = 0
    for start, fields in read_records(into):
        given = next(inputs, None)
        if given is None or given[0] != fields.get("input"):
            there = f"not {given[0]!r}" if given else "but there are no more inputs"
            raise UsageError(
                f"{into.part} has {fields.get('input')!r} as input {count + 1}, {there}.",
                hint="Give the same inputs in the same order, or delete it.",
                parameter="resume",
            )
        last, count = (start, fields, given), count + 1
    if last is None:
        return ResumePoint(0, 0, None, inputs)
    return ResumePoint(count - 1, last[0], last[1], chain([last[2]], inputs))


def write_predictions(
    into: PredictionFile, resume_point: ResumePoint, answers: Iterator[Any], done: Callable[[int], None]
) -> int:
    """Write every answer after those that are there, and rename the file when all are; how many of these failed.

    Raises UsageError where the answer made again is not the one that is there.
    """
    try:
        with write_errors(into.part):
            failed = _append(into, resume_point, answers, done)
            into.sums.unlink(missing_ok=True)
            os.replace(into.part, into.path)
            try:
                sync(into.path.parent)
            except OSError:
                os.replace(into.path, into.part)
                raise
    except WriteError as error:
        raise resumable(error) from error
    return failed


def _append(
    into: PredictionFile, resume_point: ResumePoint, answers: Iterator[Any], done: Callable[[int], None]
) -> int:
    """Write the answers to the unfinished file, which then is on the disk; how many of them failed."""
    failed = 0
    with into.part.open("r+b" if into.part.exists() else "w+b") as file:
        sums = _Sums(into, file, resume_point.at)
        try:
            for number, answer in enumerate(answers):
                record = into.encode(answer.as_row())
                if number == 0:
                    if resume_point.last is not None:
                        _check_same(into, resume_point.last, into.decode(record))
                    sums.write(_begin(file, into.header))
                sums.write(record.encode("utf-8", "surrogateescape"))
                failed += answer.error is not None
                if number % _FLUSH_EVERY == 0:
                    sums.note()
                done(1)
        except BaseException:
            with suppress(OSError):
                sums.note()
            raise
        if file.tell() == 0:
            sums.write(_begin(file, into.header))
        file.flush()
        os.fsync(file.fileno())
    return failed


class _Sums:
    """Writes to an unfinished file behind its first `at` bytes, and notes what of it is whole."""

    def __init__(self, into: PredictionFile, file: BinaryIO, at: int) -> None:
        self._path, self._file, self._end = into.sums, file, at
        file.seek(0)
        self._crc = _crc_of(file, at)
        file.seek(at)
        with atomic_file(self._path) as temporary:  # a kill while it is written must not cost all predictions
            temporary.write_text(self._line(), encoding="ascii")

    def write(self, content: bytes) -> None:
        """Append to the unfinished file."""
        self._file.write(content)
        self._crc, self._end = zlib.crc32(content, self._crc), self._end + len(content)

    def note(self) -> None:
        """What was written is handed to the system, then its checksum."""
        self._file.flush()
        with write_errors(self._path), self._path.open("a", encoding="ascii") as sums:
            sums.write(self._line())

    def _line(self) -> str:
        return f"{self._end} {self._crc:08x}\n"


def _begin(file: BinaryIO, header: str) -> bytes:
    """Truncate the file here; the header where the file begins."""
    file.truncate()
    return header.encode() if file.tell() == 0 else b""


def _check_same(into: PredictionFile, there: dict[str, Any], now: dict[str, Any]) -> None:
    if not _close(there, now):
        raise UsageError(
            f"{into.part} has another prediction for {there.get('input')!r} than this model.",
            hint="Use the model and options that it was started with, or delete it.",
            parameter="resume",
        )


def _close(one: Any, other: Any) -> bool:
    """Whether two records are equal but for the last digits of numbers; labels may differ where scores hardly do."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_close(one[key], other[key]) for key in one if key not in _DECISIONS)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_close, one, other))
    if isinstance(one, float | int) and isinstance(other, float | int):
        return abs(one - other) <= _TOLERANCE * max(1.0, abs(one))
    return bool(one == other)


def _json_target(path: Path) -> PredictionFile:
    def encode(fields: dict[str, Any]) -> str:
        return json_text(fields)

    def decode(line: str) -> dict[str, Any]:
        fields = json.loads(line)
        if not isinstance(fields, dict):
            raise ValueError("a line is no object")
        return fields

    return PredictionFile(path, encode, decode, "")


def _table_target(path: Path, columns: Sequence[str], separator: str) -> PredictionFile:
    columns = (*columns, "error")

    def encode(fields: dict[str, Any]) -> str:
        line = io.StringIO()
        cells = [table_cell(fields.get(column)) for column in columns]
        # Python before 3.13 leaves a lone carriage return without quotes
        risky = any("\r" in cell for cell in cells if isinstance(cell, str))
        csv.writer(
            line, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL if risky else csv.QUOTE_MINIMAL
        ).writerow(cells)
        return line.getvalue()

    def decode(record: str) -> dict[str, Any]:
        [cells] = csv.reader(io.StringIO(record, newline=""), delimiter=separator, strict=True)
        values = dict(zip(columns, cells, strict=True))
        return {name: cell if name == "input" else _parse_cell(cell) for name, cell in values.items()}

    return PredictionFile(path, encode, decode, encode(dict(zip(columns, columns, strict=True))))


def table_cell(value: Any) -> Any:
    """Lists of strings with `;` between, as tables of labels have them; other lists, mappings and truths as JSON."""
    if isinstance(value, list | tuple) and all(isinstance(each, str) and ";" not in each for each in value):
        return ";".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | tuple | bool) else value


def _parse_cell(cell: str) -> Any:
    """A cell as its number, list or mapping where it is one."""
    try:
        return json.loads(cell)
    except ValueError:
        return cell
