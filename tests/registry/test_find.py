"""Searching several registry files at once: every filter, every order, pages, what a stronger file hides."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tlzoo import registry
from tlzoo.errors import RegistryError, UnknownCheckpoint, UsageError
from tlzoo.registry import catalogue
from tlzoo.registry.catalogue import ShadowedEntry
from tlzoo.registry.search.query import SORTS, sort_key

SHA = "0" * 64


def entry(id: str, **changes: Any) -> dict[str, Any]:
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


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Writes registry files and makes them the user's, the strongest first."""

    def write(*registries: list[dict[str, Any]]) -> list[str]:
        paths = []
        for number, entries in enumerate(registries):
            paths.append(tmp_path / f"{number}.json")
            paths[-1].write_text(json.dumps({"checkpoints": entries}))
        monkeypatch.setenv("TLZOO_REGISTRY", os.pathsep.join(map(str, reversed(paths))))
        monkeypatch.setenv("TLZOO_PLUGINS", "")
        return [str(path) for path in paths]

    return write


PICTURE = entry(
    "mine/picture",
    architecture="SwinV2",
    license="MIT OR GPL-3.0-only",
    parameters=5,
    feature_dim=7,
    preprocess={"kind": "image", "size": [64, 96], "mean": [0, 0, 0], "std": [1, 1, 1]},
    pretrained_on=["ImageNet-1k"],
    tags=["Edge"],
)
WORDS = entry(
    "mine/words",
    builder="other",
    license="CC-BY-NC-4.0",
    tasks=["text-embedding", "text-classification"],
    parameters=9,
    feature_dim=3,
    preprocess={"kind": "text", "max_length": 9},
    languages=["id", "en"],
    source={"kind": "hub", "repo": "o/r", "files": [{"path": "w"}]},
)
OURS = {"mine/picture", "mine/words"}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"task": "text-classification"}, {"mine/words"}),
        ({"task": "Text-Embedding"}, {"mine/words"}),
        ({"modality": "image"}, {"mine/picture"}),
        ({"license": "permissive"}, {"mine/picture"}),
        ({"license": "non-commercial"}, {"mine/words"}),
        ({"license": "copyleft"}, set()),
        ({"license": "mit"}, {"mine/picture"}),
        ({"license": "ISC OR cc-by-nc-4.0"}, {"mine/words"}),
        ({"language": "ID"}, {"mine/words"}),
        ({"plugin": "other"}, {"mine/words"}),
        ({"plugin": "mine"}, {"mine/picture"}),
        ({"min_parameters": 6}, {"mine/words"}),
        ({"max_parameters": 5}, {"mine/picture"}),
        ({"min_parameters": 5, "max_parameters": 9}, OURS),
        ({"min_feature_dim": 4}, {"mine/picture"}),
        ({"max_feature_dim": 3}, {"mine/words"}),
        ({"max_input_size": 96}, {"mine/picture"}),
        ({"max_input_size": 95}, set()),
        ({"pretrained_on": "imagenet-1K"}, {"mine/picture"}),
        ({"tag": "edge"}, {"mine/picture"}),
        ({"source": "hub"}, {"mine/words"}),
        ({"text": "swin net-1"}, {"mine/picture"}),
        ({"text": "E/WORDS"}, {"mine/words"}),
        ({"modality": "image", "language": "id"}, set()),
        ({}, OURS),
    ],
)
@pytest.mark.parametrize("large", [False, True])
def test_every_filter_keeps_what_meets_it_in_small_files_and_large(
    files: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    large: bool,
    filters: dict[str, Any],
    expected: set[str],
) -> None:
    monkeypatch.setattr(catalogue, "LARGE_BYTES", 0 if large else 2**20)
    catalogue._read_table.cache_clear()
    files([PICTURE, WORDS])
    assert {checkpoint.id for checkpoint in registry.find(**filters)} & OURS == expected


@pytest.mark.parametrize("sort", [*SORTS, *(f"-{sort}" for sort in SORTS)])
def test_every_order_is_total_and_its_reverse_is_the_other_way_round(sort: str) -> None:
    found = list(registry.find(sort=sort))
    keys = [sort_key((SORTS[sort.removeprefix("-")](checkpoint), checkpoint.id)) for checkpoint in found]
    assert all(first < second if sort[0] != "-" else first > second for first, second in pairwise(keys))
    assert len(found) >= 62


def test_pages_of_one_order_are_the_whole_of_it() -> None:
    whole = [checkpoint.id for checkpoint in registry.find(sort="-parameters")]
    pages = [registry.find(sort="-parameters", offset=start, limit=7) for start in range(0, len(whole) + 7, 7)]
    assert [checkpoint.id for page in pages for checkpoint in page] == whole
    assert {page.total for page in pages} == {len(whole)}
    assert len(pages[-1]) == 0


def test_what_is_found_is_a_sequence_whose_slices_are_pages() -> None:
    found = registry.find(sort="parameters")
    ids = [checkpoint.id for checkpoint in found]
    assert [found[3].id, found[-1].id] == [ids[3], ids[-1]]
    assert [checkpoint.id for checkpoint in found[5:9]] == ids[5:9]
    assert [checkpoint.id for checkpoint in found[5:30][2:4]] == ids[7:9]
    assert [checkpoint.id for checkpoint in found[10:2:-3]] == ids[10:2:-3]
    assert len(found[9:5]) == 0
    assert found[5:9] == list(found)[5:9]
    with pytest.raises(IndexError):
        found[len(found)]


@pytest.mark.parametrize("page", [{"offset": -1}, {"limit": -1}])
def test_a_page_that_cannot_be_is_refused(page: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        registry.find(**page)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.dictionaries(st.integers(0, 30), st.integers(1, 9), max_size=25), min_size=1, max_size=3),
    start=st.integers(0, 70),
    length=st.integers(0, 70),
    sort=st.sampled_from(["id", "-id", "parameters", "-parameters"]),
    large=st.integers(0, 3000),
)
def test_any_page_over_any_files_is_that_of_all_entries_merged_and_sorted(
    files: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    sizes: list[dict[int, int]],
    start: int,
    length: int,
    sort: str,
    large: int,
) -> None:
    monkeypatch.setattr(catalogue, "LARGE_BYTES", large)
    files(*([entry(f"m/{id}", parameters=size, tags=["ours"]) for id, size in each.items()] for each in sizes))
    merged = {id: size for each in reversed(sizes) for id, size in each.items()}
    expected = sorted(
        ((f"m/{id}", size) for id, size in merged.items()),
        key=lambda pair: pair if sort.endswith("id") else (pair[1], pair[0]),
        reverse=sort.startswith("-"),
    )
    found = registry.find(tag="ours", sort=sort, offset=start, limit=length)
    assert [(checkpoint.id, checkpoint.parameters) for checkpoint in found] == expected[start : start + length]
    assert found.total == len(merged)


def test_entries_that_a_stronger_file_hides_are_reported(files: Callable[..., list[str]]) -> None:
    first, second = files(
        [entry("a/x", parameters=1), entry("vision/vgg16")], [entry("a/x", parameters=2), entry("a/y")]
    )
    assert registry.get("a/x").parameters == 1
    assert registry.shadowed() == [
        ShadowedEntry("a/x", first, second),
        ShadowedEntry("vision/vgg16", first, "built-in"),
    ]
    assert [origin.name for origin in registry.origins_of("a/x")] == [first, second]
    assert registry.origins_of("no/where") == []
    assert len([checkpoint for checkpoint in registry.find() if checkpoint.id == "a/x"]) == 1


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(RegistryError, match=r"huge\.json has 95 MiB"):
        registry.load(path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(RegistryError, match="not a file"):
        registry.load(tmp_path / "pipe.json")


def test_an_id_with_a_slip_in_a_large_file_is_answered_with_the_right_one(
    files: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "LARGE_BYTES", 0)
    files([entry(f"mine/bert-large-{number:03}") for number in range(100)] + [entry("mine/roberta-tiny")])
    with pytest.raises(UnknownCheckpoint) as caught:
        registry.get("mine/roberta-tyni")
    assert "mine/roberta-tiny" in caught.value.hint


def test_a_registry_may_name_its_schema(files: Callable[..., list[str]], tmp_path: Path) -> None:
    for large in (False, True):
        path = tmp_path / f"{large}.json"
        path.write_text(json.dumps({"$schema": "./registry.schema.json", "checkpoints": [entry("a/b")]}))
        assert [checkpoint.id for checkpoint in registry.load(path)] == ["a/b"]
