"""What lies in the cache: all that tlzoo keeps is listed under its kind, checked and removed; nothing else is seen."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from tlzoo.weights import cache
from tlzoo.workflows import storage

HOUR_S = 3600.0
WEIGHTS = "weights/vision/resnet/0123456789abcdef"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one entry of most kinds, a day old, and files of somebody else."""
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    root = cache.root()
    files = {
        f"{WEIGHTS}/model.safetensors": b"weights",
        "converted/one.safetensors": b"converted",
        "converted/one.safetensors.sha256": hashlib.sha256(b"converted").hexdigest().encode(),
        "graphs/two.onnx": b"graph",
        "activations/three/features.bin": b"activations",
        "registry/indexes/four.sqlite": b"index",
        "resolved/five.json": b"{}",
        f"partial/{'6' * 64}": b"part",
        "demo-data/vision/digit.png": b"digit",
        "thesis/chapter.txt": b"mine",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    pins = {"model.safetensors": {"sha256": hashlib.sha256(b"weights").hexdigest(), "size": 7}}
    cache.pins_path(root / WEIGHTS).write_text(json.dumps(pins))
    (root / "graphs" / "away.onnx").symlink_to(root / "thesis" / "chapter.txt")
    then = time.time() - 24 * HOUR_S
    for path in root.rglob("*"):
        os.utime(path, (then, then), follow_symlinks=False)
    return root


def named(entries: list[storage.CacheEntry], root: Path) -> dict[str, str]:
    return {entry.path.relative_to(root).as_posix(): entry.kind for entry in entries}


def test_everything_is_listed_under_its_kind_and_nothing_else(kept: Path):
    found = storage.list_entries()
    assert named(found, kept) == {
        "activations/three": "activations",
        "converted/one.safetensors": "converted",
        "demo-data/vision": "demo-data",
        "graphs/two.onnx": "graphs",
        "registry/indexes/four.sqlite": "indexes",
        f"partial/{'6' * 64}": "partial",
        "resolved/five.json": "resolved",
        WEIGHTS: "weights",
    }
    [weights] = [entry for entry in found if entry.kind == "weights"]
    assert (weights.bytes, weights.checkpoint) == (7, "vision/resnet")
    assert [entry.kind for entry in found] == sorted(entry.kind for entry in found)


def test_what_has_a_hash_is_verified_and_what_differs_is_named(kept: Path):
    assert storage.verify() == (2, [])
    (kept / WEIGHTS / "model.safetensors").write_bytes(b"Weights")
    (kept / "converted" / "one.safetensors.sha256").unlink()
    verified, damaged = storage.verify()
    assert verified == 2
    assert {each.entry.kind: each.fault for each in damaged}["converted"] == "its hash is missing"
    assert "model.safetensors" in {each.entry.kind: each.fault for each in damaged}["weights"]


def test_the_longest_unused_go_first_until_the_rest_fits(kept: Path):
    recent = time.time() - HOUR_S
    os.utime(kept / "graphs" / "two.onnx", (recent, recent))
    gone = storage.prune(max_bytes=5, kinds=("graphs", "converted"))
    assert named(gone, kept) == {"converted/one.safetensors": "converted"}
    assert not (kept / "converted" / "one.safetensors.sha256").exists()
    assert (kept / "graphs" / "two.onnx").exists()


def test_what_is_old_goes_and_a_dry_run_only_says_so(kept: Path):
    for dry_run in (True, False):
        gone = storage.prune(older_than_s=2 * HOUR_S, kinds=("weights", "activations"), dry_run=dry_run)
        assert named(gone, kept) == {WEIGHTS: "weights", "activations/three": "activations"}
        assert (kept / WEIGHTS).exists() is dry_run
        assert cache.pins_path(kept / WEIGHTS).exists() is dry_run
    assert (kept / "thesis" / "chapter.txt").read_bytes() == b"mine"
    assert named(storage.prune(older_than_s=48 * HOUR_S), kept) == {
        f"partial/{'6' * 64}": "partial"
    }  # nobody took it up


def test_what_was_used_within_a_minute_stays(kept: Path):
    os.utime(kept / "graphs" / "two.onnx")
    assert storage.prune(max_bytes=0, kinds=("graphs",)) == []
