"""The page's libraries: fetched by npm, and used only when they are what is pinned."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlzoo.errors import ExportError, HashMismatch, Offline
from tlzoo.exporting.formats.web import vendored


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of PATH, and a cache in which nothing is."""
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TLZOO_OFFLINE", "0")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


@pytest.mark.usefixtures("empty_cache")
def test_without_npm_the_error_says_what_to_install():
    with pytest.raises(ExportError, match="npm") as problem:
        vendored.fetch_library(vendored.ONNXRUNTIME)
    assert "Install" in problem.value.hint


@pytest.mark.usefixtures("empty_cache")
def test_offline_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TLZOO_OFFLINE", "1")
    with pytest.raises(Offline, match="onnxruntime-web"):
        vendored.fetch_library(vendored.ONNXRUNTIME)


@pytest.mark.needs("posix")
@pytest.mark.parametrize(
    ("script", "error"),
    [
        ('while [ "$1" != --pack-destination ]; do shift; done\necho other bytes > "$2/package.tgz"', HashMismatch),
        ("echo npm error 404 Not Found >&2; exit 1", ExportError),
    ],
    ids=["other bytes", "no such package"],
)
def test_what_npm_brings_is_used_only_when_it_is_what_is_pinned(empty_cache: Path, script: str, error: type[Exception]):
    npm = empty_cache / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    with pytest.raises(error):
        vendored.fetch_library(vendored.TOKENIZERS)
    assert not list((empty_cache.parent / "cache").rglob("tokenizers.js"))
