"""Files that earlier versions of tlzoo wrote are read, answer and are verified as they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import tlzoo
from tlzoo.artifact import reference, seal
from tlzoo.artifact.manifest import KEY, VERSION, parse_manifest
from tlzoo.errors import ArtifactError

FIRST = json.loads((Path(__file__).parents[2] / "fuzz" / "manifest.json").read_text())
NEW_IN = {
    2: ("precision", "kept_fp32", "raw_input", "calibration", "reference", "measured"),
    3: ("settings", "plugin", "distribution", "signature", "operating_point"),
    4: ("sealed",),
}
NEW_IN_PARITY = {2: ("lengths", "worst", "drop", "thresholds"), 3: ("outputs",), 4: ()}


@pytest.fixture
def older(tmp_path: Path) -> Callable[[Any, int], Path]:
    """Writes a copy of an exported file as a tlzoo of that manifest version wrote it."""

    def write(file: Any, version: int) -> Path:
        proto = onnx.load(file.path)
        stored = {prop.key: prop.value for prop in proto.metadata_props}
        manifest = json.loads(stored.pop(KEY))
        assert manifest.pop("version") == VERSION
        for number in range(version + 1, VERSION + 1):
            for name in NEW_IN[number]:
                manifest.pop(name, None)
            for name in NEW_IN_PARITY[number]:
                manifest["parity"].pop(name, None)
        del stored[seal.KEY]
        packed = json.loads(stored.pop(reference.KEY))
        if version == 2:
            logits = packed["outputs"]["logits"]
            assert logits["dtype"] == "<f4"
            stored[reference.KEY] = json.dumps({"contents": packed["contents"], "logits": logits["data"]})
            manifest["reference"]["sha256"] = reference.digest(stored[reference.KEY])
        del proto.metadata_props[:]
        for key, value in {**stored, KEY: json.dumps({**manifest, "version": version})}.items():
            proto.metadata_props.add(key=key, value=value)
        path = tmp_path / f"version{version}.onnx"
        onnx.save(proto, path)
        return path

    return write


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_an_older_version_answers_as_ever(
    zoo: Any, picture_file: Any, pictures: Path, older: Callable[[Any, int], Path], version: int
):
    old, new = tlzoo.load(older(picture_file, version)), picture_file.load()
    paths = sorted(pictures.rglob("*.png"))[::7]
    assert (old.manifest.version, new.manifest.version) == (version, VERSION)
    assert old.manifest.signature is None
    assert old.task == new.task
    np.testing.assert_array_equal(old.logits(paths), new.logits(paths))
    answers, expected = old.predict(paths), new.predict(paths)
    assert [answer.label for answer in answers] == [answer.label for answer in expected]
    if version == 2:  # the first knew no temperature
        assert answers == expected


def test_a_file_of_version_2_is_verified_by_the_logits_it_holds(
    zoo: Any, picture_file: Any, pictures: Path, older: Callable[[Any, int], Path]
):
    now, then = tlzoo.verify(older(picture_file, 2), pictures), tlzoo.verify(picture_file.path, pictures)
    assert now == then
    assert (now.missing, now.parity.samples) == (0, picture_file.parity.samples)


def test_a_file_of_version_1_has_nothing_to_be_verified_by(
    zoo: Any, picture_file: Any, pictures: Path, older: Callable[[Any, int], Path]
):
    with pytest.raises(ArtifactError, match="no reference outputs"):
        tlzoo.verify(older(picture_file, 1), pictures)


@pytest.mark.parametrize(("task", "labels"), [("text-multilabel", ["a"]), ("audio-regression", ["price"])])
@pytest.mark.parametrize("version", [1, 2])
def test_every_task_of_an_older_manifest_is_the_same_task_now(version: int, task: str, labels: list[str]):
    from tlzoo.runtime.unknown_task import task_of_manifest
    from tlzoo.tasks import make_task

    text = json.dumps({**FIRST, "version": version, "task": task, "labels": labels})
    assert task_of_manifest(parse_manifest({KEY: text}, "old.onnx")) == make_task(task, labels)


def test_a_newer_version_is_refused_by_its_number():
    with pytest.raises(ArtifactError, match=f"version {VERSION + 1}; this tlzoo reads up to {VERSION}"):
        parse_manifest({KEY: json.dumps({**FIRST, "version": VERSION + 1})}, "new.onnx")
