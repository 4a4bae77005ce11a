"""The least ONNX Runtime: what is written for it, what the manifest says of it, and that it runs there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, parser

import tlzoo
from tlzoo.exporting.least_runtime import BY_OPSET, least_runtime, lower_format

PLAIN = """
import json, os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
given = dict(numpy.load(sys.argv[2]))
print(json.dumps([onnxruntime.__version__, session.run(["logits"], given)[0].tolist()]))
"""


def model(opset: int = 20, ir_version: int = 10, operator: str = "Relu", domain: str = "") -> onnx.ModelProto:
    text = f"""<ir_version: {ir_version}, opset_import: ["" : {opset}, "other" : 1]>
        net (float[batch] x) => (float[batch] y) {{ y = {f"{domain}." if domain else ""}{operator}(x) }}"""
    return parser.parse_model(text)


@pytest.mark.parametrize(
    ("opset", "ir_version", "least"),
    [
        (20, 9, "1.17"),
        (20, 10, "1.18"),
        (17, 8, "1.12"),
        (11, 6, "1.6"),
        (22, 10, "1.21"),
        (17, 10, "1.18"),
        (99, 9, ""),
    ],
)
def test_the_least_version_is_that_of_the_operators_and_of_the_format(opset: int, ir_version: int, least: str):
    assert least_runtime(model(opset, ir_version)) == least


def test_other_operators_are_in_no_table():
    assert least_runtime(model(domain="other")) == ""


def test_a_model_that_needs_nothing_of_format_10_states_9():
    plain, later = model(), model(opset=21)
    for each in (plain, later):
        lower_format(each)
    assert (plain.ir_version, later.ir_version) == (9, 10)
    older = model(ir_version=8)
    lower_format(older)
    assert older.ir_version == 8


def four_bits(proto: onnx.ModelProto) -> None:
    proto.graph.initializer.append(helper.make_tensor("w", TensorProto.INT4, [2], [1, 2]))


def overloaded(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].overload = "a"


def described(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].metadata_props.add(key="a", value="b")


def four_bits_inside(proto: onnx.ModelProto) -> None:
    inner = helper.make_graph([], "inner", [], [], [helper.make_tensor("w", TensorProto.UINT4, [2], [1, 2])])
    proto.graph.node[0].attribute.append(helper.make_attribute("then_branch", inner))


@pytest.mark.parametrize("change", [four_bits, overloaded, described, four_bits_inside])
def test_a_model_that_holds_something_of_format_10_keeps_it(change: Any):
    proto = model()
    change(proto)
    lower_format(proto)
    assert proto.ir_version == 10


def test_the_table_has_the_core_s_opset():
    from tlzoo.models.onnx_export import OPSET

    assert OPSET in BY_OPSET


@pytest.mark.parametrize("kind", ["picture", "text", "recording"])
def test_exported_files_say_1_17(kind: str, request: pytest.FixtureRequest):
    file = request.getfixturevalue(f"{kind}_file")
    manifest = tlzoo.load(file.path).manifest
    assert manifest.least_onnxruntime == "1.17"
    assert onnx.load(file.path).ir_version == 9


@pytest.mark.release
@pytest.mark.parametrize("kind", ["picture", "text", "recording"])
def test_they_run_there(kind: str, request: pytest.FixtureRequest, old_runtime: Path, tmp_path: Path):
    file = request.getfixturevalue(f"{kind}_file")
    predictor = tlzoo.load(file.path)
    given = {
        "picture": [np.full((50, 40, 3), 99, np.uint8), np.zeros((9, 9, 3), np.uint8)],
        "text": ["a lovely day", "awful"],
        "recording": [np.sin(np.arange(9000) / 9).astype(np.float32), np.zeros(500, np.float32)],
    }[kind]
    arrays = predictor.prepare(given)
    np.savez(tmp_path / "given.npz", **arrays)
    done = subprocess.run(
        [old_runtime, "-c", PLAIN, file.path, tmp_path / "given.npz"], capture_output=True, text=True, check=True
    )
    version, logits = json.loads(done.stdout)
    assert version.startswith("1.17.")
    right = np.array(predictor.logits(given))
    assert np.abs(np.array(logits) - right).max() <= 1e-4 * np.abs(right).max()


@pytest.fixture(scope="module")
def old_runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the oldest ONNX Runtime that files promise to run in."""
    folder = tmp_path_factory.mktemp("old")
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    python = folder / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "onnxruntime==1.17.*", "numpy<2"], check=True)
    return python
