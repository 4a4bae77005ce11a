"""The registry as a whole: entries of all registry files by precedence, looked up and searched."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from tlzoo.errors import RegistryError, UnknownCheckpoint
from tlzoo.io.entry_points import UNREADABLE
from tlzoo.options.arguments import check_counts, check_texts, not_none, unknown_word
from tlzoo.registry.files import RegistryOrigin, origins, warn_once
from tlzoo.registry.reading import file_stamp, read_checkpoints
from tlzoo.registry.schema import Checkpoint
from tlzoo.registry.search.query import SORTS, Hit, MemoryTable, Query, sort_key
from tlzoo.registry.search.results import SearchResults, Table

LOOKUPS = "tlzoo.lookups"
"""Entry points of functions from an id to its checkpoint or `None`; they are defined above the registry."""

LARGE_BYTES = 2**20
"""A registry file of more bytes is indexed in the cache; a smaller one is read each time, which is as quick."""


class ShadowedEntry(NamedTuple):
    """An entry that is not used, because a registry of higher precedence has the same id."""

    id: str
    used: str
    shadowed: str


def get(id: str) -> Checkpoint:
    """The checkpoint of this id: a registry's, else the lock file's, else that of the plugin with its prefix.

    Raises UnknownCheckpoint with the nearest ids, RegistryError when a registry file is wrong, and for an id that no
    registry lists what `tlzoo.plugins.resolve.resolve` raises.
    """
    check_texts(id=id)
    tables = _tables()
    for _, table in tables:
        if id in table:
            return table.get(id)
    for lookup in _lookups():
        if (found := lookup(id)) is not None:
            return found
    raise UnknownCheckpoint(f"Unknown checkpoint {id!r}.", hint=_nearest(id, [table for _, table in tables]))


def _lookups() -> list[Callable[[str], Checkpoint | None]]:
    """What is asked for an id that no registry lists, in this order; tlzoo's own distribution declares it.

    Raises RegistryError where it does not, as after an update of the code alone.
    """
    try:
        declared = metadata.distribution("tlzoo").entry_points.select(group=LOOKUPS)
    except UNREADABLE:
        declared = metadata.EntryPoints()
    if not declared:
        raise RegistryError(
            f"The installed tlzoo has no entry points {LOOKUPS!r}, so only listed ids are known.",
            hint="Install tlzoo again.",
        )
    return [entry.load() for entry in sorted(declared, key=lambda entry: entry.name)]


def find(
    *,
    task: str | Sequence[str] | None = None,
    modality: str | None = None,
    license: str | None = None,
    language: str | None = None,
    plugin: str | None = None,
    min_parameters: int | None = None,
    max_parameters: int | None = None,
    min_feature_dim: int | None = None,
    max_feature_dim: int | None = None,
    max_input_size: int | None = None,
    pretrained_on: str | None = None,
    tag: str | None = None,
    source: str | None = None,
    text: str | None = None,
    sort: str = "id",
    offset: int = 0,
    limit: int | None = None,
) -> SearchResults:
    """The checkpoints that meet every condition given, each read when it is looked at; `.total` counts all pages.

    Words are compared whole and in any case; of several in `task` one is enough. `license` is an SPDX expression or one
    of permissive, copyleft and non-commercial; `language` an ISO 639-1 code; `source` pypi, hub, url, file or package;
    `max_input_size` the longer side of a picture in pixels; the ranges include both ends; `text` is words that must all
    occur in the id, architecture, tags or training data. `sort` is one of id, task, parameters, license, feature_dim
    and input_size, with `-` in front for the other way round; of what is in that order `offset` are left out and at
    most `limit` given. Raises UsageError for another `sort` or a negative page, RegistryError when a registry file is
    wrong.
    """
    given = {"modality": modality, "license": license, "language": language, "plugin": plugin, "source": source}
    check_texts(sort=sort, **not_none(**given, pretrained_on=pretrained_on, tag=tag))
    for each in task if isinstance(task, list | tuple) else not_none(task=task).values():
        check_texts(task=each)
    if sort.removeprefix("-") not in SORTS:
        raise unknown_word("sort", sort, [f"-{each}" for each in SORTS] if sort.startswith("-") else SORTS)
    check_counts(0, offset=offset, **not_none(limit=limit))
    sizes = {"min_parameters": min_parameters, "max_parameters": max_parameters}
    dims = {"min_feature_dim": min_feature_dim, "max_feature_dim": max_feature_dim, "max_input_size": max_input_size}
    check_counts(0, **not_none(**sizes, **dims))
    words = {
        "task": (task,) if isinstance(task, str) else task,
        "modality": modality,
        "language": language,
        "plugin": plugin,
        "pretrained_on": pretrained_on,
        "tag": tag,
        "source": source,
    }
    ranges = {
        "parameters": (min_parameters, max_parameters),
        "feature_dim": (min_feature_dim, max_feature_dim),
        "input_size": (None, max_input_size),
    }
    query = Query(
        {field: _lower(word) for field, word in words.items() if word is not None},
        {field: ends for field, ends in ranges.items() if ends != (None, None)},
        tuple((text or "").lower().split()),
        license,
        sort,
    )
    return _page(query, offset, limit)


def words_of(field: str) -> list[str]:
    """Every word that `find` can be given for a field such as `language` or `tag` and find something, sorted."""
    return sorted({word for _, table in _tables() for word in table.words(field)})


def _lower(words: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(word.lower() for word in ((words,) if isinstance(words, str) else words))


def _page(query: Query, offset: int, limit: int | None) -> SearchResults:
    """Merge the tables' hits: a table's hit before its place `start - others` is before `start` in the whole."""
    searches = [(table, *table.search(query, hidden)) for table, hidden in _unshadowed()]
    total = sum(count for _, count, _ in searches)
    start = min(offset, total)
    stop = total if limit is None else min(start + limit, total)
    hits: list[tuple[Hit, Table]] = []
    skipped = 0
    for table, count, page in searches if start < stop else ():
        before = min(count, max(0, start - (total - count)))
        skipped += before
        hits += [(hit, table) for hit in page(before, min(stop, count))]
    hits.sort(key=lambda found: sort_key(found[0]), reverse=query.reverse)
    return SearchResults(tuple((table, hit[1]) for hit, table in hits[start - skipped : stop - skipped]), total)


def shadowed() -> list[ShadowedEntry]:
    """The entries that are not used, because a registry of higher precedence has their id; by id."""
    tables = _tables()
    names = [origin.name for origin, _ in tables]
    hidden = _hidden(tuple(table for _, table in tables))
    return sorted(
        ShadowedEntry(id, names[used], name) for name, by in zip(names, hidden, strict=True) for id, used in by.items()
    )


def origins_of(id: str) -> list[RegistryOrigin]:
    """The registry files that have an entry of this id, the one that is used first."""
    return [origin for origin, table in _tables() if id in table]


def ids_of(origin: RegistryOrigin) -> list[str]:
    """The ids of one registry file. Raises RegistryError where it is wrong, also where a look-up leaves it out."""
    return _load_table(origin).ids()


def ids_for(plugin: str) -> list[str]:
    """The ids of the entries that a plugin builds, sorted; none is parsed for it."""
    found: list[str] = []
    for table, hidden in _unshadowed():
        count, page = table.search(Query({"plugin": _lower(plugin)}), hidden)
        found += [id for _, id in page(0, count)]
    return sorted(found)


def load(path: str | os.PathLike[str], *, allow_files: bool = False) -> tuple[Checkpoint, ...]:
    """The checkpoints of one registry file; sources of kind `file` only where `allow_files` (a user's own registry).

    Raises RegistryError naming the file, the entry's id and the field.
    """
    return tuple(checkpoint for checkpoint, _ in read_checkpoints(Path(path), allow_files))


def _nearest(id: str, tables: list[Table]) -> str:
    names = sorted({name for table in tables for name in table.near(id)})
    short_name = id.rpartition("/")[2].lower()
    by_name = {name.partition("/")[2].lower(): name for name in names}
    near = [by_name[name] for name in difflib.get_close_matches(short_name, by_name, 3, 0.6)]
    return f"Did you mean {' or '.join(near)}?" if near else "List all: tlzoo models"


def _unshadowed() -> list[tuple[Table, frozenset[str]]]:
    """The tables in order of precedence, each with the ids that an earlier one has too."""
    tables = tuple(table for _, table in _tables())
    return [(table, frozenset(by)) for table, by in zip(tables, _hidden(tables), strict=True)]


@lru_cache(4)
def _hidden(tables: tuple[Table, ...]) -> list[dict[str, int]]:
    """Of each table the ids that an earlier one has too, and the place of the first."""
    return [
        {id: place for place in reversed(range(weaker)) for id in _shared(tables[place], table)}
        for weaker, table in enumerate(tables)
    ]


def _shared(one: Table, other: Table) -> list[str]:
    """The ids that both tables have."""
    small, large = (one, other) if isinstance(one, MemoryTable) else (other, one)
    if isinstance(small, MemoryTable):
        return [id for id in small.ids() if id in large]
    return list(set(small.ids()).intersection(large.ids()))


def _tables() -> list[tuple[RegistryOrigin, Table]]:
    """Every registry file that can be read, in order of precedence."""
    return [(origin, table) for origin in origins() if (table := _table(origin)) is not None]


def _table(origin: RegistryOrigin) -> Table | None:
    """The entries of one file; none, and a warning, where it is wrong and not the user's own."""
    try:
        return _load_table(origin)
    except RegistryError as error:
        if origin.kind in ("user", "built-in"):
            raise
        warn_once(f"The registry of {origin.name} is ignored: {error.message}")
        return None


def _load_table(origin: RegistryOrigin) -> Table:
    return _read_table(origin.path.absolute(), origin.kind == "user", origin.prefix, file_stamp(origin.path))


@lru_cache(32)
def _read_table(path: Path, allow_files: bool, prefix: str, stamp: tuple[int, int, int]) -> Table:
    """The entries of one file; `prefix` is what all ids must start with."""
    _, size, _ = stamp
    if size <= LARGE_BYTES:
        table: Table = MemoryTable(checkpoint for checkpoint, _ in read_checkpoints(path, allow_files))
    else:
        from tlzoo.registry.search.index import SqliteTable

        table = SqliteTable(path, allow_files)
    foreign = next((id for id in table.ids() if not id.startswith(prefix)), None) if prefix else None
    if foreign is not None:
        raise RegistryError(f"entry {foreign!r} does not start with {prefix!r}.")
    return table
