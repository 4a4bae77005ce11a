"""For each rule of the proof a defect that no other rule can see, planted in the graph: the export is refused by it.

A defect is a number that is added to an output under a condition on the inputs. In fp32 it is in the graph that is
exported; in a lower precision in what is made of that, since fp32 is proven first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto, helper, numpy_helper

from tlzoo.errors import ParityError
from tlzoo.exporting import embeddings
from tlzoo.exporting import graph as written
from tlzoo.exporting import precision as reducing
from tlzoo.models import onnx_export as core
from tlzoo.options import Thresholds

Condition = Callable[[onnx.ModelProto], Sequence[NodeProto]]
"""Nodes that give the scalar float `wrong`: 1 where the defect shows, 0 elsewhere."""
Export = Callable[..., Any]
PRECISIONS = ("fp32", "fp16", "int8")
LOWER = PRECISIONS[1:]
SIZES = (2, *(pytest.param(size, marks=pytest.mark.release) for size in (1, 3, 7)))
"""Of batches."""


def constant(name: str, value: Any) -> NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value), name))


def as_float(given: str) -> NodeProto:
    return helper.make_node("Cast", [given], ["wrong"], to=onnx.TensorProto.FLOAT)


def always(proto: onnx.ModelProto) -> Sequence[NodeProto]:
    """For every input."""
    return [constant("wrong", np.float32(1))]


def size_is(axis: int, operator: str, size: int) -> Condition:
    """Where this axis of the first input is equal to, greater than, ... this size."""

    def nodes(proto: onnx.ModelProto) -> Sequence[NodeProto]:
        return [
            helper.make_node("Shape", [proto.graph.input[0].name], ["planted.sizes"], start=axis, end=axis + 1),
            helper.make_node("Squeeze", ["planted.sizes"], ["planted.count"]),
            constant("planted.size", np.int64(size)),
            helper.make_node(operator, ["planted.count", "planted.size"], ["planted.same"]),
            as_float("planted.same"),
        ]

    return nodes


def batch_of(size: int) -> Condition:
    """In batches of this size."""
    return size_is(0, "Equal", size)


def batch_above(size: int) -> Condition:
    """In batches that are larger than this."""
    return size_is(0, "Greater", size)


def length_from(tokens: int) -> Condition:
    """In batches of texts that are padded to at least so many tokens."""
    return size_is(1, "GreaterOrEqual", tokens)


def length_of(tokens: int) -> Condition:
    """In batches of texts that are padded to exactly so many tokens."""
    return size_is(1, "Equal", tokens)


def all_are(value: float) -> Condition:
    """Where each number of the input is this one."""

    def nodes(proto: onnx.ModelProto) -> Sequence[NodeProto]:
        return [
            helper.make_node("Cast", [proto.graph.input[0].name], ["planted.float"], to=onnx.TensorProto.FLOAT),
            helper.make_node("ReduceMax", ["planted.float"], ["planted.most"], keepdims=0),
            helper.make_node("ReduceMin", ["planted.float"], ["planted.least"], keepdims=0),
            constant("planted.value", np.float32(value)),
            helper.make_node("Equal", ["planted.most", "planted.value"], ["planted.all.most"]),
            helper.make_node("Equal", ["planted.least", "planted.value"], ["planted.all.least"]),
            helper.make_node("And", ["planted.all.most", "planted.all.least"], ["planted.same"]),
            as_float("planted.same"),
        ]

    return nodes


def short_beside_long(proto: onnx.ModelProto) -> Sequence[NodeProto]:
    """In a batch of two whose shorter text has half the tokens of the longer one or fewer."""
    return [
        *list(batch_of(2)(proto))[:-1],
        helper.make_node("Cast", ["attention_mask"], ["planted.mask"], to=onnx.TensorProto.FLOAT),
        constant("planted.axis", np.array([1])),
        helper.make_node("ReduceSum", ["planted.mask", "planted.axis"], ["planted.lengths"], keepdims=0),
        helper.make_node("ReduceMax", ["planted.lengths"], ["planted.long"], keepdims=0),
        helper.make_node("ReduceMin", ["planted.lengths"], ["planted.short"], keepdims=0),
        helper.make_node("Add", ["planted.short", "planted.short"], ["planted.twice"]),
        helper.make_node("LessOrEqual", ["planted.twice", "planted.long"], ["planted.uneven"]),
        helper.make_node("And", ["planted.same", "planted.uneven"], ["planted.both"]),
        as_float("planted.both"),
    ]


def add_to(proto: onnx.ModelProto, output: str, condition: Condition, amount: Any) -> None:
    """Add `amount` to an output where the condition holds; NaN and infinity too, and not as 0 times them."""
    for node in proto.graph.node:
        node.input[:] = ["planted.right" if name == output else name for name in node.input]
        node.output[:] = ["planted.right" if name == output else name for name in node.output]
    proto.graph.node.extend(
        [
            *condition(proto),
            constant("planted.half", np.float32(0.5)),
            helper.make_node("Greater", ["wrong", "planted.half"], ["planted.is"]),
            constant("planted.amount", np.asarray(amount, np.float32)),
            helper.make_node("Add", ["planted.right", "planted.amount"], ["planted.other"]),
            helper.make_node("Where", ["planted.is", "planted.other", "planted.right"], [output]),
        ]
    )


def replace_where(proto: onnx.ModelProto, output: str, condition: Condition, nodes: Sequence[NodeProto]) -> None:
    """Where the condition holds, let an output be the `planted.other` that the nodes make of `planted.right`."""
    for node in proto.graph.node:
        node.input[:] = ["planted.right" if name == output else name for name in node.input]
        node.output[:] = ["planted.right" if name == output else name for name in node.output]
    proto.graph.node.extend(
        [
            *condition(proto),
            *nodes,
            constant("planted.half", np.float32(0.5)),
            helper.make_node("Greater", ["wrong", "planted.half"], ["planted.is"]),
            helper.make_node("Where", ["planted.is", "planted.other", "planted.right"], [output]),
        ]
    )


ZEROS = [helper.make_node("Sub", ["planted.right", "planted.right"], ["planted.other"])]
REVERSED = [
    constant("planted.from", np.array([-1])),
    constant("planted.to", np.array([np.iinfo(np.int64).min])),
    constant("planted.rows.axis", np.array([0])),
    helper.make_node(
        "Slice",
        ["planted.right", "planted.from", "planted.to", "planted.rows.axis", "planted.from"],
        ["planted.other"],
    ),
]
"""The embeddings of the batch in the opposite order."""


@pytest.fixture
def refusal(zoo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Export:
    """The message of the error that an export ends with: `refusal(run, precision, change)`; nothing is written."""

    def export(run: Any, precision: str, change: Callable[[onnx.ModelProto], None], **how: Any) -> str:
        def export_graph(model: Any, path: Path, opset: int) -> Any:
            graph, proto = core.export_graph(model, path, opset), onnx.load(path)
            change(proto)
            onnx.save(proto, path)
            return graph

        honest = reducing.reduce_precision

        def reduced(*given: Any) -> Any:
            found = honest(*given)
            change(found.proto)
            return found

        if precision == "fp32":
            monkeypatch.setattr(written, "export_graph", export_graph)
        else:
            monkeypatch.setattr(reducing, "reduce_precision", reduced)
        with pytest.raises(ParityError) as error:
            run.export(tmp_path / "model.onnx", precision=precision, **how)
        assert [file.name for file in tmp_path.iterdir()] == ([] if precision == "fp32" else ["model.fp32.onnx"])
        return error.value.message

    return export


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("size", SIZES)
def test_an_error_of_one_batch_size(refusal: Export, text_run: Any, precision: str, size: int):
    said = refusal(text_run, precision, lambda proto: add_to(proto, "logits", batch_of(size), [40.0, -40.0]))
    assert "differs most on" in said


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_error_of_batches_of_32(refusal: Export, text_run: Any, texts: Path, precision: str):
    defect = [40.0, -40.0]
    said = refusal(text_run, precision, lambda proto: add_to(proto, "logits", batch_of(32), defect), data=texts)
    assert "differs most on" in said


def test_an_error_for_a_short_text_beside_a_longer_one(refusal: Export, text_run: Any):
    said = refusal(text_run, "fp32", lambda proto: add_to(proto, "logits", short_beside_long, [0.5, -0.5]))
    assert said.startswith("For a short text beside a longer one")


@pytest.mark.parametrize("precision", LOWER)
def test_a_great_error_for_a_short_text_beside_a_longer_one(refusal: Export, text_run: Any, precision: str):
    said = refusal(text_run, precision, lambda proto: add_to(proto, "logits", short_beside_long, [90.0, -90.0]))
    assert "For a short text beside a longer one" in said


@pytest.mark.parametrize(
    ("run", "precision", "size"),
    [
        *[("text_run", "fp32", size) for size in (1, 2, 3, 7)],
        *[("text_run", precision, 2) for precision in LOWER],
        *[("picture_run", "fp32", size) for size in (1, 7)],
    ],
)
@pytest.mark.parametrize("wrong", ["nan", "zeros"])
def test_embeddings_that_are_wrong_at_one_batch_size(
    refusal: Export, request: pytest.FixtureRequest, precision: str, run: str, size: int, wrong: str
):
    def change(proto: onnx.ModelProto) -> None:
        if wrong == "nan":
            add_to(proto, "embeddings", batch_of(size), np.nan)
        else:
            replace_where(proto, "embeddings", batch_of(size), ZEROS)

    said = refusal(request.getfixturevalue(run), precision, change)
    assert "embeddings" in said
    assert f"in batches of {size}" in said or (wrong == "nan" and "has NaN or infinity" in said)


@pytest.mark.parametrize(("run", "precision"), [("picture_run", "fp32"), *[("text_run", each) for each in PRECISIONS]])
def test_embeddings_in_the_wrong_order_in_batches_of_two(
    refusal: Export, request: pytest.FixtureRequest, precision: str, run: str
):
    chosen = request.getfixturevalue(run)
    said = refusal(chosen, precision, lambda proto: replace_where(proto, "embeddings", batch_of(2), REVERSED))
    assert "embeddings" in said
    assert "in batches of 2" in said


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize(("length", "where"), [(length_of(2), "at a length of 2"), (length_from(20), "")])
def test_embeddings_of_zeros_at_some_lengths(
    refusal: Export, text_run: Any, precision: str, length: Condition, where: str
):
    said = refusal(text_run, precision, lambda proto: replace_where(proto, "embeddings", length, ZEROS))
    assert "embeddings" in said
    assert where in said


@pytest.mark.parametrize("size", SIZES)
def test_probabilities_that_are_wrong_at_one_batch_size(refusal: Export, text_run: Any, size: int):
    said = refusal(text_run, "fp16", lambda proto: add_to(proto, "probabilities", batch_of(size), [0.01, -0.01]))
    assert "The output 'probabilities'" in said
    assert f"in batches of {size}" in said


def test_probabilities_that_are_wrong_at_one_length(refusal: Export, text_run: Any):
    said = refusal(text_run, "fp16", lambda proto: add_to(proto, "probabilities", length_of(2), [0.01, -0.01]))
    assert "The output 'probabilities'" in said
    assert "at a length of 2" in said


@pytest.mark.parametrize(("run", "precision"), [("picture_run", "fp32"), ("text_run", "fp32"), ("text_run", "int8")])
@pytest.mark.parametrize("output", ["logits", "embeddings"])
def test_an_error_of_batches_above_the_default_size(
    refusal: Export, request: pytest.FixtureRequest, precision: str, run: str, output: str
):
    """Though there are fewer held-out samples than such a batch takes."""
    chosen = request.getfixturevalue(run)
    said = refusal(chosen, precision, lambda proto: add_to(proto, output, batch_above(32), np.nan))
    assert "differs most on" in said if output == "logits" else "in batches of 33" in said


def test_an_error_in_the_last_row_of_a_large_batch(refusal: Export, picture_run: Any):
    """Though the sample there is right in the rows before."""
    wrong = np.zeros((33, 1), np.float32)
    wrong[-1] = 9

    def change(proto: onnx.ModelProto) -> None:
        last = [
            constant("planted.wrong.rows", wrong),
            helper.make_node("Shape", ["planted.right"], ["planted.shape"], start=0, end=1),
            constant("planted.zero", np.array([0])),
            helper.make_node("Slice", ["planted.wrong.rows", "planted.zero", "planted.shape"], ["planted.some"]),
            helper.make_node("Add", ["planted.right", "planted.some"], ["planted.other"]),
        ]
        replace_where(proto, "logits", batch_of(33), last)

    assert "differs most on" in refusal(picture_run, "fp32", change)


EXTREMES = [
    ("picture_run", 0.0, "On a black picture"),
    ("picture_run", 128.0, "On a grey picture"),
    ("picture_run", 255.0, "On a white picture"),
    ("recording_run", 0.0, "On silence"),
    ("recording_run", 1.0, "On a constant recording"),
]


@pytest.mark.parametrize("precision", ["fp32", pytest.param("fp16", marks=pytest.mark.release)])
@pytest.mark.parametrize(("run", "value", "where"), EXTREMES)
def test_embeddings_that_are_off_on_an_extreme_input(
    refusal: Export, request: pytest.FixtureRequest, run: str, value: float, where: str, precision: str
):
    chosen = request.getfixturevalue(run)
    said = refusal(chosen, precision, lambda proto: add_to(proto, "embeddings", all_are(value), 9.0))
    assert "embeddings" in said
    assert where.lower() in said


@pytest.mark.parametrize(("run", "value", "where"), EXTREMES)
def test_an_error_on_an_extreme_input(
    refusal: Export, request: pytest.FixtureRequest, run: str, value: float, where: str
):
    chosen = request.getfixturevalue(run)
    assert refusal(chosen, "fp32", lambda proto: add_to(proto, "logits", all_are(value), 1.0)).startswith(where)


@pytest.mark.parametrize(
    "precision",
    ["fp32", pytest.param("fp16", marks=pytest.mark.release), pytest.param("int8", marks=pytest.mark.release)],
)
@pytest.mark.parametrize("output", ["logits", "embeddings"])
@pytest.mark.parametrize(("run", "value", "where"), EXTREMES)
def test_no_number_on_an_extreme_input_in_any_output_by_its_name(
    refusal: Export,
    request: pytest.FixtureRequest,
    run: str,
    value: float,
    where: str,
    output: str,
    precision: str,
):
    chosen = request.getfixturevalue(run)
    said = refusal(chosen, precision, lambda proto: add_to(proto, output, all_are(value), np.nan))
    assert f"{where} output {output!r}" in said
    assert "has NaN or infinity" in said


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("output", "said"), [("logits", "by up to inf"), ("probabilities", "'probabilities'"), ("embeddings", "embeddings")]
)
def test_no_number_on_held_out_samples(
    refusal: Export, text_run: Any, precision: str, output: str, said: str, monkeypatch: pytest.MonkeyPatch
):
    if output == "probabilities" and precision == "fp32":
        plant_in_probabilities(monkeypatch, np.inf)
        change: Callable[[onnx.ModelProto], None] = lambda proto: None  # noqa: E731
    else:
        change = lambda proto: add_to(proto, output, batch_of(16), np.inf)  # noqa: E731
    assert said in refusal(text_run, precision, change)


def plant_in_probabilities(monkeypatch: pytest.MonkeyPatch, amount: float) -> None:
    """Put the defect behind what makes probabilities of logits, which is no part of the graph that is exported."""
    from tlzoo.exporting import variants

    honest = variants.add_derived

    def derived(proto: onnx.ModelProto, *given: Any) -> None:
        honest(proto, *given)
        add_to(proto, "probabilities", always, amount)

    monkeypatch.setattr(variants, "add_derived", derived)


@pytest.mark.parametrize("precision", LOWER)
def test_probabilities_that_are_wrong_in_a_lower_precision_alone(refusal: Export, text_run: Any, precision: str):
    said = refusal(text_run, precision, lambda proto: add_to(proto, "probabilities", always, [0.01, -0.01]))
    assert "The output 'probabilities'" in said


def figures(said: str) -> tuple[float, float, float, float]:
    """What a refusal says: the outputs' difference and what is allowed, the share of equal answers, the drop."""
    found = re.search(r"by up to (\S+) \((\S+) allowed\), answers agree on (\S+)% .* drops by (\S+) points", said)
    assert found is not None, said
    off, allowed, agree, drop = map(float, found.groups())
    return off, allowed, agree / 100, drop


def harmful_shift(run: Any) -> list[float]:
    """What added to the first logit changes the answers of few held-out samples, and makes the metric worse."""
    from tlzoo.training.evaluation import outputs

    data = run.dataset(run.splits().test)
    logits = np.asarray(outputs(run.model(), data)["logits"])
    margins = logits[:, 0] - logits[:, 1]
    right = np.array([run.task.labels.index(target) for target in data.sample_targets])
    before = (margins < 0).astype(int)
    for margin in sorted(margins, key=abs):
        after = (margins - 1.01 * margin < 0).astype(int)
        worse = (after == right).mean() < (before == right).mean()
        if 0.5 <= (after == before).mean() < 1 and worse:
            return [float(-1.01 * margin), 0.0]
    raise AssertionError("no shift changes few answers")


@pytest.mark.parametrize("precision", LOWER)
def test_answers_that_change_within_the_tolerance_of_the_outputs(refusal: Export, text_run: Any, precision: str):
    limits = Thresholds(difference=2.0, agreement=1.0, drop=10)
    defect = harmful_shift(text_run)
    said = refusal(text_run, precision, lambda proto: add_to(proto, "logits", always, defect), thresholds=limits)
    off, allowed, agree, drop = figures(said)
    assert (off <= allowed, agree < 1, drop <= limits.drop) == (True, True, True)


@pytest.mark.parametrize("precision", LOWER)
def test_a_metric_that_drops_though_outputs_and_answers_are_within_their_limits(
    refusal: Export, text_run: Any, precision: str
):
    limits = Thresholds(difference=2.0, agreement=0.5, drop=0.0)
    defect = harmful_shift(text_run)
    said = refusal(text_run, precision, lambda proto: add_to(proto, "logits", always, defect), thresholds=limits)
    off, allowed, agree, drop = figures(said)
    assert (off <= allowed, agree >= limits.agreement, drop > 0) == (True, True, True)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_outputs_that_are_off_though_answers_and_metric_stay(refusal: Export, text_run: Any, precision: str):
    """Of one label a constant added to all logits changes no answer and no probability."""
    said = refusal(text_run, precision, lambda proto: add_to(proto, "logits", always, 500.0))
    off, allowed, agree, drop = figures(said)
    assert (off > allowed, agree, drop) == (True, 1.0, 0.0)


def mix(proto: onnx.ModelProto) -> None:
    """Every sample gets the mean of its batch: a direction near to its own, and nobody's neighbour."""
    replace_embeddings(
        proto,
        [
            constant("planted.axes", np.array([0])),
            helper.make_node("ReduceMean", ["planted.right", "planted.axes"], ["planted.mean"], keepdims=1),
            helper.make_node("Shape", ["planted.right"], ["planted.shape"]),
            helper.make_node("Expand", ["planted.mean", "planted.shape"], ["embeddings"]),
        ],
    )


def turn(proto: onnx.ModelProto) -> None:
    """Every sample gets the opposite of its direction."""
    replace_embeddings(proto, [helper.make_node("Neg", ["planted.right"], ["embeddings"])])


def replace_embeddings(proto: onnx.ModelProto, nodes: Sequence[NodeProto]) -> None:
    """Let the nodes make the embeddings of `planted.right`, which is what they were."""
    for node in proto.graph.node:
        node.input[:] = ["planted.right" if name == "embeddings" else name for name in node.input]
        node.output[:] = ["planted.right" if name == "embeddings" else name for name in node.output]
    proto.graph.node.extend(nodes)


@pytest.mark.parametrize("precision", LOWER)
def test_embeddings_whose_neighbours_are_others(
    refusal: Export, text_run: Any, monkeypatch: pytest.MonkeyPatch, precision: str
):
    monkeypatch.setattr(embeddings, "LEAST_COSINE", dict.fromkeys(PRECISIONS, -1.0))  # the other rule sees nothing
    assert "are nearest to their own" in refusal(text_run, precision, mix)


@pytest.mark.parametrize("precision", LOWER)
def test_embeddings_that_point_elsewhere(
    refusal: Export, text_run: Any, monkeypatch: pytest.MonkeyPatch, precision: str
):
    monkeypatch.setattr(embeddings, "NEIGHBOURS", 0.0)
    assert "point elsewhere" in refusal(text_run, precision, turn)


def test_embeddings_that_are_off_by_little_in_fp32(refusal: Export, text_run: Any):
    said = refusal(text_run, "fp32", lambda proto: add_to(proto, "embeddings", batch_of(16), 0.05))
    assert "The output 'embeddings'" in said or "differs most on" in said
