"""The cache of optimised graphs: the same answers, whatever has become of an entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlzoo
from tlzoo.runtime import graphs


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache's folder of graphs."""
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "sessions"


@pytest.mark.parametrize("kind", ["picture", "text", "recording"])
def test_an_optimised_graph_answers_as_the_file_does(
    cache: Path, kind: str, request: pytest.FixtureRequest, pictures: Path, recordings: Path
):
    inputs: list[Any] = {
        "picture": sorted((pictures / "red").iterdir())[:4],
        "text": ["a great film", "awful"],
        "recording": sorted((recordings / "tone").iterdir())[:4],
    }[kind]
    file = request.getfixturevalue(f"{kind}_file").path
    plain = tlzoo.load(file, cache=False)
    assert not cache.exists()
    first, second = tlzoo.load(file), tlzoo.load(file)
    assert len(list(cache.iterdir())) == 1
    assert second.manifest == plain.manifest
    for predictor in (first, second):
        np.testing.assert_allclose(predictor.logits(inputs), plain.logits(inputs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("damage", [b"", b"x" * 100, None])
def test_a_damaged_entry_is_made_anew(cache: Path, picture_file: Any, pictures: Path, damage: bytes | None):
    path = pictures / "red" / "000.png"
    expected = tlzoo.load(picture_file.path).predict(path)
    [entry] = cache.iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if damage is None else damage)
    assert tlzoo.load(picture_file.path).predict(path) == expected
    assert entry.read_bytes() == whole


def test_where_no_entry_can_be_written_the_file_is_opened_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture_file: Any, pictures: Path
):
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    assert tlzoo.load(picture_file.path).predict(pictures / "red" / "000.png")[0].label == "red"


def test_what_was_used_longest_ago_makes_room(
    cache: Path, picture_file: Any, text_file: Any, monkeypatch: pytest.MonkeyPatch
):
    tlzoo.load(picture_file.path)
    [old] = cache.iterdir()
    monkeypatch.setattr(graphs, "ROOM", 1)
    tlzoo.load(text_file.path)
    assert not old.exists()


def test_a_large_file_is_opened_without_the_cache(cache: Path, picture_file: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(graphs, "LARGEST", 1)
    tlzoo.load(picture_file.path)
    assert not cache.exists()
