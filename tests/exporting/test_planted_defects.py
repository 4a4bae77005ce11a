"""What goes wrong between a trained model and its file, put there on purpose: the proof finds each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from shared_fixtures import sealed

import tlzoo
from tlzoo.artifact.manifest import ProofLimits
from tlzoo.errors import ExportError, ParityError
from tlzoo.exporting import graph as written
from tlzoo.exporting import precision as reducing
from tlzoo.exporting import variants
from tlzoo.models import onnx_export as core
from tlzoo.options import Thresholds

Change = Callable[[onnx.ModelProto], None]


def perturb_head(proto: onnx.ModelProto) -> None:
    """Weights of the head that are not the trained ones, by a thousandth."""
    weight = initializer(proto, "head.weight")
    noise = np.random.default_rng(0).normal(0, 1e-3, weight.shape)
    replace(proto, "head.weight", (weight * (1 + noise)).astype(np.float32))


def wrong_mean(proto: onnx.ModelProto) -> None:
    """The mean of another network."""
    replace(proto, "backbone.mean", np.float32([0.485, 0.456, 0.406]))


def swap_channels(proto: onnx.ModelProto) -> None:
    """Blue, green, red instead of red, green, blue."""
    order = numpy_helper.from_array(np.array([2, 1, 0]), "order")
    proto.graph.initializer.append(order)
    for node in proto.graph.node:
        node.input[:] = ["swapped" if name == "image" else name for name in node.input]
    proto.graph.node.insert(0, helper.make_node("Gather", ["image", "order"], ["swapped"], axis=3))


def other_length(proto: onnx.ModelProto) -> None:
    """Positions that are right for short texts alone."""
    [name] = [t.name for t in proto.graph.initializer if "position_embeddings" in t.name and len(t.dims) == 2]
    positions = initializer(proto, name)
    positions[20:] += np.random.default_rng(0).normal(0, 0.1, positions[20:].shape).astype(np.float32)
    replace(proto, name, positions)


def initializer(proto: onnx.ModelProto, name: str) -> np.ndarray:
    [tensor] = [tensor for tensor in proto.graph.initializer if tensor.name == name]
    return numpy_helper.to_array(tensor).copy()


def replace(proto: onnx.ModelProto, name: str, value: np.ndarray) -> None:
    [tensor] = [tensor for tensor in proto.graph.initializer if tensor.name == name]
    tensor.CopyFrom(numpy_helper.from_array(value, name))


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], None]:
    """Puts a defect into every graph that is exported from now on."""

    def plant(change: Change) -> None:
        def export_graph(model: Any, path: Path, opset: int) -> Any:
            graph = core.export_graph(model, path, opset)
            proto = onnx.load(path)
            change(proto)
            onnx.checker.check_model(proto)
            onnx.save(proto, path)
            return graph

        monkeypatch.setattr(written, "export_graph", export_graph)

    return plant


DEFECTS = [
    ("picture_run", perturb_head),
    ("text_run", perturb_head),
    ("recording_run", perturb_head),
    ("picture_run", wrong_mean),
    ("picture_run", swap_channels),
]


@pytest.mark.parametrize(("run", "change"), DEFECTS, ids=[f"{run}-{change.__name__}" for run, change in DEFECTS])
def test_a_graph_that_is_not_the_trained_model_is_refused(
    zoo: Any, plant: Any, tmp_path: Path, request: pytest.FixtureRequest, run: str, change: Change
):
    plant(change)
    with pytest.raises(ParityError, match="differs most on"):
        request.getfixturevalue(run).export(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_defect_that_only_long_texts_show_is_found_though_no_held_out_text_is_long(
    zoo: Any, text_run: Any, plant: Any, tmp_path: Path
):
    plant(other_length)
    with pytest.raises(ParityError, match="At a length of 32"):
        text_run.export(tmp_path / "model.onnx")


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_lower_precision_does_not_hide_a_defect(
    zoo: Any, picture_run: Any, plant: Any, tmp_path: Path, precision: str
):
    plant(perturb_head)
    with pytest.raises(ParityError, match="differs most on"):
        picture_run.export(tmp_path / "model.onnx", precision=precision)
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_with_another_vocabulary_is_refused(
    zoo: Any, text_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    honest = variants.make_manifest

    def describe(*given: Any, **facts: Any) -> Any:
        manifest = honest(*given, **facts)
        tokenizer = json.loads(manifest.preprocess.tokenizer)
        words = tokenizer["model"]["vocab"]
        words["great"], words["awful"] = words["awful"], words["great"]
        words["best"], words["worst"] = words["worst"], words["best"]
        return manifest.model_copy(
            update={"preprocess": manifest.preprocess.model_copy(update={"tokenizer": json.dumps(tokenizer)})}
        )

    monkeypatch.setattr(variants, "make_manifest", describe)
    with pytest.raises(ParityError, match="differs most on"):
        text_run.export(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_probabilities_that_are_not_those_of_the_logits_are_found(
    zoo: Any, picture_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    honest = variants.add_derived
    monkeypatch.setattr(variants, "add_derived", lambda proto, derived, t: honest(proto, derived, 2 * t))
    with pytest.raises(ParityError, match="probabilities"):
        picture_run.export(tmp_path / "model.onnx")


def test_embeddings_that_are_not_the_heads_input_are_found(zoo: Any, picture_run: Any, plant: Any, tmp_path: Path):
    def double(proto: onnx.ModelProto) -> None:
        for node in proto.graph.node:
            node.input[:] = ["features" if name == "embeddings" else name for name in node.input]
            node.output[:] = ["features" if name == "embeddings" else name for name in node.output]
        proto.graph.node.append(helper.make_node("Add", ["features", "features"], ["embeddings"]))

    plant(double)
    with pytest.raises(ParityError, match="embeddings"):
        picture_run.export(tmp_path / "model.onnx")


def test_a_file_that_was_changed_after_its_proof_is_found_wherever_it_is_verified(
    zoo: Any, picture_file: Any, pictures: Path, tmp_path: Path
):
    proto = onnx.load(picture_file.path)
    swap_channels(proto)
    sealed.save(proto, tmp_path / "model.onnx")
    with pytest.raises(ParityError, match="fails its proof on this machine"):
        tlzoo.verify(tmp_path / "model.onnx", pictures)


def test_a_graph_that_the_runtime_would_not_load_is_no_export(zoo: Any, picture_run: Any, plant: Any, tmp_path: Path):
    def loop(proto: onnx.ModelProto) -> None:
        """A harmless loop whose number of steps the data tells."""
        boolean, number = onnx.TensorProto.BOOL, onnx.TensorProto.INT64
        body = helper.make_graph(
            [helper.make_node("Identity", ["on"], ["still"]), helper.make_node("Identity", ["at"], ["last"])],
            "body",
            [helper.make_tensor_value_info(name, kind, []) for name, kind in (("at", number), ("on", boolean))]
            + [helper.make_tensor_value_info("before", number, [])],
            [helper.make_tensor_value_info(name, kind, []) for name, kind in (("still", boolean), ("last", number))],
        )
        proto.graph.node.append(helper.make_node("Size", ["image"], ["steps"]))
        proto.graph.node.append(helper.make_node("Loop", ["steps", "", "steps"], ["counted"], body=body))

    plant(loop)
    with pytest.raises(ExportError, match="would be refused by the runtime"):
        picture_run.export(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_onnx_runtime_alone_takes_is_no_export(
    zoo: Any, picture_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def export_graph(model: Any, path: Path, opset: int) -> Any:
        graph, proto = core.export_graph(model, path, opset), onnx.load(path)
        proto.graph.node.append(proto.graph.node.pop(0))  # what the others take now comes after them
        onnx.save(proto, path)
        return graph

    monkeypatch.setattr(written, "export_graph", export_graph)
    with pytest.raises(ExportError, match="not valid ONNX"):
        picture_run.export(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_proof_of_raw_input_fits_no_picture_before_the_graph_does(
    zoo: Any, picture_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real = variants.add_resize_and_crop

    def black(proto: onnx.ModelProto, spec: Any) -> onnx.ModelProto:
        """Right for pictures that were fitted before; every other is black."""
        given = real(proto, spec)
        del given.graph.node[:], given.graph.initializer[:]
        given.graph.initializer.extend(proto.graph.initializer)
        constants = {"height": np.array(spec.size[0]), "first": np.array(1)}
        given.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
        given.graph.node.extend(
            [
                helper.make_node("Shape", ["image"], ["shape"]),
                helper.make_node("Gather", ["shape", "first"], ["high"]),
                helper.make_node("Equal", ["high", "height"], ["fits"]),
                helper.make_node("Cast", ["fits"], ["one"], to=onnx.TensorProto.UINT8),
                helper.make_node("Mul", ["image", "one"], ["seen"]),
                *proto.graph.node,
            ]
        )
        for node in given.graph.node[5:]:
            node.input[:] = ["seen" if name == "image" else name for name in node.input]
        return given

    monkeypatch.setattr(variants, "add_resize_and_crop", black)
    with pytest.raises(ParityError, match="With resizing in the graph"):
        picture_run.export(tmp_path / "model.onnx", raw_input=True)


def test_the_thresholds_that_were_asked_for_decide_on_a_file_in_fp32(zoo: Any, picture_run: Any, tmp_path: Path):
    with pytest.raises(ParityError, match="differs") as raised:
        picture_run.export(tmp_path / "model.onnx", thresholds=Thresholds(difference=1e-12, agreement=1, drop=0))
    assert "Relax the thresholds" in raised.value.hint
    lenient = Thresholds(difference=0.5, agreement=0.5, drop=1)
    kept = picture_run.export(tmp_path / "model.onnx", thresholds=lenient).parity.thresholds
    assert kept == ProofLimits(difference=0.5, agreement=0.5, drop=1)


def zero(given: str, made: str) -> list[onnx.NodeProto]:
    """No embedding at all."""
    return [helper.make_node("Sub", [given, given], [made])]


def negative(given: str, made: str) -> list[onnx.NodeProto]:
    """Embeddings that point away."""
    return [helper.make_node("Neg", [given], [made])]


def other_rows(given: str, made: str) -> list[onnx.NodeProto]:
    """Each sample gets the embedding of another of its batch."""
    names = {"last": -1, "before_first": -(2**31), "rows": 0, "backwards": -1}
    held = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array([value]), name))
        for name, value in names.items()
    ]
    return [*held, helper.make_node("Slice", [given, *names], [made])]


@pytest.mark.parametrize("precision", [pytest.param("fp16", marks=pytest.mark.release), "int8"])
@pytest.mark.parametrize("change", [zero, negative, other_rows])
def test_embeddings_that_only_a_lower_precision_gets_wrong_are_found(
    zoo: Any, picture_run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, precision: str, change: Any
):
    honest = reducing.reduce_precision

    def reduced(*given: Any) -> Any:
        found = honest(*given)
        nodes = found.proto.graph.node
        for node in nodes:
            node.input[:] = ["features" if name == "embeddings" else name for name in node.input]
            node.output[:] = ["features" if name == "embeddings" else name for name in node.output]
        nodes.extend(change("features", "embeddings"))
        return found

    monkeypatch.setattr(reducing, "reduce_precision", reduced)
    with pytest.raises(ParityError, match="The embeddings of the exported file"):
        picture_run.export(tmp_path / "model.onnx", precision=precision)
    assert [path.name for path in tmp_path.iterdir()] == ["model.fp32.onnx"]
