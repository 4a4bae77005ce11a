"""A file whose task no plugin here reads still answers: with its outputs, by their names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from shared_fixtures import sealed

import tlzoo
from tlzoo.artifact import reference
from tlzoo.errors import ArtifactError, PluginError, UsageError
from tlzoo.exporting.graph import embed, embedded_manifest
from tlzoo.runtime.unknown_task import ArraysPrediction
from tlzoo.tasks import OperatingPoint


@pytest.fixture
def changed(tmp_path: Path, picture_file: Any) -> Callable[..., Path]:
    """Writes a copy of the file for pictures whose manifest has these fields."""

    def write(path: Path = picture_file.path, **fields: Any) -> Path:
        proto = onnx.load(path)
        [outputs] = [prop.value for prop in proto.metadata_props if prop.key == reference.KEY]
        embed(proto, embedded_manifest(proto).model_copy(update=fields), outputs)
        return sealed.save(proto, tmp_path / "changed.onnx")

    return write


SIGHT = {
    "task": "image-sights",
    "labels": (),
    "settings": {"depth": 3},
    "plugin": "sight",
    "distribution": "tlzoo-sight 2.1",
}


@pytest.fixture
def unread(changed: Callable[..., Path]) -> Path:
    """A file of a task that the plugin `sight` brings, which is not installed."""
    return changed(**SIGHT)


def test_it_answers_with_its_outputs_as_arrays_and_names_the_distribution(
    zoo: Any, unread: Path, picture_file: Any, pictures: Path, capfd: pytest.CaptureFixture[str]
):
    paths = sorted((pictures / "red").iterdir())[:5]
    predictor = tlzoo.load(unread)
    said = capfd.readouterr().err
    assert "image-sights needs tlzoo-sight 2.1; predictions are the model's outputs as arrays" in said
    assert "tlzoo plugins install tlzoo-sight" in said
    answers, logits = predictor.predict(paths, batch=2), picture_file.load().logits(paths)
    for path, answer, row in zip(paths, answers, logits, strict=True):
        assert isinstance(answer, ArraysPrediction)
        assert (answer.input, list(answer.outputs)) == (str(path), ["logits"])
        np.testing.assert_allclose(answer.outputs["logits"], row, atol=1e-5)
        document = json.loads(json.dumps(answer.as_row()))
        assert document == {"input": str(path), "outputs": answer.outputs}
        assert answer.as_line()["logits"].startswith(f"[{len(row)}] ")
    np.testing.assert_allclose(predictor.logits(paths), logits, atol=1e-5)
    assert predictor.outputs(paths, ("embeddings",))["embeddings"].shape[0] == 5
    assert len(predictor.predict(paths, embeddings=True)[0].embedding) > 3


def test_it_is_as_good_as_any_on_the_command_line(
    command: Callable[..., Any], unread: Path, pictures: Path, tmp_path: Path
):
    path = pictures / "red" / "000.png"
    done = command("predict", unread, path, "--json")
    assert done.code == 0
    assert "tlzoo-sight 2.1" in done.err
    assert [list(answer) for answer in json.loads(done.out)["predictions"]] == [["input", "outputs"]]
    for ending in ("csv", "jsonl"):
        out = tmp_path / f"answers.{ending}"
        assert command("predict", unread, path, "--out", out, "--quiet").code == 0
        assert "logits" in out.read_text()
    lines = command("predict", unread, path, "--quiet")
    assert (lines.code, lines.err) == (0, "")
    assert lines.out.splitlines()[0].split() == ["input", "logits"]


def test_options_of_answers_that_nobody_can_read_are_refused(zoo: Any, unread: Path):
    predictor = tlzoo.load(unread)
    for name, value in (("top_k", 2), ("threshold", 0.5)):
        with pytest.raises(UsageError, match=f"image-sights does not support `{name}`"):
            predictor.predict([], **{name: value})


def test_its_proof_is_repeated_without_its_labels(zoo: Any, unread: Path, picture_file: Any, pictures: Path):
    found = tlzoo.verify(unread, pictures)
    assert (found.missing, found.metrics) == (0, None)
    assert found.parity.samples == picture_file.parity.samples
    with pytest.raises(UsageError, match="without its plugin") as error:
        tlzoo.evaluate(unread, pictures)
    assert "tlzoo plugins install tlzoo-sight" in error.value.hint


def test_a_file_that_does_not_describe_its_outputs_asks_for_the_plugin(zoo: Any, changed: Callable[..., Path]):
    with pytest.raises(PluginError) as error:
        tlzoo.load(changed(**SIGHT, signature=None))
    assert "tlzoo plugins install tlzoo-sight" in error.value.hint


@pytest.mark.parametrize(
    "fields",
    [{"task": "image-nothing"}, {"task": "nothing"}, {"settings": {"depth": 3}}],
    ids=["family", "name", "settings"],
)
def test_a_task_that_can_never_be_is_an_error_of_the_file(
    zoo: Any, changed: Callable[..., Path], fields: dict[str, Any]
):
    with pytest.raises(ArtifactError, match="The file's task cannot be used"):
        tlzoo.load(changed(**fields))


def test_the_threshold_that_a_file_was_given_counts_until_another_is_named(
    zoo: Any, changed: Callable[..., Path], pictures: Path
):
    point = OperatingPoint(1.0, "recall >= 0.9", samples=9, metric="precision", value=0.8, low=0.7, high=0.9)
    predictor = tlzoo.load(changed(operating_point=point))
    path = pictures / "red" / "001.png"
    assert predictor.manifest.operating_point == point
    assert [answer.label for answer in predictor.predict(path)] == [None]
    assert [answer.label for answer in predictor.predict(path, threshold=0.5)] == ["red"]


def test_outputs_that_differ_in_size_and_what_is_derived_of_them_are_had_in_any_batch(
    zoo: Any, changed: Callable[..., Path], tagged_file: Any
):
    predictor, own = tlzoo.load(changed(tagged_file.path, **{**SIGHT, "task": "text-sights"})), tagged_file.load()
    texts = ["a great film", "awful", "a great great film of an awful town", "good"]
    for name in ("logits", "probabilities"):
        several, right = predictor.outputs(texts, (name,), batch=2)[name], own.outputs(texts, (name,), batch=2)[name]
        for found, expected in zip(several, right, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-5)
    for answer, row in zip(predictor.predict(texts, batch=2), own.outputs(texts)["logits"], strict=True):
        np.testing.assert_allclose(answer.outputs["logits"], row, atol=1e-5)
