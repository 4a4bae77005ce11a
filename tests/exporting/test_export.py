"""`Run.export`: one file that says what it is and where nothing of this machine stands, or no file at all."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import tlzoo
from tlzoo.artifact.manifest import KEY, VERSION
from tlzoo.errors import DataError, ExportError, ParityError
from tlzoo.exporting import graph as export_graph_of
from tlzoo.exporting.choices import can_be_replaced
from tlzoo.models import onnx_export as core

FILES = ("picture_file", "text_file", "recording_file")
FIRST = {
    "picture_file": [np.zeros((64, 64, 3), np.uint8)],
    "text_file": ["a fine film"],
    "recording_file": [np.zeros(4000, np.float32) + 0.1],
}
INPUTS = {
    "picture_file": {"image": (onnx.TensorProto.UINT8, ["batch", 64, 64, 3])},
    "text_file": {
        "input_ids": (onnx.TensorProto.INT64, ["batch", "length"]),
        "attention_mask": (onnx.TensorProto.INT64, ["batch", "length"]),
    },
    "recording_file": {"audio": (onnx.TensorProto.FLOAT, ["batch", 4000])},
}


@pytest.fixture(params=FILES)
def exported(request: pytest.FixtureRequest, zoo: Any) -> tuple[str, Any]:
    """The export of each modality, with the fixture's name."""
    return request.param, request.getfixturevalue(request.param)


def shape(value: onnx.ValueInfoProto) -> list[Any]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_the_file_is_proven_and_its_metrics_are_the_trained_models(exported: tuple[str, Any]):
    _, file = exported
    assert file.bytes == file.path.stat().st_size
    assert file.parity.top1_agreement == 1.0
    assert file.parity.max_abs_diff <= file.parity.tolerance
    assert file.metrics["exported"]["accuracy"] == file.metrics["reference"]["accuracy"]


def test_inputs_are_raw_named_and_dynamic_as_the_design_says(exported: tuple[str, Any]):
    name, file = exported
    proto = onnx.load(file.path)
    onnx.checker.check_model(proto)
    found = {given.name: (given.type.tensor_type.elem_type, shape(given)) for given in proto.graph.input}
    assert found == INPUTS[name]
    classes, width = len(file.load().labels), file.load().embeddings(FIRST[name]).shape[1]
    assert [(given.name, shape(given)) for given in proto.graph.output] == [
        ("logits", ["batch", classes]),
        ("embeddings", ["batch", width]),
        ("probabilities", ["batch", classes]),
    ]


def test_the_opset_is_the_one_that_was_asked_for(exported: tuple[str, Any]):
    _, file = exported
    proto = onnx.load(file.path)
    assert {used.version for used in proto.opset_import if not used.domain} == {core.OPSET}
    assert file.load().manifest.opset == core.OPSET


def test_the_manifest_is_json_in_the_metadata_and_holds_all_that_using_the_file_takes(exported: tuple[str, Any]):
    name, file = exported
    [text] = [prop.value for prop in onnx.load(file.path).metadata_props if prop.key == KEY]
    manifest = json.loads(text)
    assert manifest["labels"] == list(file.load().labels)
    assert manifest["parity"]["samples"] == file.parity.samples
    assert manifest["metrics"] == file.metrics
    assert manifest["checkpoint"]["license"] == "Apache-2.0"
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in manifest["checkpoint"]["sha256"].values())
    if name == "text_file":
        assert json.loads(manifest["preprocess"]["tokenizer"])["model"]["type"] == "WordLevel"


def test_the_manifest_describes_the_graph_and_the_task_in_it(exported: tuple[str, Any]):
    _, file = exported
    proto, predictor = onnx.load(file.path), file.load()
    manifest, signature = predictor.manifest, predictor.manifest.signature
    assert manifest.version == VERSION == 4
    assert (manifest.settings, manifest.plugin, manifest.distribution, manifest.operating_point) == ({}, "", "", None)
    for described, values in ((signature.inputs, proto.graph.input), (signature.outputs, proto.graph.output)):
        assert [(each.name, list(each.axes)) for each in described] == [(each.name, shape(each)) for each in values]
        kinds = [onnx.helper.tensor_dtype_to_np_dtype(each.type.tensor_type.elem_type).name for each in values]
        assert [each.dtype for each in described] == kinds
    assert signature.task_inputs == (("text",) if predictor.task.modality == "text" else ("path",))
    [logits] = signature.task_outputs
    assert (logits.name, logits.axes, logits.dtype) == ("logits", ("batch", len(manifest.labels)), "float32")
    assert signature.form == "once"


def test_nothing_of_the_machine_it_was_made_on_is_in_the_file(exported: tuple[str, Any], shared_zoo: Any):
    proto = onnx.load(exported[1].path)
    for tensor in proto.graph.initializer:
        tensor.raw_data = b""  # random numbers may read like anything
    content = proto.SerializeToString()
    places = [shared_zoo.folder, Path(tlzoo.__file__).parent, Path.home(), Path.cwd(), tempfile.gettempdir()]
    assert [place for place in map(str, places) if place != "/" and place.encode() in content] == []
    assert re.findall(rb"site-packages|stack_trace|\.py\b", content) == []


def test_what_an_adapted_run_remembers_of_places_stays_out_of_the_file_too(
    zoo: Any, text_run: Any, texts: Path, tmp_path: Path
):
    file = tlzoo.adapt(text_run, texts, out=tmp_path / "adapted").export(tmp_path / "adapted.onnx")
    adapted = file.load().manifest.adapted
    assert adapted is not None
    assert adapted["method"] == "coral"
    assert str(zoo.folder).encode() not in file.path.read_bytes()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 32])
def test_batches_of_any_size_give_the_same(exported: tuple[str, Any], size: int, request: pytest.FixtureRequest):
    name, file = exported
    run = request.getfixturevalue(name.replace("file", "run"))
    inputs = run.splits().test.inputs
    predictor = file.load()
    expected = np.concatenate([predictor.logits([given]) for given in inputs])
    np.testing.assert_allclose(predictor.logits(inputs, batch=size), expected, atol=file.parity.tolerance)


def planted(change: Callable[[onnx.ModelProto], None]) -> Callable[..., Any]:
    """The core's export, with a defect put into the file it wrote."""

    def export_graph(model: Any, path: Path, opset: int) -> Any:
        written = core.export_graph(model, path, opset)
        proto = onnx.load(path)
        change(proto)
        onnx.save(proto, path)
        return written

    return export_graph


def break_head(proto: onnx.ModelProto) -> None:
    [weight] = [tensor for tensor in proto.graph.initializer if tensor.name == "head.bias"]
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) + np.float32([0.1, 0, 0]), weight.name))


@pytest.mark.parametrize("existing", [False, True])
def test_a_defect_in_the_file_leaves_no_file_and_an_earlier_one_as_it_was(
    zoo: Any, picture_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: bool
):
    monkeypatch.setattr(export_graph_of, "export_graph", planted(break_head))
    out = tmp_path / "model.onnx"
    if existing:
        out.write_bytes(b"tlzoo.manifest of yesterday")
    with pytest.raises(ParityError, match="No file was written"):
        picture_run.export(out)
    assert [path.name for path in tmp_path.iterdir()] == (["model.onnx"] if existing else [])
    assert not existing or out.read_bytes() == b"tlzoo.manifest of yesterday"


def test_a_good_export_replaces_an_earlier_file(zoo: Any, text_run: Any, texts: Path, tmp_path: Path):
    out = tmp_path / "model.onnx"
    out.write_bytes(b"tlzoo.manifest of yesterday")
    text_run.export(out, data=texts)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    manifest = tlzoo.load(out).manifest
    assert manifest.parity.samples == 80
    assert manifest.data["proven_on"] != manifest.data["heldout_fingerprint"]


def test_labels_that_the_model_does_not_know_prove_nothing(zoo: Any, text_run: Any, tmp_path: Path):
    (tmp_path / "other.csv").write_text("text,label\nfine film,splendid\nbad film,bad\n")
    with pytest.raises(DataError, match="'splendid'"):
        text_run.export(tmp_path / "model.onnx", data=tmp_path / "other.csv")
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("out", ["", "missing/model.onnx/below"])
def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    zoo: Any, picture_run: Any, tmp_path: Path, out: str
):
    (tmp_path / "missing").mkdir()
    (tmp_path / "missing" / "model.onnx").write_text("a file, no folder")
    with pytest.raises(ExportError, match="cannot be written"):
        picture_run.export(tmp_path / out)


WRONG = {
    "other input names": 'Graph(path, ("picture",), ("logits",), opset)',
    "other output names": 'Graph(path, ("image",), ("scores",), opset)',
    "another opset": 'Graph(path, ("image",), ("logits",), 21)',
}


@pytest.mark.parametrize(
    "case", ["other input names", *(pytest.param(case, marks=pytest.mark.release) for case in list(WRONG)[1:])]
)
def test_a_plugin_whose_graph_is_not_as_it_says_is_refused(toy: Any, make_pictures: Any, tmp_path: Path, case: str):
    hook = f"""
    @hookimpl
    def export(model, path, opset):
        if type(model.head) is nn.Identity:
            return None
        torch.onnx.export(
            model, tuple(model.parts.example_inputs.values()), dynamo=True, input_names=["image"],
            output_names=["logits"], dynamic_shapes=(({{0: torch.export.Dim("batch")}},),), opset_version=opset,
            verbose=False,
        ).save(str(path), external_data=False)
        return {WRONG[case]}
    """
    run = tlzoo.finetune(toy(hook), make_pictures(tmp_path / "data", 6), out=tmp_path / "run")
    with pytest.raises(ExportError, match=r"toy/means has"):
        run.export(tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_a_plugins_preprocessing_that_the_runtime_does_not_have_is_no_proof(
    toy: Any, make_pictures: Any, tmp_path: Path
):
    hook = """
    @hookimpl
    def make_preprocessor(spec):
        from tlzoo.preprocess import make_preprocessor
        core = make_preprocessor(spec)
        return lambda inputs: {"image": 255 - core(inputs)["image"]}
    """
    run = tlzoo.finetune(toy(hook), make_pictures(tmp_path / "data", 6), out=tmp_path / "run")
    with pytest.raises(ParityError):
        run.export(tmp_path / "model.onnx")


def test_training_data_that_changed_calibrates_nothing(
    zoo: Any, make_texts: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data, test = make_texts(tmp_path / "data.csv"), make_texts(tmp_path / "test.csv", seed=1)
    run = tlzoo.finetune("nlp/test-bert", data, test=test, out=tmp_path / "run")
    make_texts(data, seed=2)
    with pytest.raises(DataError, match=r"The training data of .* has changed since training"):
        run.export(tmp_path / "small.onnx", precision="int8")
    assert run.export(tmp_path / "model.onnx").precision == "fp32"
    assert "Nothing is calibrated on it." in capsys.readouterr().err


def test_what_tlzoo_did_not_export_is_not_replaced(picture_run: Any, picture_file: Any, tmp_path: Path):
    table, foreign, empty = tmp_path / "data.csv", tmp_path / "foreign.onnx", tmp_path / "empty.onnx"
    table.write_text("text,label\n")
    foreign.write_bytes(b"\x08\x09" * 2000)
    for there in (table, foreign):
        with pytest.raises(ExportError, match="it exists, and tlzoo did not export it"):
            tlzoo.export(picture_run, there)
    empty.touch()
    assert can_be_replaced(empty)
    assert can_be_replaced(picture_file.file)
    assert not can_be_replaced(tmp_path)
