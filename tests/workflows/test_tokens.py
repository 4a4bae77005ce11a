"""Token tagging end to end: trained in every way, exported, proven, answered; long texts by windows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tlzoo
from tlzoo.errors import DataError, UsageError

QUICK = {"epochs": 1, "batch": 16}


def test_a_probe_is_exported_proven_and_measured_alike(zoo: Any, tagged: Path, tagged_run: Any, tagged_file: Any):
    assert tagged_run.task.labels == ("O", "B-bad", "I-bad", "B-good", "I-good")
    assert tagged_file.parity.top1_agreement == 1
    assert tagged_file.load().manifest.outputs == ("logits", "probabilities")
    by_run, by_file = (tlzoo.evaluate(path, tagged) for path in (tagged_run.path, tagged_file.path))
    assert by_run.metrics == pytest.approx(by_file.metrics, abs=1e-4)
    assert tlzoo.verify(tagged_file.path, tagged).metrics == pytest.approx(by_file.metrics)


@pytest.mark.parametrize(
    ("strategy", "freeze"),
    [
        ("finetune", "last:1"),
        pytest.param("lp-ft", "until:layer.0", marks=pytest.mark.release),
        pytest.param("lora", "lora:2", marks=pytest.mark.release),
    ],
)
def test_it_is_trained_by_gradient_descent_with_its_frozen_part_computed_once(
    zoo: Any, tagged: Path, tmp_path: Path, strategy: str, freeze: str
):
    run = tlzoo.finetune(
        "nlp/test-bert", tagged, out=tmp_path / "run", task="tokens", strategy=strategy, freeze=freeze, options=QUICK
    )
    if strategy == "lora":  # adapters from the first layer on leave hardly anything in front of them
        assert run.options["prefix"] is None
    else:
        assert run.options["prefix"]["share"] > 0.2
    assert run.frozen["identical"]
    assert set(run.metrics) == {"f1", "precision", "recall", "token_accuracy", "log_loss"}
    assert run.interval["metric"] == "f1"


def test_tags_without_a_label_are_refused_in_training_and_in_evaluation(
    zoo: Any, tagged_run: Any, tagged_file: Any, tmp_path: Path
):
    bare = tmp_path / "bare.conll"
    bare.write_text("Ada B\nLovelace I\nruns O\n\nBob B\n" * 20)
    for use in (
        lambda: tlzoo.finetune("nlp/test-bert", bare, out=tmp_path / "run", task="tokens"),
        lambda: tlzoo.evaluate(tagged_run.path, bare),
        lambda: tlzoo.evaluate(tagged_file.path, bare),
    ):
        with pytest.raises(DataError, match="has the tag 'B' in line 1"):
            use()


def test_half_a_surrogate_pair_is_one_error_among_answers(zoo: Any, tagged_file: Any):
    long = "a great film and it was awful . " * 30
    answers = list(tagged_file.load().stream([long, "a\ud83d b", "great"]))
    assert [answer.error is None for answer in answers] == [True, False, True]
    assert "half a surrogate pair" in answers[1].error


@pytest.mark.release
def test_auto_compares_and_keeps_one(zoo: Any, tagged: Path, tmp_path: Path):
    run = tlzoo.finetune("nlp/test-bert", tagged, out=tmp_path / "run", task="tokens", strategy="auto", options=QUICK)
    assert {trial["strategy"] for trial in run.options["auto"]["trials"]} == {"probe", "lp-ft"}
    assert all("f1" in trial for trial in run.options["auto"]["trials"])


TEXTS = {
    "emoji": "😀 great 🧑‍🚀 awful",
    "combining marks": "gre\u0301at great ba\u0308d awful",
    "right to left": "סרט great מאוד awful",
    "line ends": "great\r\nfilm\r\n\r\nawful",
    "blanks": "  great \t\u00a0 awful  ",
    "empty": "",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_places_are_characters_of_the_text_as_it_was_given(zoo: Any, tagged_file: Any, kind: str):
    text = TEXTS[kind]
    [answer] = tagged_file.load().predict([text])
    assert answer.input == text
    last = 0
    for entity in answer.entities:
        assert set(entity) == {"start", "end", "label", "score"}
        assert last <= entity["start"] < entity["end"] <= len(text)
        found = text[entity["start"] : entity["end"]]
        assert found == found.strip()
        assert 0 < entity["score"] <= 1
        last = entity["end"]
    if kind != "empty":
        assert "great" in [text[each["start"] : each["end"]] for each in answer.entities]


def test_a_text_longer_than_the_model_takes_is_answered_whole(zoo: Any, tagged_file: Any):
    predictor = tagged_file.load()
    text = "a great film and it was awful . " * 30
    assert len(predictor.prepare([text])["input_ids"][0]) == 32
    [whole] = predictor.predict([text])
    found = [(each["start"], text[each["start"] : each["end"]]) for each in whole.entities]
    assert found[-1][0] > 900
    assert {word for _, word in found} >= {"great", "awful"}
    together = predictor.predict([text, "great", text], batch=2)
    assert [each.entities for each in together[::2]] == [
        [{**entity, "score": pytest.approx(entity["score"], abs=1e-4)} for entity in whole.entities]
    ] * 2


@pytest.mark.release
def test_long_texts_are_trained_on_in_windows_and_what_that_cuts_is_said(
    zoo: Any, tmp_path: Path, make_tagged: Any, capsys: pytest.CaptureFixture[str]
):
    data = make_tagged(tmp_path / "long.jsonl", count=40, longest=40)
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    long = max(rows, key=lambda row: len(row["text"]))
    long["entities"] = [{"start": 0, "end": len(long["text"]), "label": "good"}]
    data.write_text("\n".join(map(json.dumps, rows)) + "\n")
    run = tlzoo.finetune("nlp/test-bert", data, out=tmp_path / "run", task="tokens", preprocess={"max_length": 12})
    said = capsys.readouterr().err
    assert "longer than the model's input: they are split into" in said
    assert "1 of" in said
    assert "entities are cut off where a text or a window ends" in said
    exported = run.export(tmp_path / "long.onnx")
    assert exported.parity.whole == run.data.n_test < exported.parity.samples
    assert f"windows of {run.data.n_test} held-out samples" in exported.parity.counted
    verified = tlzoo.verify(exported.path, data).parity
    assert (verified.whole, verified.samples) == (exported.parity.whole, exported.parity.samples)
    by_run, by_file = (tlzoo.evaluate(path, data) for path in (run.path, exported.path))
    assert (by_run.n, by_file.n) == (40, 40)
    assert by_run.metrics == pytest.approx(by_file.metrics, abs=1e-4)


def test_int8_is_judged_by_f1_and_by_tags(zoo: Any, tagged_run: Any, tmp_path: Path):
    exported = tagged_run.export(tmp_path / "int8.onnx", precision="int8")
    reference, lower = exported.metrics["reference"]["f1"], exported.metrics["exported"]["f1"]
    assert exported.parity.drop == pytest.approx(100 * (reference - lower))
    assert exported.parity.top1_agreement >= 0.95


def test_half_precision_in_the_cache_is_measured(zoo: Any, tagged: Path, tmp_path: Path):
    options = {"cache_precision": "fp16"}
    run = tlzoo.finetune("nlp/test-bert", tagged, out=tmp_path / "run", task="tokens", options=options)
    assert run.options["rounding"]["agreement"] == pytest.approx(1, abs=0.05)


def test_the_command_line_trains_predicts_and_writes_tables(zoo: Any, command: Any, tagged: Path, tagged_file: Any):
    lines = command("predict", tagged_file.path, "a great film", "awful").out.splitlines()
    assert lines[0] == "input\tentities"
    assert lines[1].startswith("a great film\tgreat [good ")
    table = zoo.folder / "answers.csv"
    table.unlink(missing_ok=True)
    assert command("predict", tagged_file.path, tagged, "--out", table).code == 0
    header, first = table.read_text().splitlines()[:2]
    assert header == "input,entities,error"
    assert '""label"":' in first
    for name, text in (
        ("a.conll", "a O\ngreat B-good\n\nawful B-bad\n"),
        ("b.jsonl", '{"tokens": ["a", "great"]}\n{"tokens": ["awful"]}\n'),
        ("c.csv", "sentence,word\n1,a\n1,great\n2,awful\n"),
    ):
        (zoo.folder / name).write_text(text)
        rows = command("predict", tagged_file.path, zoo.folder / name, "--json").json["predictions"]
        assert [row["input"] for row in rows] == ["a great", "awful"]
    row = command("predict", tagged_file.path, "great", "--json", "--threshold", "1").json["predictions"][0]
    assert row == {"input": "great", "entities": []}
    refused = command("predict", tagged_file.path, "great", "--top-k", "2")
    assert (refused.code, "--top-k" in refused.err) == (2, True)


def test_options_that_tags_cannot_take_are_refused_before_any_work(zoo: Any, tagged: Path, tmp_path: Path):
    for options in ({"augment": "light"}, {"class_weights": "balanced"}, {"mixup": 0.2}):
        with pytest.raises(UsageError):
            tlzoo.finetune(
                "nlp/test-bert", tagged, out=tmp_path / "run", task="tokens", strategy="finetune", options=options
            )
    with pytest.raises(UsageError, match="does not support"):
        tlzoo.finetune("vision/test-vit", tagged, out=tmp_path / "run", task="tokens")
