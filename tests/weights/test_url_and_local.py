"""Weights behind an https address, and on this machine."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tlzoo import registry
from tlzoo.errors import HashMismatch, Offline, SourceError
from tlzoo.interfaces import Weights
from tlzoo.registry.schema import FileSource, UrlSource
from tlzoo.weights.fetch import fetch, fetch_source

CONTENT = bytes(range(256)) * 400


def pinned(url: str, content: bytes = CONTENT) -> UrlSource:
    return UrlSource(url=url, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def get(source: UrlSource | FileSource, **options: Any) -> Weights:
    return fetch_source(source, "vision/tiny", **options)


def files_in(cache: Path) -> list[Path]:
    return [path for path in (cache / "weights").rglob("*") if path.is_file()]


@pytest.fixture
def trusted(site: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TLZOO_TRUSTED_HOSTS", "example.com, localhost")
    site.pages["/w.bin"] = (200, {}, CONTENT)
    return site


def test_the_file_arrives_under_the_name_in_its_address(trusted: Any) -> None:
    assert get(pinned(f"{trusted.url}/w.bin")).files["w.bin"].read_bytes() == CONTENT


def test_a_cached_file_needs_no_network(trusted: Any) -> None:
    source = pinned(f"{trusted.url}/w.bin")
    first = get(source)
    trusted.requests.clear()
    assert get(source, offline=True) == first
    assert trusted.requests == []


def test_a_loopback_host_is_refused_unless_the_user_trusts_it(site: Any) -> None:
    with pytest.raises(SourceError, match="not public") as caught:
        get(pinned(f"{site.url}/w.bin"))
    assert "TLZOO_TRUSTED_HOSTS" in caught.value.hint
    assert site.requests == []


def test_a_redirect_to_a_trusted_host_is_followed(trusted: Any) -> None:
    trusted.pages["/old.bin"] = (302, {"Location": "/w.bin"}, b"")
    assert get(pinned(f"{trusted.url}/old.bin")).files["old.bin"].read_bytes() == CONTENT


@pytest.mark.parametrize(
    "target", ["https://127.0.0.1:{port}/w.bin", "http://localhost:{port}/w.bin", "https://u:p@localhost:{port}/w.bin"]
)
def test_a_redirect_to_inside_or_to_http_or_with_a_password_is_refused(trusted: Any, cache: Path, target: str) -> None:
    location = target.format(port=trusted.url.rpartition(":")[2])
    trusted.pages["/old.bin"] = (302, {"Location": location}, b"")
    with pytest.raises(SourceError, match="is refused"):
        get(pinned(f"{trusted.url}/old.bin"))
    assert trusted.requests == ["GET /old.bin"]
    assert files_in(cache) == []


def test_redirects_without_end_stop(trusted: Any) -> None:
    trusted.pages["/loop.bin"] = (302, {"Location": "/loop.bin"}, b"")
    with pytest.raises(SourceError):
        get(pinned(f"{trusted.url}/loop.bin"))
    assert len(trusted.requests) <= 10


@pytest.mark.parametrize("body", [CONTENT + b"x", CONTENT[:-1], CONTENT[::-1], b""])
def test_other_bytes_than_pinned_are_not_promoted(trusted: Any, cache: Path, body: bytes) -> None:
    trusted.pages["/w.bin"] = (200, {}, body)
    with pytest.raises(HashMismatch):
        get(pinned(f"{trusted.url}/w.bin"))
    assert files_in(cache) == []


def test_a_connection_that_breaks_promotes_nothing(trusted: Any, cache: Path) -> None:
    headers = {"Content-Length": str(len(CONTENT)), "Connection": "close"}
    trusted.pages["/w.bin"] = (200, headers, CONTENT[:1000])
    with pytest.raises(SourceError):
        get(pinned(f"{trusted.url}/w.bin"))
    assert files_in(cache) == []


def test_a_status_that_is_an_error_is_reported(trusted: Any) -> None:
    with pytest.raises(SourceError, match="answered 404"):
        get(pinned(f"{trusted.url}/absent.bin"))


def test_an_unknown_certificate_is_refused(trusted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Offline, match="CERTIFICATE_VERIFY_FAILED"):
        get(pinned(f"{trusted.url}/w.bin"))
    assert trusted.requests == []


def test_a_host_that_does_not_answer_is_offline_in_one_line(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLZOO_TRUSTED_HOSTS", "127.0.0.1")
    with pytest.raises(Offline) as caught:
        get(pinned("https://127.0.0.1:9/w.bin"))
    assert "\n" not in str(caught.value)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's registry with an entry `mine/net` whose file lies beside it."""
    (tmp_path / "mine.bin").write_bytes(CONTENT)
    file = {"path": "mine.bin", "sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT)}
    entry = {
        "id": "mine/net",
        "architecture": "x",
        "source": {"kind": "file", "files": [file]},
        "tasks": ["text-classification"],
        "parameters": 1,
        "feature_dim": 1,
        "preprocess": {"kind": "text", "max_length": 8},
    }
    (tmp_path / "own.json").write_text(json.dumps({"checkpoints": [entry]}))
    monkeypatch.setenv("TLZOO_REGISTRY", str(tmp_path / "own.json"))
    return tmp_path / "mine.bin"


def test_a_users_file_is_found_beside_the_registry_that_names_it(own: Path) -> None:
    assert fetch(registry.get("mine/net"), offline=True).files["mine.bin"].read_bytes() == CONTENT


def test_a_changed_file_is_refused(own: Path, cache: Path) -> None:
    own.write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(HashMismatch, match=r"mine\.bin"):
        fetch(registry.get("mine/net"))
    assert files_in(cache) == []


def test_a_missing_file_is_named(own: Path) -> None:
    own.unlink()
    with pytest.raises(SourceError, match=r"mine\.bin"):
        fetch(registry.get("mine/net"))


@pytest.mark.parametrize("kind", ["longer", "pipe", "folder"])
def test_a_file_is_not_copied_before_it_is_seen_to_have_the_pinned_size(own: Path, cache: Path, kind: str) -> None:
    own.unlink()
    if kind == "longer":
        own.write_bytes(CONTENT * 2)
    elif kind == "pipe":
        os.mkfifo(own)
    else:
        own.mkdir()
    with pytest.raises(HashMismatch, match=f"one of {len(CONTENT)} bytes is pinned"):
        fetch(registry.get("mine/net"))
    assert files_in(cache) == []
