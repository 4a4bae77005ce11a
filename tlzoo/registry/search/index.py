"""A large registry file's index in the cache: made once, whole, asked without reading the file again."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
import threading
import zlib
from array import array
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from tlzoo.io.files import cache_folder, whole_file
from tlzoo.progress import say
from tlzoo.registry.reading import stamp_of
from tlzoo.registry.schema import SCHEMA_VERSION, Checkpoint
from tlzoo.registry.search.bitmaps import below, bits_of, everything, rows_of, smallest
from tlzoo.registry.search.build_index import INDEX_VERSION, crc_of, write_index
from tlzoo.registry.search.fields import pieces
from tlzoo.registry.search.vocabulary import Parts
from tlzoo.registry.streaming import stream

Answer = TypeVar("Answer")
_NEAR = 300
_READ_AT_ONCE = 3000
_HEADER = 100
_SUM = slice(60, 64)
"""Where SQLite's header keeps a number for the application: here the CRC-32 of all other bytes of the file."""


class Damaged(Exception):
    """An index that is not as it was written."""


class Index:
    """A `Table` over an index; one that turns out damaged is made again from the registry file.

    Raises RegistryError where the file is wrong. Where the cache cannot be written the index is kept in memory.
    """

    def __init__(self, path: Path, allow_files: bool) -> None:
        self._path, self._allow_files = path, allow_files
        self._lock = threading.RLock()
        self._kept: dict[Any, Any] = {}
        try:
            self._database, self.total = _opened(_place(path, allow_files), _key(path))
        except (Damaged, sqlite3.Error, OSError):
            self._database, self.total = _made(path, allow_files)

    def row(self, id: str) -> int | None:
        """Where the entry of this id is."""
        found = self._sure(lambda: self._select("SELECT row FROM entries WHERE id = ?", id))
        return int(found[0][0]) if found else None

    def ids(self) -> list[str]:
        """Every row's id."""
        return self._sure(lambda: [id for (id,) in self._select("SELECT id FROM entries ORDER BY row")])

    def checkpoint(self, row: int) -> Checkpoint:
        """The entry in a row."""
        return self._sure(lambda: self._entry(row))

    def values(self, field: str) -> list[str]:
        """The different words of a field."""
        return self._sure(lambda: [word for (word,) in self._select("SELECT word FROM answers WHERE field = ?", field)])

    def having(self, field: str, value: str) -> int:
        """The rows that have this word in a field."""
        return self._sure(lambda: self._bits(field, value))

    def between(self, field: str, low: int | None, high: int | None) -> int:
        """The rows whose number is known and in the range."""

        def within() -> int:
            known, slices = self._bits(field, "known"), self._slices(field)
            upper = known if high is None else below(slices, known, high + 1)
            return upper if low is None else upper ^ below(slices, upper, low)

        return self._sure(within)

    def containing(self, word: str) -> int:
        """The rows in whose searched text the word occurs."""
        return self._sure(lambda: self._containing(word))

    def window(self, bits: int, sort: str, start: int, stop: int) -> list[int]:
        """The rows of `bits` at these places of an order."""

        def taken() -> list[int]:
            slices = self._slices(f"by {sort}")
            rows = rows_of(smallest(slices, bits, stop) ^ smallest(slices, bits, max(0, start)))
            return sorted(rows, key=self._rows(f"by {sort}", "places").__getitem__)

        return self._sure(taken)

    def near(self, id: str) -> list[str]:
        """Ids that share as many runs of letters and digits with `id` as one entry does, or some of them."""

        def alike() -> list[str]:
            runs, _ = pieces(id.lower())
            bits = everything(self.total)
            for rows in sorted((self._containing(run) for run in runs if len(run) > 1), key=int.bit_count):
                bits = bits & rows or bits
            if bits.bit_count() == self.total:
                return []
            return [self._select("SELECT id FROM entries WHERE row = ?", row)[0][0] for row in rows_of(bits)[:_NEAR]]

        return self._sure(alike)

    def _containing(self, word: str) -> int:
        _, pairs = pieces(word)
        if len(word) <= 2:
            return self._bits("gram", word)
        if not pairs:
            return self._parts("run").containing(word, self.total, lambda run: self._bits("run", run))
        first, *others = pairs
        held, bits = self._parts("pair"), everything(self.total)
        for pair in others:  # what stands between two separators is a whole run
            bits &= held.starting(pair, self.total, lambda pair: self._bits("pair", pair))
        if not others or bits.bit_count() > _READ_AT_ONCE:
            bits &= held.containing(first, self.total, lambda pair: self._bits("pair", pair))
        return self._with_text(bits, word) if others else bits

    def _with_text(self, bits: int, word: str) -> int:
        """Of rows that have pairs of a word those that have all of it."""
        text, starts = self._text("text", "all"), self._rows("text", "starts")
        rows = (row for row in rows_of(bits) if text.find(word, starts[row], starts[row + 1]) >= 0)
        return bits_of(rows, self.total)

    def _entry(self, row: int) -> Checkpoint:
        found = self._select("SELECT id, entry, crc FROM entries WHERE row = ?", row)
        if not found or crc_of(found[0][1]) != found[0][2]:
            raise Damaged(f"entry {row}")
        try:
            checkpoint = Checkpoint.model_validate_json(found[0][1])
        except ValidationError as cause:
            raise Damaged(f"entry {row}") from cause
        if checkpoint.id != found[0][0]:
            raise Damaged(f"entry {row}")
        return checkpoint

    def _bits(self, field: str, word: str) -> int:
        kind, content = self._answer(field, word)
        if kind == "rows":
            bits = bytearray(self.total // 8 + 1)
            for row in array("I", content):
                bits[row >> 3] |= 1 << (row & 7)
            return int.from_bytes(bits, "little")
        return int.from_bytes(content, "little")

    def _slices(self, field: str) -> list[int]:
        def read() -> list[int]:
            slices: list[int] = []
            while (answer := self._answer(field, f"bit {len(slices)}"))[0]:
                slices.append(int.from_bytes(answer[1], "little"))
            return slices

        return self._once((field, "slices"), read)

    def _rows(self, field: str, word: str) -> array[int]:
        return self._once((field, word), lambda: array("I", self._answer(field, word)[1]))

    def _text(self, field: str, word: str) -> str:
        return self._once((field, word), lambda: self._answer(field, word)[1].decode())

    def _parts(self, name: str) -> Parts:
        field = f"{name}s"
        return Parts(self._text(field, "text"), *(self._rows(field, word) for word in ("starts", "ends", "rows")))

    def _answer(self, field: str, word: str) -> tuple[str, bytes]:
        found = self._select("SELECT kind, content, crc FROM answers WHERE field = ? AND word = ?", field, word)
        if not found:
            return "", b""
        kind, content, crc = found[0]
        if zlib.crc32(content) != crc:
            raise Damaged(f"{field} {word}")
        return kind, content

    def _once(self, name: Any, read: Callable[[], Answer]) -> Answer:
        if name not in self._kept:
            self._kept[name] = read()
        kept: Answer = self._kept[name]
        return kept

    def _select(self, query: str, *values: object) -> list[Any]:
        return self._database.execute(query, values).fetchall()

    def _sure(self, answer: Callable[[], Answer]) -> Answer:
        """The answer; from an index made again where the first turns out damaged."""
        with self._lock:
            try:
                return answer()
            except (Damaged, sqlite3.Error, ValueError, IndexError):
                self._kept.clear()
                self._database.close()
                self._database, self.total = _made(self._path, self._allow_files)
                return answer()


def _place(path: Path, allow_files: bool) -> Path:
    """Where a registry file's index is kept: one file for each registry file and each version of tlzoo."""
    made_by = (metadata.version("tlzoo"), INDEX_VERSION, SCHEMA_VERSION, sys.byteorder)
    name = hashlib.sha256(repr((str(path), allow_files, made_by)).encode()).hexdigest()[:32]
    return cache_folder() / "registry" / "indexes" / f"{name}.sqlite"


def _key(path: Path) -> str:
    return json.dumps([str(path), *stamp_of(path)])


def _opened(place: Path, key: str) -> tuple[sqlite3.Connection, int]:
    """The index at `place`; raises Damaged, OSError or sqlite3.Error where it is not there, another's or not whole."""
    with place.open("rb") as file:
        if file.read(_HEADER)[_SUM] != _sum_of(place):
            raise Damaged("the sum is wrong")
    database = sqlite3.connect(f"{place.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    try:
        made = database.execute("SELECT key, entries FROM made").fetchall()
        if len(made) != 1 or made[0][0] != key:
            raise Damaged("another file's")
    except BaseException:
        database.close()
        raise
    return database, int(made[0][1])


def _made(path: Path, allow_files: bool) -> tuple[sqlite3.Connection, int]:
    """A new index: in the cache, else in memory; also where the file changes meanwhile, for it may be read torn."""
    say(f"Indexing the registry {path}, once ...")
    place, key = _place(path, allow_files), _key(path)
    try:
        with whole_file(place) as temporary:
            _fill(sqlite3.connect(temporary), path, allow_files, key).close()
            _write_sum(temporary)
            if _key(path) != key:
                raise Damaged("the file changed")
        return _opened(place, key)
    except (Damaged, sqlite3.Error, OSError):
        database = _fill(sqlite3.connect(":memory:", check_same_thread=False), path, allow_files, key)
        return database, int(database.execute("SELECT entries FROM made").fetchone()[0])


def _fill(database: sqlite3.Connection, path: Path, allow_files: bool, key: str) -> sqlite3.Connection:
    try:
        write_index(database, stream(path, allow_files), key)
    except BaseException:
        database.close()
        raise
    return database


def _sum_of(place: Path) -> bytes:
    with place.open("rb") as file:
        header = bytearray(file.read(_HEADER))
        header[_SUM] = bytes(4)
        crc = zlib.crc32(header)
        while chunk := file.read(2**20):
            crc = zlib.crc32(chunk, crc)
    return crc.to_bytes(4, "big")


def _write_sum(place: Path) -> None:
    found = _sum_of(place)
    with place.open("r+b") as file:
        file.seek(_SUM.start)
        file.write(found)
