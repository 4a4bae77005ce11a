"""Texts and recordings that are longer than what a model reads of them are counted wherever data is read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import tlzoo
from tlzoo.progress import set_quiet

MAX_LENGTH = 8
WORDS = MAX_LENGTH - 2
"""The test network's tokenizer gives a token for each word, and two at the ends."""


@pytest.fixture(autouse=True)
def spoken() -> None:
    """Progress is on, whatever a test before left."""
    set_quiet(False)


@pytest.fixture(scope="module")
def long_texts(tmp_path_factory: pytest.TempPathFactory, texts: Path) -> Path:
    """The texts, every fourth with 3,000 blanks and a word behind them."""
    rows = list(csv.reader(texts.read_text().splitlines()))
    file = tmp_path_factory.mktemp("long") / "long.csv"
    with file.open("w", newline="") as into:
        writer = csv.writer(into)
        writer.writerow(rows[0])
        for at, (text, label) in enumerate(rows[1:]):
            writer.writerow([text if at % 4 else f"{text}{' ' * 3000}film", label])
    return file


def longer(file: Path, places: Any = slice(None)) -> int:
    with file.open(newline="") as table:
        return sum(len(row["text"].split()) > WORDS for row in list(csv.DictReader(table))[places])


def cut(facts: Any) -> Any:
    return facts["cut"]


@pytest.mark.parametrize("options", [{}, {"cache": False}, {"strategy": "finetune", "epochs": 1}])
def test_long_texts_are_counted_by_tokens_also_where_features_come_from_the_cache(
    zoo: Any, long_texts: Path, tmp_path: Path, options: Any, capfd: pytest.CaptureFixture[str]
):
    expected = {"longer": longer(long_texts), "limit": MAX_LENGTH, "unit": "tokens"}
    assert 0 < expected["longer"] < 80
    for name in ("first", "again"):
        run = tlzoo.finetune(
            "nlp/test-bert", long_texts, out=tmp_path / name, preprocess={"max_length": MAX_LENGTH}, **options
        )
        assert cut(run.data.read["data"]) == expected
        assert f"{expected['longer']} of 80 texts are longer than 8 tokens" in capfd.readouterr().err


def test_where_none_is_longer_nothing_is_said(zoo: Any, texts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    run = tlzoo.finetune("nlp/test-bert", texts, out=tmp_path / "run")
    assert cut(run.data.read["data"]) == {"longer": 0, "limit": 32, "unit": "tokens"}
    assert "longer" not in capfd.readouterr().err


def test_a_test_set_of_its_own_has_a_count_of_its_own(zoo: Any, long_texts: Path, make_texts: Any, tmp_path: Path):
    test = make_texts(tmp_path / "test.csv", 10, seed=5)
    run = tlzoo.finetune(
        "nlp/test-bert", long_texts, test=test, out=tmp_path / "run", preprocess={"max_length": MAX_LENGTH}
    )
    assert cut(run.data.read["data"])["longer"] == longer(long_texts)
    assert cut(run.data.read["test"])["longer"] == longer(test)


@pytest.fixture
def short_run(zoo: Any, texts: Path, tmp_path: Path) -> Any:
    return tlzoo.finetune("nlp/test-bert", texts, out=tmp_path / "short", preprocess={"max_length": MAX_LENGTH})


def test_evaluate_verify_adapt_and_predict_count_them(short_run: Any, long_texts: Path, command: Any, tmp_path: Path):
    file, expected = tmp_path / "short.onnx", {"longer": longer(long_texts), "limit": MAX_LENGTH, "unit": "tokens"}
    exported = command("export", short_run.path, "--data", long_texts, "--out", file)
    said = f"{expected['longer']} of 80 texts are longer than 8 tokens"
    assert (exported.code, said in exported.err) == (0, True), exported.err
    for name, model in (("evaluate", short_run.path), ("evaluate", file), ("verify", file)):
        done = command(name, model, long_texts, "--json")
        assert (cut(json.loads(done.out)["read"]), said in done.err) == (expected, True), name
    both = ("--target", long_texts, "--test", long_texts)
    done = command("adapt", short_run.path, *both, "--out", tmp_path / "a", "--json")
    read = json.loads(done.out)["read"]
    assert {name: cut(facts) for name, facts in read.items()} == {"target": expected, "test": expected}
    assert json.loads((tmp_path / "a" / "run.json").read_text())["adapted"]["read"] == read
    done = command("predict", file, long_texts, "--json")
    answered = json.loads(done.out)
    assert (cut(answered["read"]), said in done.err) == (expected, True)
    assert sum(row.get("cut", False) for row in answered["predictions"]) == expected["longer"]
    for form in ("--jsonl", None):
        assert said in command("predict", file, long_texts, *filter(None, [form])).err


def test_recordings_are_counted_by_seconds(zoo: Any, recordings: Path, command: Any, tmp_path: Path):
    frames = [soundfile.info(path).frames for path in recordings.rglob("*.wav")]
    expected = {"longer": sum(each > 4000 for each in frames), "limit": 0.25, "unit": "s"}
    assert 0 < expected["longer"] < len(frames)
    run = tlzoo.finetune("speech/test-wav2vec2", recordings, out=tmp_path / "run")
    assert cut(run.data.read["data"]) == expected
    run.export(tmp_path / "run.onnx")
    for model in (run.path, tmp_path / "run.onnx"):
        assert cut(command("evaluate", model, recordings, "--json", "-q").json["read"]) == expected
    done = command("predict", tmp_path / "run.onnx", recordings, "--json")
    assert cut(json.loads(done.out)["read"]) == expected
    assert f"{expected['longer']} of 30 recordings are longer than 0.25 s" in done.err


def test_an_answer_says_of_its_input_that_it_was_cut(text_file: Any):
    predictor = tlzoo.load(text_file.path)
    short, long = predictor.predict(["great film", "great film " * 40])
    assert (short.cut, long.cut) == (False, True)
    assert "cut" not in short.as_row()
    assert long.as_row()["cut"] is True


def test_what_is_read_in_windows_is_not_cut(tagged_file: Any, command: Any, zoo: Any):
    done = command("predict", tagged_file.path, "great film " * 400, "--json")
    assert (cut(json.loads(done.out)["read"]), "longer than" in done.err) == (None, False)


def test_pictures_have_no_length(picture_run: Any):
    assert cut(picture_run.data.read["data"]) is None


@pytest.mark.parametrize(
    ("samples", "rate", "over"),
    [(4000, 16_000, False), (4001, 16_000, True), (11025, 44_100, False), (11070, 44_100, True), (900, 16_000, False)],
)
def test_a_recording_is_longer_by_its_own_rate(samples: int, rate: int, over: bool):
    from tlzoo.preprocess.audio import AudioPreprocessor
    from tlzoo.specs import AudioSpec

    prepare = AudioPreprocessor(AudioSpec(sample_rate=16_000, seconds=0.25))
    assert prepare([(np.full(samples, 0.1, np.float32), rate)]).longer == [over]
