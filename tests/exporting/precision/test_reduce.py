"""Lower precisions of the small zoo's networks, as its runs export them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import ModelProto

from tlzoo import finetune
from tlzoo.errors import ExportError, UsageError
from tlzoo.exporting.precision import fp16, rank_by_speed, reduce, reduce_precision, sensitivity, static
from tlzoo.exporting.precision.graph import constants
from tlzoo.exporting.precision.ranges import ActivationStats, collect_stats, minmax, percentile
from tlzoo.exporting.precision.reduce import _dynamic
from tlzoo.exporting.precision.sensitivity import GOOD, Search
from tlzoo.models.onnx_export import OPSET, export_graph
from tlzoo.preprocess import make_preprocessor
from tlzoo.runtime.session import open_session, run_session

Arrays = list[dict[str, np.ndarray]]
Given = tuple[ModelProto, Arrays]


def graph_of(run: Any, folder: Path) -> ModelProto:
    """What the core exports of a run."""
    path = folder / "model.onnx"
    export_graph(run.model().eval(), path, OPSET)
    return onnx.load(path)


def plain_session(proto: ModelProto) -> ort.InferenceSession:
    """A session that computes the graph as it is written."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def batches(run: Any, inputs: list[Any]) -> Arrays:
    """Preprocessed batches of 12."""
    prepare = make_preprocessor(run.preprocess)
    return [prepare(inputs[start : start + 12]) for start in range(0, len(inputs), 12)]


@pytest.fixture(scope="module")
def pictured(picture_run: Any, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Given:
    """A ResNet and pictures."""
    return graph_of(picture_run, tmp_path_factory.mktemp("resnet")), batches(
        picture_run, sorted(pictures.rglob("*.png"))
    )


@pytest.fixture(scope="module")
def written(text_run: Any, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Given:
    """A BERT and texts."""
    rows = [row["text"] for row in csv.DictReader(texts.open())]
    return graph_of(text_run, tmp_path_factory.mktemp("bert")), batches(text_run, rows[:36])


@pytest.fixture(scope="module")
def recorded(recording_run: Any, recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Given:
    """A wav2vec2 and recordings."""
    return graph_of(recording_run, tmp_path_factory.mktemp("wav2vec2")), batches(
        recording_run, sorted(recordings.rglob("*.wav"))[:24]
    )


@pytest.fixture(scope="module")
def patched(shared_zoo: Any, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Given:
    """A ViT and pictures."""
    with shared_zoo.open():
        run = finetune("vision/test-vit", pictures, out=tmp_path_factory.mktemp("run") / "vit", strategy="probe")
    return graph_of(run, tmp_path_factory.mktemp("vit")), batches(run, sorted(pictures.rglob("*.png")))


def error(given: Given, lowered: ModelProto) -> float:
    """Mean distance of the logits over their standard deviation."""
    proto, arrays = given
    expected, actual = (
        np.concatenate([run_session(session, batch)[0] for batch in arrays])
        for session in (open_session(p.SerializeToString()) for p in (proto, lowered))
    )
    return float(np.abs(expected - actual).mean() / expected.std())


def kinds(proto: ModelProto) -> set[str]:
    """The operators of a graph."""
    return {node.op_type for node in proto.graph.node}


def stored(proto: ModelProto) -> int:
    """Bytes of a graph's constants."""
    return sum(value.nbytes for value in constants(proto.graph).values())


@pytest.mark.parametrize(
    ("network", "operator"),
    [
        ("pictured", "QuantizeLinear"),
        ("written", "MatMulInteger"),
        pytest.param("patched", "MatMulInteger", marks=pytest.mark.release),
        # this small one has more weights in convolutions
        pytest.param("recorded", "DequantizeLinear", marks=pytest.mark.release),
    ],
)
def test_int8_of_every_kind_of_network_gives_about_its_logits(
    network: str, operator: str, request: pytest.FixtureRequest
) -> None:
    given: Given = request.getfixturevalue(network)
    before = given[0].SerializeToString()
    lowered = reduce_precision(given[0], "int8", "any", given[1])
    assert operator in kinds(lowered.proto)
    assert error(given, lowered.proto) < 0.15
    assert lowered.proto.ByteSize() < len(before)
    assert before == given[0].SerializeToString()


@pytest.mark.parametrize("network", ["pictured", "patched", "written", "recorded"])
def test_fp16_stores_half_and_gives_the_logits(network: str, request: pytest.FixtureRequest) -> None:
    given: Given = request.getfixturevalue(network)
    lowered = reduce_precision(given[0], "fp16", "any", given[1])
    assert lowered.kept == ()
    assert error(given, lowered.proto) < 0.01
    assert stored(lowered.proto) < 0.6 * stored(given[0])


def test_an_int8_network_takes_pictures_as_bytes_and_its_inputs_and_outputs_stay(pictured: Given) -> None:
    proto, lowered = pictured[0], reduce_precision(pictured[0], "int8", "image", pictured[1]).proto
    assert "Div" in kinds(proto)
    assert "Div" not in kinds(lowered)
    assert list(proto.graph.input) == list(lowered.graph.input)
    assert list(proto.graph.output) == list(lowered.graph.output)


def test_onnx_runtime_does_not_quantise_what_was_left_in_float32(pictured: Given) -> None:
    proto, arrays = pictured
    places = static.quantizable_nodes(proto.graph)
    names = sorted({name for place in places for name in (*place.inputs, place.output) if name})
    ranges = {name: minmax(look) for name, look in collect_stats(proto, names, arrays).items()}
    kept = [place for place in places if place.node.op_type == "Conv"][2]
    model = static.insert_qdq(proto, [p for p in places if p is not kept], ranges, {}).SerializeToString()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    plain = run_session(ort.InferenceSession(model, options), arrays[0])[0]
    optimised = run_session(open_session(model), arrays[0])[0]
    weights = next(node.input[1] for node in onnx.load_from_string(model).graph.node if node.name == kept.name)
    assert constants(onnx.load_from_string(model).graph)[weights].dtype == np.float32
    assert float(np.abs(plain - optimised).max()) < 0.05 * float(plain.std())


def test_nodes_are_given_back_until_the_error_is_small_and_no_more_than_that(written: Given) -> None:
    def products(model: ModelProto) -> int:
        return sum(node.op_type == "MatMulInteger" for node in model.graph.node)

    plans = _dynamic(written[0])
    [(names, build)] = plans.values()
    allowed = products(build(frozenset())) - 2
    model, kept = Search(lambda model, count: GOOD * products(model) / allowed).best(plans)
    assert set(kept) < set(names)
    assert products(model) == allowed


@pytest.mark.parametrize(("limit", "measured"), [(0, 2), (10**12, None)])
def test_as_many_nodes_are_measured_alone_on_a_busy_machine_as_on_an_idle_one(
    written: Given, monkeypatch: pytest.MonkeyPatch, limit: int, measured: int | None
) -> None:
    monkeypatch.setattr(sensitivity, "FEWEST", 2)
    monkeypatch.setattr(sensitivity, "MEASURED_BYTES", limit)
    counts: list[int] = []

    def error(model: ModelProto, count: int) -> float:
        counts.append(count)
        return 2 * GOOD

    plans = _dynamic(written[0])
    Search(error).best(plans)
    [(names, _)] = plans.values()
    assert counts.count(sensitivity.FEW) == (measured or len(names))


def small(nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], width: int, wide: int) -> ModelProto:
    """A graph of `x` float32 [N, width] to `logits` [N, wide]."""
    floats = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "small",
        [onnx.helper.make_tensor_value_info("x", floats, ["batch", width])],
        [onnx.helper.make_tensor_value_info("logits", floats, ["batch", wide])],
        [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)


def two_products(first: np.ndarray, second: np.ndarray) -> ModelProto:
    """x @ first, Relu, @ second."""
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "first"], ["a"], name="one"),
        onnx.helper.make_node("Relu", ["a"], ["b"], name="relu"),
        onnx.helper.make_node("MatMul", ["b", "second"], ["logits"], name="two"),
    ]
    return small(nodes, {"first": first, "second": second}, *first.shape[:1], second.shape[1])


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_node_that_int8_ruins_is_the_one_that_stays_in_float32(random: np.random.Generator) -> None:
    first = random.standard_normal((64, 64)).astype(np.float32)
    first[0] *= 3e4  # one input is minute and its weights are great: with one step for all, the others vanish
    proto = two_products(first, random.standard_normal((64, 5)).astype(np.float32))
    x = random.standard_normal((32, 64)).astype(np.float32)
    x[:, 0] *= 1e-4
    lowered = reduce_precision(proto, "int8", "text", [{"x": x}])
    assert lowered.kept == ("one",)
    assert error((proto, [{"x": x}]), lowered.proto) < 0.06


def test_a_weight_too_great_for_float16_stays_in_float32(
    random: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fp16, "GAIN", 1e9)  # computing in float16 is never so much faster
    first = random.standard_normal((64, 64)).astype(np.float32)
    first[3, 3] = 1e6
    proto = two_products(first, random.standard_normal((64, 64)).astype(np.float32))
    x = random.standard_normal((8, 64)).astype(np.float32)
    lowered = reduce_precision(proto, "fp16", "text", [{"x": x}])
    assert lowered.kept == ("first",)
    assert error((proto, [{"x": x}]), lowered.proto) < 0.01
    assert constants(lowered.proto.graph)["second/half"].dtype == np.float16


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_model_without_weights_cannot_be_lowered(precision: str) -> None:
    proto = small([onnx.helper.make_node("Relu", ["x"], ["logits"])], {}, 4, 4)
    with pytest.raises(ExportError) as caught:
        reduce_precision(proto, precision, "image", [{"x": np.ones((2, 4), np.float32)}])
    assert "`precision='fp32'`" in caught.value.hint


def test_a_precision_that_there_is_not_is_refused(written: Given) -> None:
    with pytest.raises(UsageError):
        reduce_precision(written[0], "int4", "text", written[1])


def test_int8_without_samples_is_refused(written: Given) -> None:
    with pytest.raises(ExportError, match="samples"):
        reduce_precision(written[0], "int8", "text", [])


def test_the_fastest_comes_first(random: np.random.Generator) -> None:
    def square(width: int) -> ModelProto:
        return two_products(*(random.standard_normal(s).astype(np.float32) for s in ((64, width), (width, 4))))

    seconds = rank_by_speed(
        {"wide": square(8192), "narrow": square(64)}, {"x": np.ones((3, 64), np.float32)}, seconds=0.05
    )
    assert list(seconds) == ["narrow", "wide"]
    assert all(value > 0 for value in seconds.values())


def test_percentiles_leave_out_the_same_share_at_either_end() -> None:
    values = np.concatenate([np.linspace(-1, 1, 99_998), [-1000, 1000]]).astype(np.float32)
    low, high = percentile(ActivationStats(-1000, 1000, values, np.zeros(1)))
    assert (low, high) == pytest.approx((-1, 1), abs=1e-3)


def test_what_rounding_moves_the_mean_by_is_taken_off_the_bias(random: np.random.Generator) -> None:
    weight = random.standard_normal((64, 8)).astype(np.float32)
    node = onnx.helper.make_node("Gemm", ["x", "weight", "bias"], ["logits"], name="one")
    proto = small([node], {"weight": weight, "bias": random.standard_normal(8).astype(np.float32)}, 64, 8)
    x = (random.standard_normal((256, 64)) + 20 * random.random(64)).astype(np.float32)
    places = static.quantizable_nodes(proto.graph)
    seen = collect_stats(
        proto, sorted({name for place in places for name in (*place.inputs, place.output) if name}), [{"x": x}]
    )
    ranges, means = (
        {name: minmax(look) for name, look in seen.items()},
        {name: look.mean for name, look in seen.items()},
    )

    def moved(given: dict[str, np.ndarray]) -> float:
        models = proto, static.insert_qdq(proto, places, ranges, given)
        exact, found = (run_session(plain_session(m), {"x": x})[0] for m in models)
        return float(np.abs((found - exact).mean(axis=0)).mean())

    assert moved(means) < 0.5 * moved({})


def test_weights_that_two_nodes_share_are_each_quantised_as_its_node_takes_them(random: np.random.Generator) -> None:
    table, square = (random.standard_normal(shape).astype(np.float32) for shape in ((1100, 64), (64, 64)))
    make = onnx.helper.make_node
    nodes = [
        make("Gather", ["table", "ids"], ["words"], name="words"),
        make("Gemm", ["words", "square"], ["a"], name="a", transB=1),
        make("Gemm", ["a", "square"], ["b"], name="b", transB=1),
        make("Gemm", ["b", "table"], ["logits"], name="c", transB=1),
    ]
    proto = small(nodes, {"table": table, "square": square}, 1, 1100)
    given = onnx.helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, ["batch"])
    proto.graph.input[0].CopyFrom(given)
    arrays = [{"ids": random.integers(0, 1100, 128)}]
    plans = _dynamic(proto)
    [(names, build)] = plans.values()
    assert names == ["words", "a", "b", "c"]
    assert error((proto, arrays), build(frozenset())) < 0.05


def test_a_branch_that_takes_a_weight_of_the_graph_keeps_it(random: np.random.Generator) -> None:
    weight = random.standard_normal((64, 64)).astype(np.float32)
    make, floats = onnx.helper.make_node, onnx.TensorProto.FLOAT
    shown = [onnx.helper.make_tensor_value_info("shown", floats, None)]
    branches = [
        onnx.helper.make_graph([make("Gemm", ["a", "weight"], ["shown"], transB=1)], "then", [], shown),
        onnx.helper.make_graph([make("MatMul", ["a", "weight"], ["shown"])], "else", [], shown),
    ]
    nodes = [
        make("Gemm", ["x", "weight"], ["a"], name="a", transB=1),
        make("If", ["yes"], ["logits"], then_branch=branches[0], else_branch=branches[1]),
    ]
    arrays = [{"x": random.standard_normal((128, 64)).astype(np.float32)}]
    for yes in (True, False):
        proto = small(nodes, {"weight": weight, "yes": np.array(yes)}, 64, 64)
        [(_, build)] = _dynamic(proto).values()
        assert error((proto, arrays), build(frozenset())) < 0.05


@pytest.mark.parametrize(("given", "kept"), [(None, ("logits",)), (("logits", "embeddings"), ("logits", "embeddings"))])
def test_the_outputs_that_are_named_must_stay_and_else_the_first(
    given: tuple[str, ...] | None, kept: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["" : 20]>
        net (float[n, 4] x) => (float[n, 4] logits, float[n, 4] embeddings) { logits = Relu(x) embeddings = Abs(x) }""")
    asked: list[Any] = []
    monkeypatch.setattr(reduce, "fp16", lambda _proto, _few, names: asked.append(names) or (proto, ()))
    reduce_precision(proto, "fp16", "image", [{"x": np.zeros((1, 4), np.float32)}], given)
    assert asked == [kept]
