"""What `Run.export` writes besides one file in fp32: lower precisions, raw input, other layouts, calibrated answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from PIL import Image

import tlzoo
from tlzoo.artifact.manifest import ProofLimits
from tlzoo.errors import ExportError, ParityError, UsageError
from tlzoo.exporting import check
from tlzoo.exporting import precision as lower
from tlzoo.exporting.precision import fp16
from tlzoo.options import Thresholds
from tlzoo.tasks.probabilities import softmax

LENIENT = Thresholds(difference=2, agreement=0.5, drop=10)
IMPOSSIBLE = Thresholds(difference=1e-9, agreement=1, drop=0)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_lower_precision_is_smaller_measured_and_says_so(zoo: Any, text_run: Any, tmp_path: Path, precision: str):
    file = text_run.export(tmp_path / "model.onnx", precision=precision, thresholds=LENIENT)
    manifest = file.load().manifest
    assert (file.precision, manifest.precision) == (precision, precision)
    assert file.measured is not None
    assert file.measured.speedup > 0
    assert file.measured.batch == 32  # however few are held out
    assert file.measured.bytes < file.measured.fp32_bytes
    assert manifest.kept_fp32 == file.kept_fp32
    assert manifest.parity.thresholds == ProofLimits(difference=2, agreement=0.5, drop=10)
    assert tlzoo.verify(file.path, text_run.data.path).parity.samples == file.parity.samples


def test_a_refused_precision_keeps_the_proven_fp32_file_and_names_it(zoo: Any, text_run: Any, tmp_path: Path):
    with pytest.raises(ParityError, match=r"In int8: .* points") as error:
        text_run.export(tmp_path / "model.onnx", precision="int8", thresholds=IMPOSSIBLE)
    assert [path.name for path in tmp_path.iterdir()] == ["model.fp32.onnx"]
    assert str(tmp_path / "model.fp32.onnx") in error.value.hint
    assert tlzoo.load(tmp_path / "model.fp32.onnx").manifest.precision == "fp32"
    assert tlzoo.verify(tmp_path / "model.fp32.onnx", text_run.data.path).parity.top1_agreement == 1.0


@pytest.mark.parametrize("kind", ["picture", "text", "recording"])
def test_a_graph_that_computes_in_fp16_is_a_whole_one(
    zoo: Any, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
):
    monkeypatch.setattr(fp16, "GAIN", 0)  # it is taken as the faster one
    file = request.getfixturevalue(f"{kind}_run").export(tmp_path / "model.onnx", precision="fp16")
    model = onnx.load(file.path)
    onnx.checker.check_model(model, full_check=True)
    assert [node for node in model.graph.node if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT16]


def test_auto_takes_one_that_passes(zoo: Any, picture_run: Any, tmp_path: Path):
    file = picture_run.export(tmp_path / "model.onnx", precision="auto")
    assert file.precision in ("fp32", "fp16", "int8")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (file.measured is None) == (file.precision == "fp32")
    assert file.parity.drop <= 0.5


def test_auto_says_what_it_rejects_and_why(
    zoo: Any, text_run: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for precision in ("fp16", "int8"):
        monkeypatch.setitem(check.THRESHOLDS, precision, ProofLimits(difference=1e-9, agreement=1, drop=0))
    file = text_run.export(tmp_path / "model.onnx", precision="auto")
    assert (file.precision, file.measured) == ("fp32", None)
    said = capfd.readouterr().err
    for precision in ("fp16", "int8"):
        assert f"{precision} rejected: In {precision}: The exported file differs from the trained model" in said


def test_auto_is_fp32_where_no_lower_precision_can_be_made(
    zoo: Any, text_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*given: Any) -> None:
        raise ExportError("There is nothing to reduce.")

    monkeypatch.setattr(lower, "reduce_precision", refuse)
    assert text_run.export(tmp_path / "model.onnx", precision="auto").precision == "fp32"


def test_raw_input_answers_pictures_of_any_size_as_the_file_with_geometry_outside(
    zoo: Any, picture_run: Any, picture_file: Any, tmp_path: Path
):
    file = picture_run.export(tmp_path / "raw.onnx", raw_input=True)
    assert file.load().manifest.raw_input
    [given] = file.load().manifest.signature.inputs
    assert (given.name, given.axes, given.dtype) == ("image", ("batch", "height", "width", 3), "uint8")
    pictures = [*picture_run.splits().test.inputs, np.asarray(Image.new("RGB", (31, 200), (220, 40, 30)))]
    raw, plain = file.load().predict(pictures), picture_file.load().predict(pictures)
    assert [answer.label for answer in raw] == [answer.label for answer in plain]
    session = onnxruntime.InferenceSession(file.path)
    [logits] = session.run(["logits"], {"image": np.zeros((2, 47, 90, 3), np.uint8)})
    assert logits.shape == (2, 3)


@pytest.mark.parametrize(
    ("run", "options"),
    [
        ("text_run", {"raw_input": True}),
        ("picture_run", {"precision": "int4"}),
        ("picture_run", {"format": "tflite"}),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    zoo: Any, request: pytest.FixtureRequest, tmp_path: Path, run: str, options: dict[str, Any]
):
    with pytest.raises(UsageError):
        request.getfixturevalue(run).export(tmp_path / "model.onnx", **options)
    assert list(tmp_path.iterdir()) == []


def test_triton_is_a_folder_that_appears_whole_and_is_not_written_over(
    zoo: Any, recording_run: Any, recording_file: Any, recordings: Path, tmp_path: Path
):
    file = recording_run.export(tmp_path / "models", format="triton")
    assert file.file.relative_to(tmp_path / "models").parts[1:] == ("1", "model.onnx")
    assert len(list((tmp_path / "models").rglob("config.pbtxt"))) == 1
    one = next(recordings.rglob("*.wav"))
    assert file.load().predict(one)[0].label == recording_file.load().predict(one)[0].label
    with pytest.raises(ExportError, match="it already exists"):
        recording_run.export(tmp_path / "models", format="triton")


def test_a_plugins_format_writes_a_folder_of_its_own_around_the_model(
    toy: Callable[[str], str], make_pictures: Callable[..., Path], tmp_path: Path
):
    hooks = """
    from tlzoo.plugin import ExportFormat

    def write(folder, model, manifest):
        (folder / "model.onnx").write_bytes(model)
        (folder / "labels.txt").write_text(" ".join(manifest.labels))

    @hookimpl
    def register_formats():
        return [ExportFormat("box", write)]
    """
    run = tlzoo.finetune(toy(hooks), make_pictures(tmp_path / "data", 6), out=tmp_path / "run")
    file = run.export(tmp_path / "box", format="toy/box")
    assert (file.path, file.file) == (tmp_path / "box", tmp_path / "box" / "model.onnx")
    assert (tmp_path / "box" / "labels.txt").read_text() == "blue green red"
    assert file.load().manifest.parity.top1_agreement == 1.0
    with pytest.raises(UsageError, match="no format 'bag' in plugin 'toy'"):
        run.export(tmp_path / "bag", format="toy/bag")
    with pytest.raises(UsageError, match="`format='box'` is unknown") as error:
        run.export(tmp_path / "other", format="box")
    assert "onnx, triton, web" in error.value.hint


def test_probabilities_in_the_graph_are_calibrated_and_those_of_the_runtime(zoo: Any, text_run: Any, text_file: Any):
    calibration = text_file.calibration
    assert calibration.temperature == pytest.approx(text_run.options["temperature"])
    assert calibration.samples == text_run.data.n_validation
    predictor = text_file.load()
    texts = ["a great film", "an awful book", "of it"]
    logits, shown = predictor.logits(texts), predictor.outputs(texts, ("probabilities",))["probabilities"]
    np.testing.assert_allclose(shown, softmax(logits / calibration.temperature), atol=1e-6)
    answered = [[answer.scores[label] for label in predictor.labels] for answer in predictor.predict(texts)]
    np.testing.assert_allclose(shown, answered, atol=1e-6)
    [stored] = [t for t in onnx.load(text_file.path).graph.initializer if t.name == "tlzoo.probabilities.temperature"]
    assert onnx.numpy_helper.to_array(stored) == pytest.approx(calibration.temperature)


def test_a_run_by_gradient_descent_is_calibrated_on_its_validation_samples(
    zoo: Any, make_texts: Callable[..., Path], tmp_path: Path
):
    options = {"epochs": 1}
    data = make_texts(tmp_path / "texts.csv", 30)
    run = tlzoo.finetune("nlp/test-bert", data, out=tmp_path / "run", strategy="finetune", options=options)
    calibration = run.export(tmp_path / "model.onnx").calibration
    assert calibration is not None
    assert calibration.samples == run.data.n_validation


def test_an_adapted_run_has_no_labels_to_be_calibrated_on(zoo: Any, text_run: Any, texts: Path, tmp_path: Path):
    file = tlzoo.adapt(text_run, texts, out=tmp_path / "adapted").export(tmp_path / "adapted.onnx")
    assert file.calibration is None
    predictor = file.load()
    shown = predictor.outputs(["a great film"], ("probabilities",))["probabilities"]
    np.testing.assert_allclose(shown, softmax(predictor.logits(["a great film"])), atol=1e-6)


@pytest.mark.parametrize(
    ("flag", "value"), [("--max-drop", "11"), ("--min-agreement", "0.2"), ("--max-difference", "0")]
)
def test_no_threshold_can_be_switched_off(
    command: Callable[..., Any], text_run: Any, tmp_path: Path, flag: str, value: str
):
    done = command("export", text_run.path, "--out", tmp_path / "model.onnx", flag, value)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"Error: {flag} cannot be {float(value)}" in done.err
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_size_and_speed_beside_fp32(command: Callable[..., Any], text_run: Any, tmp_path: Path):
    out = tmp_path / "model.onnx"
    done = command("export", text_run.path, "--out", out, "--precision", "fp16", "--min-agreement", "0.9", "--quiet")
    assert done.code == 0, done.err
    [line] = [line for line in done.out.splitlines() if line.startswith("Compared with fp32")]
    assert "x the size" in line
    assert "x the samples" in line
    assert "expected calibration error" in done.out
