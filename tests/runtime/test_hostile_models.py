"""Models made to fill the memory, to run for ever or to lie are refused by a typed error, in little memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tlzoo
from tlzoo.artifact.manifest import KEY
from tlzoo.errors import ArtifactError, InputError
from tlzoo.runtime.limits import memory_limit
from tlzoo.runtime.model_check import check_model

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
MANIFEST = json.loads((Path(__file__).parents[2] / "fuzz" / "manifest.json").read_text())
OPSETS = [helper.make_opsetid("", 20), helper.make_opsetid("f", 1)]


def value(name: str, kind: int = FLOAT, shape: Any = None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, numbers: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(numbers), name)


def model(nodes: list[onnx.NodeProto], tensors: Any = (), **parts: Any) -> onnx.ModelProto:
    """`image` uint8 [batch, 8, 8, 3] becomes `x` float [batch, 2], these nodes make `y`, and `logits` is x + y."""
    given = parts.pop("given", [value("image", TensorProto.UINT8, ["batch", 8, 8, 3])])
    first = [
        helper.make_node("Cast", [given[0].name], ["real"], to=FLOAT),
        helper.make_node("ReduceMean", ["real", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["x"]),
    ]
    stored = [constant("axes", np.array([1, 2])), constant("weight", np.ones((3, 2), np.float32)), *tensors]
    graph = helper.make_graph(
        [*first, *nodes, helper.make_node("Add", ["x", "y"], ["logits"])], "g", given,
        [value("logits", FLOAT, ["batch", 2])], stored, sparse_initializer=parts.pop("sparse", ()),
    )  # fmt: skip
    proto = helper.make_model(graph, ir_version=10, opset_imports=OPSETS, functions=parts.pop("functions", ()))
    proto.metadata_props.add(key=KEY, value=json.dumps({**MANIFEST, **parts}))
    return proto


def node(kind: str, *inputs: str, out: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, list(inputs), [out], **attributes)


def total(*nodes: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The nodes, and the sum of what they call `c`."""
    return [*nodes, node("ReduceSum", "c", keepdims=0)]


def sized(name: str, dims: list[int], **fields: Any) -> onnx.TensorProto:
    return TensorProto(name=name, data_type=FLOAT, dims=dims, **fields)


def branch(name: str, inner: list[onnx.NodeProto]) -> onnx.GraphProto:
    return helper.make_graph(inner, "b", [], [value(name)])


def nested(depth: int) -> onnx.ModelProto:
    inner = branch("y0", [node("Identity", "x", out="y0")])
    for number in range(1, depth):
        other = branch(f"z{number}", [node("Identity", "x", out=f"z{number}")])
        inner = branch(f"y{number}", [node("If", "t", out=f"y{number}", then_branch=inner, else_branch=other)])
    other = branch("z", [node("Identity", "x", out="z")])
    return model([node("If", "t", then_branch=inner, else_branch=other)], [constant("t", True)])


def body(name: str = "b", inner: list[onnx.NodeProto] | None = None) -> onnx.GraphProto:
    nodes = [*(inner or []), node("Identity", "go", out=f"again{name}"), node("Identity", "v", out=f"w{name}")]
    return helper.make_graph(
        nodes, name,
        [value("i", INT64, []), value("go", TensorProto.BOOL, []), value("v")],
        [value(f"again{name}", TensorProto.BOOL, []), value(f"w{name}")],
    )  # fmt: skip


def looped(steps: Any = 5, nodes: tuple[onnx.NodeProto, ...] = (), **parts: Any) -> onnx.ModelProto:
    """A loop of so many steps; with a graph input `m` in `inputs` its number of steps may be fed."""
    constants = [constant("t", True)] + ([constant("m", np.int64(steps))] if steps is not None else [])
    return model([*nodes, node("Loop", "m", "t", "x", body=body())], constants, **parts)


def fed_steps() -> onnx.ModelProto:
    proto = looped()
    proto.graph.input.append(value("m", INT64, []))
    return proto


def twice_the_steps() -> onnx.ModelProto:
    proto = looped()
    proto.graph.initializer.append(constant("m", np.int64(10**6)))
    return proto


def two_loops() -> onnx.ModelProto:
    other = node("Loop", "m", "t", "x", out="other", body=body("c"))
    return looped(nodes=(other,))


def loop_in_a_loop() -> onnx.ModelProto:
    inner = node("Loop", "m", "t", "x", out="deep", body=body("c"))
    constants = [constant("m", np.int64(5)), constant("t", True)]
    return model([node("Loop", "m", "t", "x", body=body("b", [inner]))], constants)


def loop_in_a_function() -> onnx.ModelProto:
    nodes = [
        node("Constant", out="m", value=constant("m", np.int64(5))),
        node("Constant", out="t", value=constant("t", True)),
        node("Loop", "m", "t", "a", out="b", body=body("c")),
    ]
    return model([node("f", "x", domain="f")], functions=[helper.make_function("f", "f", ["a"], ["b"], nodes, OPSETS)])


def search() -> onnx.ModelProto:
    return model([node("BeamSearch", "x", domain="com.microsoft", decoder=body())])


def mapped() -> onnx.ModelProto:
    inner = helper.make_graph([node("Identity", "v", out="w")], "b", [value("v")], [value("w")])
    nodes = [
        node("SplitToSequence", "x", out="s"),
        node("SequenceMap", "s", out="r", body=inner),
        node("ConcatFromSequence", "r", axis=0),
    ]
    return model(nodes)


def doubling_functions() -> onnx.ModelProto:
    made = [helper.make_function("f", "f0", ["a"], ["b"], [node("Relu", "a", out="b")], OPSETS)]
    for number in range(1, 15):
        calls = [node(f"f{number - 1}", "a", out="m", domain="f"), node(f"f{number - 1}", "m", out="b", domain="f")]
        twice = [
            *calls[:1],
            node(f"f{number - 1}", "m", out="n", domain="f"),
            node(f"f{number - 1}", "n", out="b", domain="f"),
        ]
        made.append(helper.make_function("f", f"f{number}", ["a"], ["b"], twice, OPSETS))
    return model([node("f14", "x", domain="f")], functions=made)


def outside(tensor: onnx.TensorProto) -> onnx.TensorProto:
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def sparse() -> onnx.SparseTensorProto:
    return helper.make_sparse_tensor(
        constant("w", np.ones(1, np.float32)), constant("at", np.zeros(1, np.int64)), [10**10]
    )


def in_branch(tensor: onnx.TensorProto) -> onnx.ModelProto:
    inner = helper.make_graph([node("Add", "x", tensor.name, out="z")], "b", [], [value("z")], [tensor])
    return model([node("If", "t", then_branch=inner, else_branch=inner)], [constant("t", True)])


def adding(tensor: onnx.TensorProto) -> onnx.ModelProto:
    return model([node("Add", "x", tensor.name)], [tensor])


def plain(**parts: Any) -> onnx.ModelProto:
    return model([node("Relu", "x")], **parts)


RAW = bytes(16)
PICTURE = value("image", TensorProto.UINT8, ["n", 8, 8, 3])
SOUND = {"kind": "audio", "sample_rate": 8000, "seconds": 1}
SHAPE = constant("s", np.array([10**6, 10**6]))
HOSTILE = {
    "huge initialiser": (lambda: adding(sized("w", [10**6, 10**6], raw_data=RAW)), "claims"),
    "overflowing initialiser": (lambda: model([node("Add", "x", "w")], [sized("w", [2**32, 2**32])]), "claims"),
    "negative initialiser": (lambda: model([node("Add", "x", "w")], [sized("w", [-5])]), "negative"),
    "ConstantOfShape": (lambda: model(total(node("ConstantOfShape", "s", out="c")), [SHAPE]), "asks for"),
    "Expand": (lambda: model(total(node("Expand", "weight", "s", out="c")), [SHAPE]), "asks for"),
    "Tile": (lambda: model(total(node("Tile", "x", "s", out="c")), [SHAPE]), "asks for"),
    "shape in an attribute": (
        lambda: model(total(node("Constant", out="s", value=SHAPE), node("ConstantOfShape", "s", out="c"))), "asks for"
    ),
    "sparse": (lambda: model([node("Add", "x", "w")], sparse=[sparse()]), "sparse"),
    "sparse attribute": (lambda: model([node("Constant", sparse_value=sparse())]), "sparse"),
    "external attribute": (lambda: model([node("Constant", value=outside(sized("w", [2])))]), "another file"),
    "external in a branch": (lambda: in_branch(outside(sized("w", [2]))), "another file"),
    "deep nesting": (lambda: nested(20), "nested"),
    "endless loop": (lambda: looped(2**62), "Loop"),
    "loop of 4,097 steps": (lambda: looped(4097), "Loop"),
    "loop of -1 steps": (lambda: looped(-1), "Loop"),
    "loop of 0 steps": (lambda: looped(0), "Loop"),
    "loop whose number of steps is a list": (lambda: looped([5, 1]), "Loop"),
    "loop without a number of steps": (
        lambda: model([node("Loop", "", "t", "x", body=body())], [constant("t", True)]), "Loop"
    ),
    "loop whose steps a node computes": (
        lambda: looped(None, (node("Constant", out="m", value=constant("m", np.int64(5))),)), "Loop"
    ),
    "loop whose steps a node overwrites": (
        lambda: looped(5, (node("Constant", out="m", value=constant("m", np.int64(10**6))),)), "Loop"
    ),
    "loop whose steps are written twice": (twice_the_steps, "two tensors"),
    "loop whose steps may be fed": (fed_steps, "Loop"),
    "two loops": (two_loops, "Loop"),
    "loop in a loop": (loop_in_a_loop, "Loop"),
    "loop in a function": (loop_in_a_function, "Loop"),
    "search of a graph": (search, "BeamSearch"),
    "map over a sequence": (mapped, "SequenceMap"),
    "functions of functions": (doubling_functions, "expanded"),
    "custom operator": (lambda: model([node("Evil", "x", domain="evil.corp")]), "evil.corp.Evil"),
    "no operator": (lambda: model([node("Evil", "x")]), "Evil"),
    "cycle": (lambda: model([node("Add", "x", "y")]), "acyclic|not an ONNX"),
    "many nodes": (lambda: model([node("Relu", "x", out=f"v{i}") for i in range(100_001)]), "nodes"),
    "other name": (lambda: plain(given=[value("pixels", TensorProto.UINT8, ["n", 8, 8, 3])]), "'pixels'"),
    "other type": (lambda: plain(given=[value("image", FLOAT, ["n", 8, 8, 3])]), "float"),
    "other size": (lambda: plain(given=[value("image", TensorProto.UINT8, ["n", 9, 8, 3])]), "9"),
    "two inputs": (
        lambda: model([node("Add", "x", "more")], given=[PICTURE, value("more")]), "'more'"
    ),
    "more labels": (lambda: model([node("Relu", "x")], labels=["a", "b", "c"]), r"2\], not .*3\]"),
    "another modality": (lambda: plain(preprocess=SOUND), "audio"),
    "huge size": (lambda: plain(preprocess={**MANIFEST["preprocess"], "size": [10**9, -1]}), "size"),
    "large manifest": (lambda: model([node("Relu", "x")], options={"a": [[]] * 15_000_000}), "too many values"),
    "larger manifest": (lambda: model([node("Relu", "x")], options={"a": "x" * 70_000_000}), "characters"),
    "deep manifest": (lambda: relabelled("[" * 100_000), "broken manifest"),
}  # fmt: skip


def relabelled(text: str) -> onnx.ModelProto:
    proto = model([node("Relu", "x")])
    proto.metadata_props[0].value = text
    return proto


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_it_is_refused_when_it_is_loaded(name: str, tmp_path: Path):
    make, reason = HOSTILE[name]
    path = tmp_path / "hostile.onnx"
    path.write_bytes(make().SerializeToString())
    with pytest.raises(ArtifactError, match=reason) as error:
        tlzoo.load(path)
    assert str(path) in error.value.message
    assert "\n" not in str(error.value)


def saved(proto: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.mark.parametrize("depth", [1, 5])
def test_what_is_honest_is_opened(tmp_path: Path, depth: int):
    assert len(tlzoo.load(saved(nested(depth), tmp_path / "m.onnx")).predict(np.zeros((9, 9, 3), np.uint8))) == 1


LIMITED = """
import resource, sys
import numpy as np
import tlzoo
from tlzoo.errors import TlzooError
from tlzoo.runtime import predictor  # what the interpreter itself takes is not counted
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    tlzoo.load(sys.argv[1]).predict(np.zeros((9, 9, 3), np.uint8))
    print("answered")
except TlzooError as error:
    print(type(error).__name__, "more memory" in str(error))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def doubled(first: str, times: int) -> list[onnx.NodeProto]:
    names = [first, *(f"c{number}" for number in range(times - 1)), "c"]
    return total(*(node("Concat", a, a, out=b, axis=0) for a, b in pairwise(names)))


@pytest.mark.needs("linux")
@pytest.mark.parametrize("first", ["x", "weight"])
def test_what_grows_without_a_constant_shape_ends_by_a_typed_error_in_a_gigabyte(tmp_path: Path, first: str):
    path = saved(model(doubled(first, 40)), tmp_path / "growing.onnx")
    command = [sys.executable, "-c", LIMITED, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"TLZOO_MEMORY": "512MB"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "InputError True"
    assert int(done.stdout.split()[-1]) < 2**20


def test_an_answer_that_is_no_number_is_an_error_of_that_input_alone(tmp_path: Path):
    made = [node("Sub", "x", "x", out="zero"), node("ReduceMin", "x", "one", out="low"), node("Log", "low")]
    path = saved(model(made, [constant("one", np.array([1]))]), tmp_path / "log.onnx")
    black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    predictor = tlzoo.load(path)
    first, second, third = predictor.stream([white, black, white])
    assert (first.error, third.error) == (None, None)
    assert "NaN or infinity" in second.error
    with pytest.raises(InputError, match="Input 1: the model returns NaN"):
        predictor.predict([white, black])


@pytest.mark.parametrize("more", [("Unsqueeze", "[1, 1, 2]"), ("Tile", "[1, 4]")])
def test_an_output_of_another_shape_than_the_task_declares_is_refused(tmp_path: Path, more: tuple[str, str]):
    kind, shape = more
    sizes = [node("ReduceMax", "real", keepdims=0, out="largest"), node("Mul", "largest", "zeros", out="nothing")]
    sizes += [node("Add", "nothing", "ones", out="sizes"), node("Cast", "sizes", out="whole", to=INT64)]
    ones, zeros = ([1.0], [0.0]) if kind == "Unsqueeze" else ([1.0, 2.0], [0.0, 0.0])
    tensors = [constant("zeros", np.float32(zeros)), constant("ones", np.float32(ones))]
    proto = model([*sizes, node("Relu", "x", out="y")], tensors)
    proto.graph.node[-1].output[0] = "sum"  # what makes the shape depends on the pixels, so no check sees it before
    proto.graph.node.append(node(kind, "sum", "whole", out="logits"))
    predictor = tlzoo.load(saved(proto, tmp_path / "model.onnx"))
    with pytest.raises(ArtifactError, match=re.escape(f"returned 'logits' of shape {shape}")) as error:
        predictor.predict(np.zeros((8, 8, 3), np.uint8))
    assert "declares ['batch', 2]" in error.value.message


@pytest.mark.parametrize(("given", "expected"), [("2GB", 2**31), ("1.5 g", 3 * 2**29), ("100", 100)])
def test_the_memory_that_models_may_take_is_set_by_a_variable(
    monkeypatch: pytest.MonkeyPatch, given: str, expected: int
):
    monkeypatch.setenv("TLZOO_MEMORY", given)
    assert memory_limit() == expected


def test_by_default_models_may_take_half_of_the_machine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TLZOO_MEMORY", raising=False)
    assert (memory_limit() or 2**30) >= 2**27


def test_a_scan_is_answered_as_a_picture_and_a_broken_one_by_its_error(tmp_path: Path):
    import pydicom

    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    predictor = tlzoo.load(saved(plain(), tmp_path / "m.onnx"))
    good, broken = predictor.stream([folder / "CT_small.dcm", str(folder / "MR_truncated.dcm")])
    assert (good.label, good.error) == ("no", None)
    assert "MR_truncated.dcm" in broken.error


@pytest.mark.parametrize(
    ("given", "least"), [(("--rounds", "20"), 60), pytest.param(("--seconds", "120"), 1, marks=pytest.mark.release)]
)
def test_the_fuzz_targets_find_nothing(tmp_path: Path, given: tuple[str, str], least: int):
    command = [sys.executable, str(Path(__file__).parents[2] / "fuzz" / "loaders.py"), *given]
    done = subprocess.run([*command, "--findings", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.splitlines()[-1].split()[0]) >= least


def test_one_loop_of_a_number_of_steps_that_is_written_down_is_allowed():
    check_model(looped(4096).SerializeToString(), KEY)
