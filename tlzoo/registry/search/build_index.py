"""Write the index of a large registry file: an SQLite file with the entries as they are and the sets of rows to ask.

`entries` holds each entry's JSON by row, in the file's order. `answers` holds, by field and word, the rows that have it
(see `bitmaps`); of numbers the bit slices, of orders each row's place and that place's bit slices; and the vocabulary.
Each stands with its CRC-32.
"""

from __future__ import annotations

import sqlite3
import sys
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from tlzoo.registry.schema import Checkpoint
from tlzoo.registry.search.bitmaps import bits_of, slices_of
from tlzoo.registry.search.fields import NUMBERS, SORTS, WORDS, pieces, searched
from tlzoo.registry.search.vocabulary import DENSE, Parts, grams, make_parts

INDEX_VERSION = 2
_TABLES = """
    CREATE TABLE made (key TEXT, entries INTEGER);
    CREATE TABLE entries (row INTEGER PRIMARY KEY, id TEXT UNIQUE, entry TEXT, crc INTEGER) STRICT;
    CREATE TABLE answers (field TEXT, word TEXT, kind TEXT, content BLOB, crc INTEGER, UNIQUE (field, word)) STRICT;
"""

Postings = dict[str, "array[int]"]


def write_index(database: sqlite3.Connection, entries: Iterable[tuple[Checkpoint, str]], key: str) -> None:
    """Fill an empty database with these entries and all answers; `key` says what it was made from."""
    database.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {_TABLES}")
    seen = _Seen()
    database.executemany("INSERT INTO entries VALUES (?, ?, ?, ?)", seen.rows(entries))
    database.executemany("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", map(_checked, seen.answers()))
    database.execute("INSERT INTO made VALUES (?, ?)", (key, seen.total))
    database.commit()


def crc_of(text: str) -> int:
    """The CRC-32 of a text."""
    return zlib.crc32(text.encode())


class _Seen:
    """What the entries that went through `rows` have, by field."""

    def __init__(self) -> None:
        self.total = 0
        self._words: dict[str, Postings] = {field: defaultdict(_no_rows) for field in WORDS}
        self._numbers: dict[str, list[int | None]] = {field: [] for field in NUMBERS}
        self._keys: dict[str, list[Any]] = {sort: [] for sort in SORTS}
        self._runs: Postings = defaultdict(_no_rows)
        self._pairs: Postings = defaultdict(_no_rows)
        self._texts: list[str] = []

    def rows(self, entries: Iterable[tuple[Checkpoint, str]]) -> Iterator[tuple[int, str, str, int]]:
        """The entries as the database takes them."""
        for row, (checkpoint, text) in enumerate(entries):
            self._note(row, checkpoint)
            self.total = row + 1
            yield row, checkpoint.id, text, crc_of(text)

    def _note(self, row: int, checkpoint: Checkpoint) -> None:
        for field, words in WORDS.items():
            for word in {sys.intern(word.lower()) for word in words(checkpoint)}:
                self._words[field][word].append(row)
        for field, number in NUMBERS.items():
            self._numbers[field].append(number(checkpoint))
        for sort, key in SORTS.items():
            self._keys[sort].append(key(checkpoint))
        text = searched(checkpoint)
        self._texts.append(text)
        identity, *others = text.split()
        found = [pieces(identity), *map(_pieces, others)]
        for run in {run for runs, _ in found for run in runs}:
            self._runs[run].append(row)
        for pair in {pair for _, pairs in found for pair in pairs}:
            self._pairs[pair].append(row)

    def answers(self) -> Iterator[tuple[str, str, str, bytes]]:
        """Field, word, kind and content of every answer; what has been given is forgotten."""
        for field, postings in self._words.items():
            for word, rows in postings.items():
                yield field, word, *self._packed(rows)
        for field, numbers in self._numbers.items():
            yield field, "known", *self._packed(row for row, number in enumerate(numbers) if number is not None)
            yield from _sliced(field, [number or 0 for number in numbers])
        for sort in SORTS:
            yield from self._order(sort, self._keys.pop(sort))
        yield from self._grams()
        for name, postings in (("run", self._runs), ("pair", self._pairs)):
            parts, dense = make_parts(postings, self.total)
            yield from _vocabulary(name, parts)
            for part, rows in dense.items():
                yield name, part, *self._packed(rows)
        yield "text", "starts", "rows", _starts(self._texts).tobytes()
        yield "text", "all", "text", ("\n".join(self._texts) + "\n").encode()

    def _order(self, sort: str, keys: list[Any]) -> Iterator[tuple[str, str, str, bytes]]:
        ranks = array("I", bytes(4 * self.total))
        for rank, row in enumerate(sorted(range(self.total), key=keys.__getitem__)):
            ranks[row] = rank
        yield f"by {sort}", "places", "rows", ranks.tobytes()
        yield from _sliced(f"by {sort}", ranks)

    def _grams(self) -> Iterator[tuple[str, str, str, bytes]]:
        """The rows of every word of one or two letters; of a pair only what reaches over its separator is new."""
        holders: dict[str, list[array[int]]] = defaultdict(list)
        for run, rows in self._runs.items():
            for gram in grams(run):
                holders[gram].append(rows)
        for pair, rows in self._pairs.items():
            for gram in grams(_across(pair)):
                holders[gram].append(rows)
        for gram, lists in holders.items():
            yield "gram", gram, *self._packed(row for rows in lists for row in rows)

    def _packed(self, rows: Iterable[int]) -> tuple[str, bytes]:
        listed = array("I", rows)
        if len(listed) * DENSE < self.total:
            return "rows", listed.tobytes()
        return "bits", _bytes_of(bits_of(listed, self.total))


def _no_rows() -> array[int]:
    return array("I")


@lru_cache(100_000)
def _pieces(word: str) -> tuple[list[str], list[str]]:
    return pieces(word)


def _across(pair: str) -> str:
    """A pair's separator, with the letters before and after it."""
    start = next(i for i, letter in enumerate(pair) if not letter.isalnum())
    end = next((i for i in range(start, len(pair)) if pair[i].isalnum()), len(pair))
    return pair[max(0, start - 1) : end + 1]


def _sliced(field: str, numbers: Any) -> Iterator[tuple[str, str, str, bytes]]:
    for bit, rows in enumerate(slices_of(numbers)):
        yield field, f"bit {bit}", "bits", _bytes_of(rows)


def _vocabulary(name: str, parts: Parts) -> Iterator[tuple[str, str, str, bytes]]:
    yield f"{name}s", "text", "text", parts.text.encode()
    for word in ("starts", "ends", "rows"):
        yield f"{name}s", word, "rows", getattr(parts, word).tobytes()


def _starts(texts: list[str]) -> array[int]:
    starts, at = array("I"), 0
    for text in texts:
        starts.append(at)
        at += len(text) + 1
    starts.append(at)
    return starts


def _bytes_of(bits: int) -> bytes:
    return bits.to_bytes(-(-bits.bit_length() // 8), "little")


def _checked(answer: tuple[str, str, str, bytes]) -> tuple[str, str, str, bytes, int]:
    return *answer, zlib.crc32(answer[3])
