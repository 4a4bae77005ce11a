"""The manifest of an exported file: what comes from its run, and what of this machine does not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tlzoo.artifact.manifest import Parity
from tlzoo.exporting.manifests import _origin, make_manifest
from tlzoo.interfaces import Graph
from tlzoo.registry.schema import FileSource

PARITY = Parity(samples=0, batches=(), max_abs_diff=0, scale=0, tolerance=0, top1_agreement=0)
GRAPH = Graph(Path("model.onnx"), ("image",), ("logits", "probabilities"), 20)


def origin(source: Any) -> Any:
    return _origin(SimpleNamespace(id="a/b", architecture="net", license="mit", source=source))  # type: ignore[arg-type]


def source_of(**document: Any) -> Any:
    """A source that is this document."""

    def dump(mode: str, exclude_none: bool) -> dict[str, Any]:
        assert mode == "json"
        return {name: value for name, value in document.items() if value is not None or not exclude_none}

    return SimpleNamespace(model_dump=dump)


@pytest.mark.parametrize(
    ("document", "pinned"),
    [
        ({"url": "https://x/y", "sha256": "1" * 64}, {"https://x/y": "1" * 64}),
        ({"url": "https://x/y"}, {}),
        ({"repo": "r", "files": [{"path": "a", "sha256": "2" * 64}, {"path": "b"}]}, {"a": "2" * 64}),
        (
            {"url": "u", "sha256": "3" * 64, "members": [{"path": "m", "sha256": "4" * 64}], "files": [{"path": "f"}]},
            {"m": "4" * 64},
        ),
        ({"url": "https://x/y", "sha256": "5" * 64, "files": [], "none": None}, {"https://x/y": "5" * 64}),
    ],
)
def test_a_source_with_the_hashes_of_its_files(document: dict[str, Any], pinned: dict[str, str]):
    found = origin(source_of(**document))
    assert (found.id, found.architecture, found.license) == ("a/b", "net", "mit")
    assert found.sha256 == pinned
    assert found.source == {name: value for name, value in document.items() if value is not None}


def test_of_files_of_this_machine_only_the_names_are_said():
    sums = {"/home/me/net.safetensors": "6" * 64, "/home/me/more": "7" * 64}
    files = [{"path": path, "sha256": sha256, "size": 5} for path, sha256 in sums.items()]
    found = origin(FileSource.model_validate({"kind": "file", "files": files}))
    assert [file["path"] for file in found.source["files"]] == ["net.safetensors", "more"]
    assert found.sha256 == {"net.safetensors": "6" * 64, "more": "7" * 64}


def test_the_facts_are_the_runs_and_those_that_were_proven(picture_run: Any):
    manifest = make_manifest(
        picture_run, GRAPH, parity=PARITY, metrics={"exported": {"accuracy": 1.0}}, data={"n_proof": 5, "n_test": 9}
    )
    data = picture_run.data
    assert (manifest.task, manifest.labels) == (picture_run.task.name, picture_run.task.labels)
    assert (manifest.plugin, manifest.distribution) == ("", "")
    assert manifest.settings == picture_run.task.settings()
    assert manifest.preprocess == picture_run.preprocess
    assert (manifest.inputs, manifest.outputs, manifest.opset) == (("image",), ("logits", "probabilities"), 20)
    assert manifest.checkpoint.id == picture_run.checkpoint.id
    assert manifest.data == {
        "fingerprint": data.fingerprint,
        "heldout_fingerprint": data.heldout_fingerprint,
        "n_train": data.n_train,
        "n_validation": data.n_validation,
        "n_test": 9,
        "columns": data.columns,
        "n_proof": 5,
    }
    assert manifest.options == picture_run.options
    assert manifest.versions == picture_run.versions
    assert manifest.parity == PARITY
    assert manifest.metrics == {"exported": {"accuracy": 1.0}}
    assert manifest.adapted is None
    assert "n_proof" not in make_manifest(picture_run, GRAPH, parity=PARITY, metrics={}).data


def test_of_an_adaptation_no_paths_are_said(picture_run: Any):
    class Adapted:
        adapted = {"method": "coral", "from": "/home/me/run", "target": "/home/me/data", "l2": 0.5}  # noqa: RUF012

        def __getattr__(self, name: str) -> Any:
            return getattr(picture_run, name)

    manifest = make_manifest(Adapted(), GRAPH, parity=PARITY, metrics={})  # type: ignore[arg-type]
    assert manifest.adapted == {"method": "coral", "l2": 0.5}
