"""Tasks that a plugin brings: trained, exported, proven and answered like the core's, with no change to the core."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shared_fixtures.duo_plugin import HERE

import tlzoo
from tlzoo.artifact.manifest import parse_manifest
from tlzoo.errors import InputError, UsageError
from tlzoo.runtime.model_check import check_model
from tlzoo.tasks.base import DecodeOptions

TRAINING = {"epochs": 2, "batch": 8, "lr": 1e-2}


def trained(checkpoint: str, data: Path, folder: Path, task: str, **options: Any) -> tuple[Any, Any]:
    """A run of the head on a frozen backbone, and its export."""
    chosen = {"strategy": "finetune", "freeze": "all", "options": TRAINING, **options}
    run = tlzoo.finetune(checkpoint, data, out=folder / "run", task=task, **chosen)
    return run, run.export(folder / "file.onnx")


def _texts(folder: Path, length: int) -> Path:
    random = np.random.default_rng(0)
    words = "awful boring great fine film book good".split()
    rows = []
    for _ in range(60):
        text = " ".join(random.choice(words, length))
        rows.append({"text": text, "question": text, "reply": "great film", "label": float(random.normal())})
    (folder / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return folder / "texts.jsonl"


def test_a_task_takes_no_more_than_150_lines():
    source = (HERE / "tasks.py").read_text()
    assert len(source[: source.index("class Steps")].splitlines()) <= 100
    assert len((HERE / "heads.py").read_text().splitlines()) <= 40
    assert len((HERE / "page.js").read_text().splitlines()) <= 15


WITHOUT = """
import json, sys
import tlzoo
predictor = tlzoo.load(sys.argv[1])
[answer] = predictor.predict([sys.argv[2]])
print(json.dumps(answer.as_row()))
"""


def test_a_task_of_two_outputs_is_trained_exported_and_answered(duo: Any, numbers: Path, tmp_path: Path):
    run, exported = trained("vision/test-resnet", numbers, tmp_path, "duo/two")
    assert (run.task.name, run.record.plugin, run.record.settings) == ("image-two", "duo", {"unit": "points"})
    assert set(exported.parity.outputs) == {"sign", "size"}
    predictor = exported.load()
    pictures = [tmp_path / f"{at}.png" for at in range(6)]
    outputs = predictor.outputs(pictures)
    point = predictor.manifest.operating_point
    expected = predictor.task.decode(outputs, [None] * 6, DecodeOptions(threshold=point.threshold))
    for picture, answer, right in zip(pictures, predictor.predict(pictures), expected, strict=True):
        assert answer.as_row() == {"input": str(picture), "sign": right.sign, "size": pytest.approx(right.size)}
    measured = tlzoo.evaluate(exported.path, numbers)
    assert measured.metrics == pytest.approx(tlzoo.evaluate(run.path, numbers).metrics, abs=1e-4)
    assert tlzoo.verify(exported.path, numbers).metrics == pytest.approx(measured.metrics)
    again = parse_manifest(predictor.metadata, "it")
    assert again == predictor.manifest
    assert [output.axes for output in again.signature.task_outputs] == [("batch", 2), ("batch",)]
    assert (again.plugin, again.distribution) == ("duo", "tlzoo-duo 1.0")
    # without the plugin: its outputs as arrays, and who reads them
    picture = str(pictures[0])
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(exported.path), picture], capture_output=True, text=True, check=True
    )
    row = json.loads(done.stdout)
    assert row["outputs"]["sign"] == pytest.approx(outputs["sign"][0].tolist(), abs=1e-5)
    assert row["outputs"]["size"] == pytest.approx(float(outputs["size"][0]), abs=1e-5)
    assert "tlzoo-duo 1.0" in done.stderr


def test_the_operating_point_is_chosen_on_validation_samples_and_used_unless_a_threshold_is_given(
    duo: Any, numbers: Path, tmp_path: Path
):
    run, exported = trained("duo/means", numbers, tmp_path, "two")
    predictor = exported.load()
    point = predictor.manifest.operating_point
    validation = run.dataset(run.splits().validation)
    outputs = predictor.outputs(validation.inputs)
    assert point == run.task.operating_point(outputs, validation.sample_targets, [None] * len(validation))
    assert point.samples == run.data.n_validation
    high, low = (predictor.predict(validation.inputs, threshold=threshold) for threshold in (1.0, 0.0))
    assert {answer.sign for answer in high} == {"minus"}
    assert {answer.sign for answer in low} == {"plus"}


def test_a_task_without_a_probe_says_which_strategy_to_take(duo: Any, numbers: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="does not support a probe") as error:
        tlzoo.finetune("duo/means", numbers, out=tmp_path / "run", task="two", strategy="probe")
    assert "`strategy='finetune'`" in error.value.hint


def test_a_task_without_a_probe_is_trained_by_gradient_descent_and_says_so(
    duo: Any, numbers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = tlzoo.finetune("duo/means", numbers, out=tmp_path / "run", task="two", epochs=1)
    assert run.options["strategy"] == "finetune"
    assert "has no probe: all layers are trained (`strategy='finetune'`, `freeze='none'`)" in capsys.readouterr().err


def test_a_task_of_two_inputs_reads_trains_and_answers_pairs(
    duo: Any, tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch
):
    data = _texts(tmp_path, 6)
    run, exported = trained("duo/words", data, tmp_path, "pair", preprocess={"tokenizer": _tokenizer(duo)})
    predictor = exported.load()
    assert predictor.manifest.signature.task_inputs == ("question", "answer")
    by_order, by_name = (
        predictor.predict(given) for given in (("great film", "awful"), {"question": "great film", "answer": "awful"})
    )
    assert by_order == by_name
    [other] = predictor.predict([("great film", "great fine good")])
    assert by_order[0].size != other.size
    with pytest.raises(InputError, match="has no 'answer'"):
        predictor.predict({"question": "great film"})
    good, bad = predictor.stream([("great film", "awful"), {"question": "great film"}])
    assert (good, "has no 'answer'" in bad.error) == (by_order[0], True)
    assert tlzoo.evaluate(run.path, data).n == 60
    first, second = exported.worst.strip("'").split(" | ")
    assert second == "great film"
    assert first in {json.loads(line)["question"] for line in data.read_text().splitlines()}
    proof = command("verify", exported.path, data)
    assert (proof.code, "| great film'" in proof.out) == (0, True)
    rows = command("predict", exported.path, data, "--json").json["predictions"]
    first = json.loads(data.read_text().splitlines()[0])
    assert rows[0]["input"] == f"{first['question']} | {first['reply']}"
    assert rows[0]["size"] == pytest.approx(predictor.predict((first["question"], first["reply"]))[0].size, abs=1e-5)
    renamed = tmp_path / "renamed.csv"
    renamed.write_text("asked,said\ngreat film,awful\n")
    columns = ("--column", "question=asked", "--column", "reply=said")
    assert command("predict", exported.path, renamed, *columns, "--json").json["predictions"][0][
        "size"
    ] == pytest.approx(by_order[0].size, abs=1e-5)
    wrong = command("predict", exported.path, renamed, "--column", "query=asked")
    assert (wrong.code, "no column role 'query'" in wrong.err) == (2, True)
    refused = command("predict", exported.path, "great film")
    assert (refused.code, "question and reply" in refused.err) == (2, True)
    [strange] = predictor.stream([("great film", 3)])
    assert "not a text but int" in strange.error
    monkeypatch.setattr("tlzoo.exporting.export.make_context", lambda *_: pytest.fail("the export began"))
    page = command("export", run.path, "--format", "web", "--out", tmp_path / "page")
    assert (page.code, "takes one input" in page.err) == (2, True)
    assert not (tmp_path / "page").exists()


def _tokenizer(zoo: Any) -> str:
    return (zoo.folder / "weights" / "bert" / "tokenizer.json").read_text()


def test_a_task_with_windows_reads_whole_texts_and_answers_once_for_each(duo: Any, tmp_path: Path):
    data = _texts(tmp_path, 11)
    run, exported = trained("duo/words", data, tmp_path, "longest", preprocess={"tokenizer": _tokenizer(duo)})
    assert run.data.n_train == 38
    predictor = exported.load()
    text = "awful boring great fine film book good awful"
    windows = ["awful boring great fine", "fine film book good", "good awful"]
    [whole], parts = predictor.predict([text]), predictor.outputs(windows)
    assert whole.size == pytest.approx(float(parts["size"].max()), abs=1e-5)
    several = predictor.predict([text, "fine", text, "great film"], batch=2)
    assert [answer.size for answer in several[::2]] == pytest.approx([whole.size] * 2, abs=1e-5)
    assert tlzoo.evaluate(run.path, data).metrics == pytest.approx(
        tlzoo.evaluate(exported.path, data).metrics, abs=1e-4
    )


@pytest.mark.release
def test_a_head_may_be_given_several_outputs_of_the_backbone(duo: Any, tmp_path: Path):
    run, exported = trained("nlp/test-bert", _texts(tmp_path, 6), tmp_path, "both")
    assert run.model().parts.output == ("sequence", "vector")
    assert "embeddings" not in exported.load().manifest.outputs
    with pytest.raises(UsageError, match="the task needs"):
        tlzoo.finetune("duo/words", tmp_path / "texts.jsonl", out=tmp_path / "other", task="both", strategy="finetune")


def test_a_task_whose_form_is_a_loop_ends_in_a_graph_with_one_bounded_loop(duo: Any, numbers: Path, tmp_path: Path):
    run, exported = trained("duo/means", numbers, tmp_path, "steps")
    assert exported.load().manifest.signature.form == "loop"
    check_model(exported.path.read_bytes(), "tlzoo.manifest")
    assert tlzoo.evaluate(exported.path, numbers).metrics == pytest.approx(
        tlzoo.evaluate(run.path, numbers).metrics, abs=1e-4
    )


@pytest.mark.release
def test_policies_heads_methods_strategies_and_formats_serve_any_checkpoint(
    duo: Any, pictures: Path, make_pictures: Any, tmp_path: Path
):
    options = {"epochs": 1, "batch": 8}
    run = tlzoo.finetune(
        "vision/test-resnet",
        pictures,
        out=tmp_path / "run",
        strategy="finetune",
        freeze="duo/bitfit",
        head="duo/cosine",
        options=options,
    )
    assert run.head == "duo/cosine"
    assert 0 < run.frozen["trained"] < 3000
    assert type(run.model().head).__name__ == "Cosine"
    exported = run.export(tmp_path / "folder", format="duo/named")
    assert (exported.path / "task.txt").read_text() == "image-classification"
    adapted = tlzoo.adapt(run, make_pictures(tmp_path / "other", 6, seed=3), out=tmp_path / "adapted", method="adabn")
    assert adapted.adapted["method"] == "duo/adabn"
    assert type(adapted.model().head).__name__ == "Cosine"
    fitted = tlzoo.finetune(
        "vision/test-vit", pictures, out=tmp_path / "head", strategy="duo/head-only", options=options
    )
    assert fitted.frozen["trained"] == fitted.model().head.weight.numel() + len(fitted.task.labels)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--freeze", "duo/nothing"), "no freeze policy 'nothing'"),
        (("--head", "duo/nothing"), "no head 'nothing'"),
        (("--head", "cosine"), "Unknown head 'cosine'"),
        (("--strategy", "duo/nothing"), "no strategy 'nothing'"),
        (("--task", "duo/nothing"), "no task 'nothing'"),
        (("--task", "nobody/nothing"), "No plugin 'nobody'"),
        (("--head", "duo/cosine", "--strategy", "probe"), "fits a linear head"),
        *(
            ((f"--{flag}", name), f"{name!r} does not have the form PLUGIN/NAME")
            for flag in ("freeze", "head", "strategy", "task")
            for name in ("/nothing", "duo/", "/")
        ),
    ],
)
def test_a_name_that_the_plugin_does_not_have_is_refused(
    duo: Any, command: Any, pictures: Path, tmp_path: Path, options: tuple[str, ...], said: str
):
    strategy = () if "--strategy" in options else ("--strategy", "finetune")
    done = command("finetune", "vision/test-vit", pictures, "--out", tmp_path / "run", "--quiet", *options, *strategy)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["/nothing", "duo/", "/"])
def test_a_method_or_format_with_an_empty_half_is_refused(
    duo: Any, command: Any, picture_run: Any, pictures: Path, tmp_path: Path, name: str
):
    for arguments in (
        ("adapt", picture_run.path, "--target", pictures, "--out", tmp_path / "out", "--method", name, "--quiet"),
        ("export", picture_run.path, "--out", tmp_path / "out", "--format", name, "--quiet"),
    ):
        done = command(*arguments)
        assert (done.code, f"{name!r} does not have the form PLUGIN/NAME" in done.err) == (2, True), done.err
        assert not (tmp_path / "out").exists()


def test_coral_says_that_a_task_without_a_probe_needs_another_method(
    duo: Any, command: Any, numbers: Path, tmp_path: Path
):
    chosen: dict[str, Any] = {"strategy": "finetune", "freeze": "all", "options": TRAINING}
    run = tlzoo.finetune("duo/means", numbers, out=tmp_path / "run", task="two", **chosen)
    for method in ("coral", "auto"):
        done = command("adapt", run.path, "--target", numbers, "--out", tmp_path / "out", "--method", method, "--quiet")
        assert (done.code, "which image-two does not support" in done.err) == (2, True), done.err
        assert "--method PLUGIN/NAME" in done.err
        assert "duo/adabn" in done.err
        assert "strategy" not in done.err
