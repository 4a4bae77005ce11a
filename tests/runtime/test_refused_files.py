"""Files that are not what `tlzoo.load` takes: each refused with a reason on one line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from shared_fixtures import sealed

import tlzoo
from tlzoo.artifact.manifest import KEY, VERSION
from tlzoo.errors import ArtifactError, PluginError


def refused(path: Path, reason: str) -> None:
    with pytest.raises(ArtifactError, match=reason) as error:
        tlzoo.load(path)
    assert str(path) in error.value.message
    assert "\n" not in str(error.value)


def rewritten(file: Any, path: Path, **changes: Any) -> Path:
    """A copy of the file whose manifest has these fields."""
    proto = onnx.load(file.path)
    [stored] = [prop for prop in proto.metadata_props if prop.key == KEY]
    stored.value = json.dumps({**json.loads(stored.value), **changes})
    return sealed.save(proto, path)


def test_a_file_without_manifest_was_not_exported_by_tlzoo(tmp_path: Path):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    onnx.save(model, tmp_path / "plain.onnx")
    refused(tmp_path / "plain.onnx", "no tlzoo manifest")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_no_model(picture_file: Any, tmp_path: Path, share: float):
    content = picture_file.path.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[: int(len(content) * share)])
    refused(tmp_path / "cut.onnx", "not an ONNX model|no tlzoo manifest")


def test_another_file_with_its_name_changed_is_no_model(tmp_path: Path):
    (tmp_path / "text.onnx").write_text("Dear reader,\nthis is no model.\n")
    refused(tmp_path / "text.onnx", "not an ONNX model")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path):
    refused(tmp_path / "gone.onnx", "does not exist")
    refused(tmp_path, "not a file")


def test_a_newer_manifest_asks_for_an_upgrade(picture_file: Any, tmp_path: Path):
    newer = rewritten(picture_file, tmp_path / "new.onnx", version=VERSION + 1, wonders={"of": "tomorrow"})
    with pytest.raises(ArtifactError, match=f"version {VERSION + 1}") as error:
        tlzoo.load(newer)
    assert "upgrade" in error.value.hint.lower()


@pytest.mark.parametrize(
    "changes",
    [{"labels": 3}, {"preprocess": {"kind": "smell"}}, {"parity": None}, {"unknown": 1}, {"inputs": None}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_broken_manifest_is_refused_by_its_first_fault(picture_file: Any, tmp_path: Path, changes: dict[str, Any]):
    refused(rewritten(picture_file, tmp_path / "broken.onnx", **changes), "broken manifest")


@pytest.mark.parametrize("text", ["", "no json", "[1]", "null"])
def test_a_manifest_that_is_no_json_object_is_broken(picture_file: Any, tmp_path: Path, text: str):
    proto = onnx.load(picture_file.path)
    [stored] = [prop for prop in proto.metadata_props if prop.key == KEY]
    stored.value = text
    sealed.save(proto, tmp_path / "broken.onnx")
    refused(tmp_path / "broken.onnx", "broken manifest")


def test_labels_that_do_not_match_the_outputs_are_refused(picture_file: Any, tmp_path: Path):
    refused(rewritten(picture_file, tmp_path / "two.onnx", labels=["blue", "red"]), r"3\], not .*2\]")


def test_preprocessing_of_a_plugin_asks_for_the_plugin(picture_file: Any, tmp_path: Path):
    spec = {"kind": "plugin", "plugin": "smell", "options": {}}
    file = rewritten(picture_file, tmp_path / "smell.onnx", preprocess=spec)
    with pytest.raises(PluginError, match="'smell'") as error:
        tlzoo.load(file)
    assert "tlzoo plugins install tlzoo-smell" in error.value.hint
    pixels = np.zeros((1, 64, 64, 3), np.uint8)
    assert len(tlzoo.load(file, preprocessor=lambda inputs: {"image": pixels}).predict("anything")) == 1


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_weights_outside_the_file_are_refused_even_from_the_folder_they_lie_in(
    picture_file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: bool, inside: bool
):
    proto = onnx.load(picture_file.path)
    [tensor] = [stored for stored in proto.graph.initializer if stored.name == "head.weight"]
    content = numpy_helper.to_array(tensor).tobytes()
    (tmp_path / "secret").write_bytes(content)
    name = "secret"
    if link:
        os.link(tmp_path / "secret", tmp_path / "weights.bin")
        name = "weights.bin"
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", name), ("offset", "0"), ("length", str(len(content)))):
        tensor.external_data.add(key=key, value=value)
    sealed.save(proto, tmp_path / "model.onnx")
    if inside:
        monkeypatch.chdir(tmp_path)
    refused(tmp_path / "model.onnx", "not an ONNX model that can run")
