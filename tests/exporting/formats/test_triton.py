"""The model repository for Triton, read back as Triton reads it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import parser

from tlzoo.artifact.manifest import Manifest
from tlzoo.errors import ExportError
from tlzoo.exporting.formats import triton
from tlzoo.exporting.raw_input import add_resize_and_crop
from tlzoo.runtime.session import open_session

TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*|-?\d+|[][{}:,])')
NUMPY = {"TYPE_UINT8": np.uint8, "TYPE_INT64": np.int64, "TYPE_FP32": np.float32}


def parse(text: str) -> dict[str, list[Any]]:
    """Protocol buffers' text format, strictly, as far as Triton's configuration goes: every field is a list."""
    tokens, end = [], 0
    while text[end:].strip():
        match = TOKEN.match(text, end)
        assert match, f"no token at {text[end : end + 20]!r}"
        tokens.append(match[1])
        end = match.end()
    tokens.reverse()
    return message(tokens, None)


def message(tokens: list[str], closing: str | None) -> dict[str, list[Any]]:
    fields: dict[str, list[Any]] = {}
    while tokens and tokens[-1] != closing:
        name = tokens.pop()
        assert name.isidentifier(), name
        if tokens[-1] == ":":
            tokens.pop()
        else:
            assert tokens[-1] in "[{", f"{name} has neither a colon nor a message"
        fields.setdefault(name, []).extend(values(tokens))
    if closing is not None:
        assert tokens.pop() == closing
    return fields


def values(tokens: list[str]) -> list[Any]:
    if tokens[-1] != "[":
        return [value(tokens)]
    tokens.pop()
    found = [value(tokens)] if tokens[-1] != "]" else []
    while tokens[-1] == ",":
        tokens.pop()
        found.append(value(tokens))
    assert tokens.pop() == "]"
    return found


def value(tokens: list[str]) -> Any:
    first = tokens.pop()
    if first == "{":
        return message(tokens, "}")
    return first[1:-1] if first.startswith('"') else int(first) if first.lstrip("-").isdigit() else first


def written(folder: Path, model: bytes, manifest: Manifest) -> tuple[Path, dict[str, list[Any]]]:
    """The model's place in the repository, and its parsed configuration."""
    folder.mkdir(exist_ok=True)
    triton.write(folder, model, manifest)
    [place] = folder.iterdir()
    return place, parse((place / "config.pbtxt").read_text())


def arrays_for(config: dict[str, list[Any]], batch: int, free: int) -> dict[str, np.ndarray]:
    """Zeros of the types and dimensions that a configuration states."""
    return {
        given["name"][0]: np.zeros(
            (batch, *(free if dim == -1 else dim for dim in given["dims"])), NUMPY[given["data_type"][0]]
        )
        for given in config["input"]
    }


@pytest.mark.parametrize("kind", ["picture", "text", "recording"])
def test_triton_finds_a_model_that_takes_and_gives_what_its_configuration_states(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
):
    file = request.getfixturevalue(f"{kind}_file")
    manifest = file.load().manifest
    place, config = written(tmp_path / "repository", file.path.read_bytes(), manifest)
    assert config["name"] == [place.name]
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", place.name)
    assert config["platform"] == ["onnxruntime_onnx"]
    assert tuple(given["name"][0] for given in config["input"]) == manifest.inputs
    session = open_session((place / "1" / "model.onnx").read_bytes(), threads=1)
    for batch in (1, config["dynamic_batching"][0]["preferred_batch_size"][0], config["max_batch_size"][0]):
        names = [output["name"][0] for output in config["output"]]
        made = session.run(names, arrays_for(config, batch, free=16))
        for output, array in zip(config["output"], made, strict=True):
            assert array.shape == (batch, *output["dims"])
            assert array.dtype == NUMPY[output["data_type"][0]]
    labels = (place / "labels.txt").read_text().splitlines()
    labelled = {output["name"][0]: output["dims"] for output in config["output"] if "label_filename" in output}
    assert tuple(labels) == manifest.labels
    assert labelled == {name: [len(labels)] for name in names if name in ("probabilities", "logits")}


def test_outputs_whose_size_varies_have_open_dimensions_and_no_labels(tmp_path: Path, tagged_file: Any):
    manifest = tagged_file.load().manifest
    place, config = written(tmp_path / "repository", tagged_file.path.read_bytes(), manifest)
    assert {output["name"][0]: output["dims"] for output in config["output"]} == {
        "logits": [-1, len(manifest.labels)],
        "probabilities": [-1, len(manifest.labels)],
    }
    assert not (place / "labels.txt").exists()
    session = open_session((place / "1" / "model.onnx").read_bytes(), threads=1)
    [made] = session.run(["logits"], arrays_for(config, 3, free=7))
    assert made.shape == (3, 7, len(manifest.labels))


def test_a_model_that_fits_pictures_itself_takes_any_size(tmp_path: Path, picture_file: Any):
    manifest = picture_file.load().manifest
    raw = add_resize_and_crop(onnx.load(picture_file.path), manifest.preprocess)
    described = manifest.model_copy(update={"raw_input": True})
    place, config = written(tmp_path, raw.SerializeToString(), described)
    assert [given["dims"] for given in config["input"]] == [[-1, -1, 3]]
    session = open_session((place / "1" / "model.onnx").read_bytes(), threads=1)
    assert session.run(["logits"], {"image": np.zeros((2, 33, 120, 3), np.uint8)})[0].shape == (2, 3)


def test_a_number_has_no_labels(tmp_path: Path, picture_file: Any):
    manifest = picture_file.load().manifest
    number = manifest.model_copy(update={"task": "image-regression", "labels": ("price",)})
    place, config = written(tmp_path, picture_file.path.read_bytes(), number)
    assert not (place / "labels.txt").exists()
    assert [output for output in config["output"] if "label_filename" in output] == []


def test_a_graph_of_fixed_batch_is_not_batched(tmp_path: Path, picture_file: Any):
    fixed = "g (uint8[4, 8, 8, 3] image) => (float[4, 8, 8, 3] logits) { logits = Cast<to = 1>(image) }"
    model = parser.parse_model(f'<ir_version: 10, opset_import: ["": 20]> {fixed}').SerializeToString()
    _, config = written(tmp_path, model, picture_file.load().manifest)
    assert config["max_batch_size"] == [0]
    assert "dynamic_batching" not in config
    assert [given["dims"] for given in config["input"]] == [[4, 8, 8, 3]]


ONE_PER_SAMPLE = """g (float[n] image) => (float[n, 3] logits, float[n] size) {
  axis = Constant<value = int64[1] {1}>()
  wide = Unsqueeze(image, axis)
  logits = Concat<axis = 1>(wide, wide, wide)
  size = Neg(image)
}"""
ONE = (
    "g (float[2] image) => (float[2] logits, float size) { logits = Neg(image) size = ReduceMax<keepdims = 0>(image) }"
)


@pytest.mark.parametrize(("graph", "batch"), [(ONE_PER_SAMPLE, 32), (ONE, 0)], ids=["one per sample", "one"])
def test_a_number_without_dimensions_of_its_own_is_reshaped(tmp_path: Path, picture_file: Any, graph: str, batch: int):
    model = parser.parse_model(f'<ir_version: 10, opset_import: ["": 20]> {graph}').SerializeToString()
    _, config = written(tmp_path, model, picture_file.load().manifest)
    assert config["max_batch_size"] == [batch]
    tensors = {tensor["name"][0]: tensor for tensor in (*config["input"], *config["output"])}
    assert tensors["size"]["dims"] == [1]
    assert tensors["size"]["reshape"] == [{"shape": []}]
    assert "reshape" not in tensors["logits"]
    assert tensors["image"]["dims"] == ([1] if batch else [2])


def test_a_type_that_triton_lacks_is_refused_by_name(tmp_path: Path, picture_file: Any):
    strange = "g (bfloat16[n] image) => (float[n] logits) { logits = Cast<to = 1>(image) }"
    model = parser.parse_model(f'<ir_version: 10, opset_import: ["": 20]> {strange}').SerializeToString()
    with pytest.raises(ExportError, match="'image': BFLOAT16"):
        triton.write(tmp_path, model, picture_file.load().manifest)


def test_a_label_of_two_lines_stays_one_line(tmp_path: Path, picture_file: Any):
    manifest = picture_file.load().manifest.model_copy(update={"labels": ("a\nb", "c", "d")})
    place, _ = written(tmp_path, picture_file.path.read_bytes(), manifest)
    assert (place / "labels.txt").read_text() == "a b\nc\nd\n"
