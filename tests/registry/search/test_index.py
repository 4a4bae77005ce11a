"""The index of a large registry file: the same answers as the file itself, whatever happens to the cache."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tlzoo import registry
from tlzoo.errors import RegistryError
from tlzoo.registry import catalogue
from tlzoo.registry.search.index import SqliteTable
from tlzoo.registry.search.query import SORTS, MemoryTable, Query

SHA = "0" * 64
LETTERS = st.text(alphabet="ab1-_.É ", max_size=5)


def entry(id: str = "mine/small", **changes: Any) -> dict[str, Any]:
    return {
        "id": id,
        "architecture": "resnet18",
        "source": {"kind": "url", "url": "https://example.com/w.bin", "sha256": SHA, "size": 3},
        "tasks": ["image-classification"],
        "parameters": 10,
        "feature_dim": 4,
        "preprocess": {"kind": "image", "size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 1]},
        **changes,
    }


def write(path: Path, *entries: dict[str, Any], indent: int | None = None) -> Path:
    path.write_text(json.dumps({"checkpoints": entries}, indent=indent, ensure_ascii=False), "utf-8")
    return path


PREPROCESS = st.one_of(
    st.builds(
        lambda height, width: {"kind": "image", "size": [height, width], "mean": [0, 0, 0], "std": [1, 1, 1]},
        st.integers(1, 40),
        st.integers(1, 40),
    ),
    st.just({"kind": "text", "max_length": 8}),
)
ENTRIES = st.lists(
    st.builds(
        entry,
        st.from_regex(r"\A[ab]/[ab1][ab1._-]{0,5}\Z"),
        architecture=LETTERS,
        license=st.sampled_from([None, "MIT", "mit", "GPL-3.0-only", "MIT OR ISC"]),
        tasks=st.lists(st.sampled_from(["image-a", "text-a", "text-b"]), min_size=1, max_size=2),
        parameters=st.integers(1, 2**53 - 1) | st.integers(1, 9),
        feature_dim=st.integers(1, 5),
        preprocess=PREPROCESS,
        pretrained_on=st.lists(LETTERS, max_size=2),
        languages=st.lists(st.sampled_from(["id", "en"]), max_size=2),
        tags=st.lists(LETTERS, max_size=2),
    ),
    max_size=80,
    unique_by=lambda made: made["id"],
)


@pytest.fixture(scope="module")
def index_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index")


TASKS = ("image-a", "text-a", "text-b", "absent")
LIMITS = st.none() | st.integers(-2, 2**64) | st.integers(0, 40)
QUERIES = st.builds(
    Query,
    words=st.fixed_dictionaries(
        {},
        optional={
            "task": st.lists(st.sampled_from(TASKS), max_size=2).map(tuple),
            "modality": st.sampled_from([("image",), ("text",), ("audio",)]),
            "language": st.sampled_from([("id",), ("en", "id"), ("xx",)]),
            "plugin": st.sampled_from([("a",), ("b",)]),
            "pretrained_on": LETTERS.map(lambda word: (word.lower(),)),
            "tag": LETTERS.map(lambda word: (word.lower(),)),
            "source": st.sampled_from([("url",), ("hub",)]),
        },
    ),
    ranges=st.dictionaries(
        st.sampled_from(["parameters", "feature_dim", "input_size"]), st.tuples(LIMITS, LIMITS), max_size=1
    ),
    text=st.lists(LETTERS.map(str.lower).map(str.strip), max_size=2).map(tuple),
    license=st.sampled_from([None, None, "permissive", "copyleft", "mit", "ISC OR GPL-3.0-only"]),
    sort=st.sampled_from([*SORTS, *(f"-{sort}" for sort in SORTS)]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=ENTRIES, queries=st.lists(QUERIES, max_size=8), data=st.data())
@pytest.mark.release
def test_the_index_answers_as_the_entries_themselves_do(
    index_folder: Path, entries: list[dict[str, Any]], queries: list[Query], data: st.DataObject
) -> None:
    path = write(index_folder / "r.json", *entries, indent=data.draw(st.sampled_from([None, 1])))
    index, listed = SqliteTable(path, allow_files=False), MemoryTable(registry.load(path))
    assert index.ids() == listed.ids() == [made["id"] for made in entries]
    assert [index.get(id) for id in index.ids()] == list(registry.load(path))
    assert "a/absent" not in index
    assert "a/\ud800" not in index
    for query in [*queries, *(Query(sort=sort) for sort in SORTS), Query(text=("\ud800",))]:
        hidden = frozenset(data.draw(st.sets(st.sampled_from(index.ids())))) if entries else frozenset()
        (count, page), (expected, whole) = index.search(query, hidden), listed.search(query, hidden)
        start, stop = sorted(data.draw(st.tuples(st.integers(0, 90), st.integers(0, 90))))
        assert (count, page(0, count), page(start, stop)) == (expected, whole(0, expected), whole(start, stop))


@pytest.fixture
def large(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's registry of 200 entries that is large enough, for a limit set low, to be indexed."""
    monkeypatch.setattr(catalogue, "LARGE_BYTES", 1000)
    path = write(tmp_path / "large.json", *(entry(f"mine/m-{n:03}", parameters=n + 1) for n in range(200)))
    monkeypatch.setenv("TLZOO_REGISTRY", str(path))
    monkeypatch.setenv("TLZOO_PLUGINS", "")
    return path


def smallest_three() -> list[str]:
    catalogue._read_table.cache_clear()
    return [checkpoint.id for checkpoint in registry.find(plugin="mine", sort="parameters", limit=3)]


def indexes(cache: Path) -> list[Path]:
    return sorted((cache / "registry" / "indexes").iterdir())


THREE = ["mine/m-000", "mine/m-001", "mine/m-002"]


def test_the_index_is_made_once_and_kept(large: Path, cache: Path) -> None:
    assert smallest_three() == THREE
    before = {path: path.stat().st_mtime_ns for path in indexes(cache)}
    assert smallest_three() == THREE
    assert {path: path.stat().st_mtime_ns for path in indexes(cache)} == before


def test_a_file_that_changed_is_indexed_again_in_the_same_place(large: Path, cache: Path) -> None:
    smallest_three()
    before = indexes(cache)
    write(large, *(entry(f"mine/m-{n:03}", parameters=1000 - n) for n in range(200)))
    assert smallest_three() == ["mine/m-199", "mine/m-198", "mine/m-197"]
    assert indexes(cache) == before


@pytest.mark.parametrize("part", [0, 0.01, 0.5, 0.99])
def test_a_torn_index_is_made_again(large: Path, cache: Path, part: float) -> None:
    smallest_three()
    for path in indexes(cache):
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    assert smallest_three() == THREE


def test_what_is_no_index_is_replaced(large: Path, cache: Path) -> None:
    smallest_three()
    for path in indexes(cache):
        path.write_bytes(b"not a database" * 1000)
    assert smallest_three() == THREE


@pytest.mark.parametrize("seed", range(6))
def test_flipped_bytes_never_change_an_answer(large: Path, cache: Path, seed: int) -> None:
    smallest_three()
    import random

    chance = random.Random(seed)
    for path in indexes(cache):
        content = bytearray(path.read_bytes())
        for _ in range(60):
            content[chance.randrange(100, len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
    assert smallest_three() == THREE
    assert registry.get("mine/m-150").parameters == 151
    assert registry.find(text="m-15").total == 10
    assert [checkpoint.parameters for checkpoint in registry.find(plugin="mine")] == list(range(1, 201))


def test_an_entry_that_was_changed_in_the_index_is_read_from_the_file_again(large: Path, cache: Path) -> None:
    smallest_three()
    for path in indexes(cache):
        with sqlite3.connect(path) as database:
            database.execute("UPDATE entries SET entry = replace(entry, '\"parameters\": 1,', '\"parameters\": 9,')")
    catalogue._read_table.cache_clear()
    assert registry.get("mine/m-000").parameters == 1


def test_a_cache_that_cannot_be_written_is_no_error(large: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    assert smallest_three() == THREE
    assert cache.read_text() == "a file where the folder should be"


@pytest.mark.release
def test_eight_processes_that_meet_a_cold_cache_all_answer(large: Path, cache: Path) -> None:
    code = (
        "from tlzoo.registry import catalogue, find; catalogue.LARGE_BYTES = 1000\n"
        "print([c.id for c in find(plugin='mine', sort='parameters', limit=3)])"
    )

    def ask(_: int) -> str:
        return subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True).stdout

    with ThreadPoolExecutor(8) as pool:
        assert {answer.strip() for answer in pool.map(ask, range(8))} == {str(THREE)}
    assert [path.suffix for path in indexes(cache)] == [".sqlite"] * len(indexes(cache))


def wrong(path: Path) -> str:
    with pytest.raises(RegistryError) as caught:
        SqliteTable(path, allow_files=False)
    assert "\n" not in str(caught.value)
    assert str(path) in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "red"}, ("'mine/b'", "'colour'")),
        ({"parameters": -1}, ("'mine/b'", "'parameters'")),
        ({"id": "mine/a"}, ("'mine/a'", "duplicate id")),
        ({"source": {"kind": "file", "files": [{"path": "w", "sha256": SHA, "size": 1}]}}, ("'mine/b'", "kind")),
    ],
)
def test_a_wrong_entry_of_a_large_file_is_named_with_its_field(
    tmp_path: Path, cache: Path, change: dict[str, Any], words: tuple[str, ...]
) -> None:
    message = wrong(write(tmp_path / "r.json", entry("mine/a"), {**entry("mine/b"), **change}))
    assert all(word in message for word in words)
    assert not list(cache.rglob("*.sqlite"))


def test_a_key_that_stands_twice_in_a_large_file_is_named_with_its_entry(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", entry("mine/b"))
    path.write_text(path.read_text().replace('"size": 3', '"size": 3, "size": 4'))
    message = wrong(path)
    assert "'mine/b'" in message
    assert "'source.size'" in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"checkpoints": 3}',
        '{"checkpoints": [3]}',
        '{"checkpoints": [,]}',
        '{"checkpoints": [], }',
        '{"checkpoints": []} x',
        '{"checkpoints": [], "checkpoints": []}',
        '{"checkpoints": [], "more": 1}',
        '{"checkpoints": [' + "[" * 100_000,
        "{1: []}",
        '{"checkpoints": ["\\ud800"]}',
    ],
)
def test_what_is_no_registry_is_refused_as_in_a_small_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    wrong(path)
    with pytest.raises(RegistryError):
        registry.load(path)


def test_a_file_that_ends_within_an_entry_says_after_which_and_on_which_line(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", entry("mine/a"), entry("mine/b"), indent=1)
    whole = path.read_text()
    path.write_text(whole[:-30])
    assert "'mine/a'" in wrong(path)
    path.write_text(whole.replace('"mine/b"', "mine/b"))
    line = whole[: whole.index('"mine/b"')].count("\n") + 1
    assert f"'mine/a', line {line}: " in wrong(path)


def test_entries_that_cross_the_chunks_of_reading_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlzoo.registry.scanning._CHUNK", 7)
    entries = [entry(f"mine/m{n}", tags=["é" * n]) for n in range(5)]
    index = SqliteTable(write(tmp_path / "r.json", *entries), allow_files=False)
    assert [index.get(f"mine/m{n}").tags[0] for n in range(5)] == ["é" * n for n in range(5)]


def test_the_index_knows_what_is_near_an_id(tmp_path: Path) -> None:
    entries = [entry(f"mine/bert-base-{n:03}") for n in range(400)]
    index = SqliteTable(write(tmp_path / "r.json", *entries, entry("mine/gpt-large")), allow_files=False)
    assert index.near("mine/gpt-lrge")[0] == "mine/gpt-large"
    assert "mine/bert-base-123" in index.near("mine/bert-bose-123")
    assert index.near("") == []
    assert len(index.near("-".join(["mine"] * 2000))) <= 100
