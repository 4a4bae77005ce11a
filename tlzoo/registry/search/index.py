"""A large registry file's index in the cache: one SQLite file, made once, asked without reading the registry again.

Words that several of an entry's fields can hold are in `words`, all else that filters and orders need in `facts`, the
entries themselves as JSON in `entries`. A query reads `facts` from end to end: of 100,000 entries in tens of
milliseconds, so that nothing else need be indexed.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import threading
import zlib
from contextlib import suppress
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from tlzoo.io.files import atomic_file, cache_folder
from tlzoo.progress import say
from tlzoo.registry.licenses import meets
from tlzoo.registry.reading import file_stamp, read_checkpoints
from tlzoo.registry.schema import SCHEMA_VERSION, Checkpoint
from tlzoo.registry.search.query import SORTS, WORDS, Hit, Page, Query, search_text

INDEX_VERSION = 3
_SINGLE = ("modality", "plugin", "source")
_SEVERAL = ("task", "language", "pretrained_on", "tag")
_TABLES = """
    PRAGMA page_size=16384; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
    CREATE TABLE made (stamp TEXT);
    CREATE TABLE entries (row INTEGER PRIMARY KEY, entry TEXT);
    CREATE TABLE words (field TEXT, word TEXT, row INTEGER, PRIMARY KEY (field, word, row)) WITHOUT ROWID;
    CREATE TABLE facts (row INTEGER PRIMARY KEY, id TEXT UNIQUE, task TEXT, parameters INTEGER, license TEXT,
        feature_dim INTEGER, input_size INTEGER, modality TEXT, plugin TEXT, source TEXT, text TEXT);
"""
_ANY_OF = "IN (SELECT value FROM json_each(?))"
_LARGEST = 2**63 - 1
_NEAR = 100
_MOST_RUNS = 20
_HEADER = 100
_SUM = slice(60, 64)
"""Where SQLite's header keeps a number for the application: here the CRC-32 of all other bytes of the file."""


class SqliteTable:
    """Queried like `MemoryTable`. The index is built where it is missing, outdated or damaged.

    Raises RegistryError where the registry file is wrong. Without a cache to write to the index is kept in memory.
    """

    def __init__(self, path: Path, allow_files: bool) -> None:
        self._lock = threading.Lock()
        self._database = _open_index(path, allow_files) or _build_index(path, allow_files)
        self._database.execute("PRAGMA cache_size=-32768")

    def __contains__(self, id: object) -> bool:
        return bool(self._select("SELECT 1 FROM facts WHERE id = ?", id))

    def get(self, id: str) -> Checkpoint:
        """The entry of an id that there is."""
        ((entry,),) = self._select("SELECT entry FROM entries WHERE row = (SELECT row FROM facts WHERE id = ?)", id)
        return Checkpoint.model_validate_json(entry)

    def ids(self) -> list[str]:
        """Every id."""
        return [id for (id,) in self._select("SELECT id FROM facts ORDER BY row")]

    def search(self, query: Query, hidden: frozenset[str]) -> tuple[int, Page]:
        """How many entries but those hidden meet a query, and how to get at them."""
        where, values = self._conditions(query, hidden)
        way = "DESC" if query.reverse else "ASC"
        order = f"{query.column} IS NULL {way}, {query.column} {way}, id {way}"
        select = f"SELECT {query.column}, id FROM facts WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"

        def page(start: int, stop: int) -> list[Hit]:
            return self._select(select, *values, stop - start, start)

        counted = self._select(f"SELECT count(*) FROM facts WHERE {where}", *values)
        return counted[0][0] if counted else 0, page

    def words(self, field: str) -> set[str]:
        """Every word of a field of `WORDS`, in lower case."""
        column, rest = (field, "facts") if field in _SINGLE else ("word", f"words WHERE field = '{field}'")
        return {word for (word,) in self._select(f"SELECT DISTINCT {column} FROM {rest}")}

    def near(self, id: str) -> list[str]:
        """The ids of entries whose text shares the longest runs of letters and digits with `id`, as long ones first."""
        runs = [run for run in re.split(r"[\W_]+", id.lower()) if len(run) > 1][:_MOST_RUNS]
        shared = " + ".join(f"length(?{n}) * (instr(text, ?{n}) > 0)" for n in range(1, len(runs) + 1)) or "0"
        order = "ORDER BY shared DESC, abs(length(id) - ?) LIMIT ?"
        found = self._select(f"SELECT id, {shared} AS shared FROM facts {order}", *runs, len(id), _NEAR)
        return [near for near, letters in found if letters]

    def _conditions(self, query: Query, hidden: frozenset[str]) -> tuple[str, list[Any]]:
        where: list[str] = ["1"]
        values: list[Any] = []
        for field, words in query.words.items():
            several = f"row IN (SELECT row FROM words WHERE field = '{field}' AND word {_ANY_OF})"
            where.append(f"{field} {_ANY_OF}" if field in _SINGLE else several)
            values.append(json.dumps(words))
        for field, (low, high) in query.ranges.items():
            where.append(f"{field} BETWEEN ? AND ?")
            values += [min(max(0, low or 0), _LARGEST), _LARGEST if high is None else min(max(-1, high), _LARGEST)]
        if query.license is not None:
            where.append(f"license {_ANY_OF}")
            values.append(json.dumps([license for license in self._licenses if meets(license, query.license)]))
        if hidden:
            where.append(f"id NOT {_ANY_OF}")
            values.append(json.dumps(list(hidden)))
        where += ["instr(text, ?)" for _ in query.text]
        return " AND ".join(where), [*values, *query.text]

    @cached_property
    def _licenses(self) -> list[str]:
        return [license for (license,) in self._select("SELECT DISTINCT license FROM facts WHERE license IS NOT NULL")]

    def _select(self, query: str, *values: object) -> list[Any]:
        try:
            with self._lock:
                return self._database.execute(query, values).fetchall()
        except UnicodeEncodeError:  # half a surrogate pair is asked for, which no entry can hold
            return []


def _open_index(path: Path, allow_files: bool) -> sqlite3.Connection | None:
    """The index of a registry file; `None` where it is not there, not whole, or that of the file as it was."""
    place = _index_path(path, allow_files)
    try:
        with place.open("rb") as file:
            if file.read(_HEADER)[_SUM] != _checksum(place):
                return None
        database = sqlite3.connect(f"{place.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    except (OSError, sqlite3.Error):
        return None
    with suppress(sqlite3.Error):
        if database.execute("SELECT stamp FROM made").fetchall() == [(_stamp(path),)]:
            return database
    database.close()
    return None


def _build_index(path: Path, allow_files: bool) -> sqlite3.Connection:
    """A new index: in the cache, else in memory; also where the file changes meanwhile, for it may be read torn."""
    say(f"Indexing the registry {path}, once ...")
    stamp = _stamp(path)
    with suppress(OSError, sqlite3.Error):
        with atomic_file(_index_path(path, allow_files)) as temporary:
            _fill(sqlite3.connect(temporary), path, allow_files, stamp).close()
            _write_checksum(temporary)
        if database := _open_index(path, allow_files):
            return database
    return _fill(sqlite3.connect(":memory:", check_same_thread=False), path, allow_files, stamp)


def _fill(database: sqlite3.Connection, path: Path, allow_files: bool, stamp: str) -> sqlite3.Connection:
    try:
        database.executescript(_TABLES)
        for row, (checkpoint, text) in enumerate(read_checkpoints(path, allow_files)):
            words = {field: {word.lower() for word in words(checkpoint)} for field, words in WORDS.items()}
            singles = [word for field in _SINGLE for word in words[field]]
            numbers = [sort(checkpoint) for sort in SORTS.values()]
            facts = [row, *numbers, *singles, search_text(checkpoint)]
            database.execute(f"INSERT INTO facts VALUES ({', '.join('?' * len(facts))})", facts)
            several = [(field, word, row) for field in _SEVERAL for word in words[field]]
            database.executemany("INSERT INTO words VALUES (?, ?, ?)", several)
            database.execute("INSERT INTO entries VALUES (?, ?)", (row, text))
        database.execute("INSERT INTO made VALUES (?)", (stamp,))
        database.commit()
    except BaseException:
        database.close()
        raise
    return database


def _index_path(path: Path, allow_files: bool) -> Path:
    """Where a registry file's index is kept: one file for each registry file and each version of tlzoo."""
    made_by = (metadata.version("tlzoo"), INDEX_VERSION, SCHEMA_VERSION)
    name = hashlib.sha256(repr((str(path), allow_files, made_by)).encode()).hexdigest()[:32]
    return cache_folder() / "registry" / "indexes" / f"{name}.sqlite"


def _stamp(path: Path) -> str:
    return json.dumps([str(path), *file_stamp(path)])


def _checksum(place: Path) -> bytes:
    with place.open("rb") as file:
        header = bytearray(file.read(_HEADER))
        header[_SUM] = bytes(4)
        crc = zlib.crc32(header)
        while chunk := file.read(2**20):
            crc = zlib.crc32(chunk, crc)
    return crc.to_bytes(4, "big")


def _write_checksum(place: Path) -> None:
    found = _checksum(place)
    with place.open("r+b") as file:
        file.seek(_SUM.start)
        file.write(found)
