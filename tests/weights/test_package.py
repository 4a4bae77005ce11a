"""Files of a plugin's own package: found without import, verified where they lie, nobody else's."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import HashMismatch, RegistryError, SourceError
from tlzoo.registry import load
from tlzoo.registry.schema import Checkpoint
from tlzoo.weights.fetch import fetch


def entry(package: str = "tlzoo_shipped", path: str = "data/w.bin", content: bytes = b"weights") -> dict[str, Any]:
    file = {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    return {
        "id": "shipped/small",
        "architecture": "x",
        "source": {"kind": "package", "package": package, "files": [file]},
        "tasks": ["image-classification"],
        "parameters": 1,
        "feature_dim": 1,
        "preprocess": {"kind": "image", "size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 1]},
    }


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package on the path that must not be imported."""
    folder = tmp_path / "site" / "tlzoo_shipped"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('imported')")
    (folder / "data" / "w.bin").write_bytes(b"weights")
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.setenv("TLZOO_OFFLINE", "1")
    return folder


def read(folder: Path, **fields: Any) -> Checkpoint:
    (folder / "registry.json").write_text(json.dumps({"checkpoints": [entry(**fields)]}))
    return load(folder / "registry.json")[0]


def test_its_files_are_found_without_import_and_without_network(package: Path):
    weights = fetch(read(package))
    assert {"w.bin": package / "data" / "w.bin"} == dict(weights.files)
    assert "tlzoo_shipped" not in sys.modules


@pytest.mark.parametrize("content", [b"WEIGHTS", b"weight", b""])
def test_a_changed_file_is_refused(package: Path, content: bytes):
    checkpoint = read(package)
    (package / "data" / "w.bin").write_bytes(content)
    with pytest.raises(HashMismatch, match=r"shipped/small.*w\.bin"):
        fetch(checkpoint)


def test_a_registry_outside_the_package_may_not_name_it(package: Path, tmp_path: Path):
    with pytest.raises(RegistryError, match=r"shipped/small.*source\.package"):
        read(tmp_path)


def test_a_package_that_is_not_installed_is_named(package: Path):
    checkpoint = Checkpoint.model_validate(entry("tlzoo_nowhere"))
    with pytest.raises(SourceError, match="tlzoo_nowhere"):
        fetch(checkpoint)


@pytest.mark.parametrize("path", ["../w.bin", "/etc/passwd", "a\\b", "a/../../b"])
def test_a_path_that_leaves_the_package_is_refused(package: Path, path: str):
    with pytest.raises(RegistryError, match="must stay inside"):
        read(package, path=path)
