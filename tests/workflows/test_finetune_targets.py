"""Several labels per sample and numbers, from a table through a run and its proven file to predictions."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tlzoo
from tlzoo.errors import DataError, UsageError
from tlzoo.workflows.run import Run

Command = Callable[..., Any]
KIND, UNKIND = ("great happy lovely best".split(), "awful sad worst dull".split())


def write_table(file: Path, header: tuple[str, str], rows: list[tuple[object, object]]) -> Path:
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([header, *rows])
    return file


@pytest.fixture(scope="module")
def levels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of one grey each, and how light it is, on a scale far from 0."""
    folder, random = tmp_path_factory.mktemp("levels"), np.random.default_rng(0)
    rows: list[tuple[object, object]] = []
    for number in range(40):
        light = int(random.integers(20, 235))
        pixels = random.normal(light, 5, (64, 64, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append((f"{number}.png", 5000 + 10 * light))
    return write_table(folder / "levels.csv", ("path", "lux"), rows)


@pytest.fixture(scope="module")
def moods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts that hold kind words, unkind words, both or neither."""
    random = np.random.default_rng(0)
    rows: list[tuple[object, object]] = []
    for _ in range(120):
        there = random.integers(0, 2, 2).astype(bool)
        words = ["the", "film", "was"]
        for chosen, kinds in zip(there, (KIND, UNKIND), strict=True):
            words += [str(word) for word in random.choice(kinds, 3)] if chosen else []
        labels = ";".join(label for label, chosen in zip(("good", "bad"), there, strict=True) if chosen)
        rows.append((" ".join(words), labels))
    return write_table(tmp_path_factory.mktemp("moods") / "moods.csv", ("text", "label"), rows)


def test_image_regression_goes_from_a_table_to_values(command: Command, shared_zoo: Any, levels: Path, tmp_path: Path):
    run, file = tmp_path / "run", tmp_path / "levels.onnx"
    column = ("--label-column", "lux")
    trained = command(
        "finetune", "vision/test-resnet", levels, "--out", run, "--task", "regression", *column, "--json", "-q"
    ).json
    assert (trained["task"], trained["labels"]) == ("image-regression", ["lux"])
    assert trained["metrics"]["r2"] > 0.9
    exported = command("export", run, "--out", file, "--json", "-q").json
    assert exported["parity"]["top1_agreement"] == 1.0
    by_torch = command("evaluate", run, levels, "--json", "-q").json["metrics"]
    by_file = command("evaluate", file, levels, *column, "--json", "-q").json["metrics"]
    assert by_file == pytest.approx(by_torch, rel=1e-3)
    picture = str(levels.parent / "0.png")
    [answer] = command("predict", file, picture, "--json", "-q").json["predictions"]
    assert set(answer) == {"input", "value"}
    assert answer["value"] == pytest.approx(float(levels.read_text().splitlines()[1].split(",")[1]), abs=300)
    lines = command("predict", file, picture, "-q").out.splitlines()
    assert lines[0].split("\t") == ["input", "value"]
    again = tlzoo.load(file).predict(picture)[0]
    assert again.value == answer["value"]


def test_text_multilabel_goes_from_a_table_to_labels(command: Command, shared_zoo: Any, moods: Path, tmp_path: Path):
    run, file = tmp_path / "run", tmp_path / "moods.onnx"
    trained = command(
        "finetune", "nlp/test-bert", moods, "--out", run, "--task", "text-multilabel", "--json", "-q"
    ).json
    assert trained["labels"] == ["bad", "good"]
    assert trained["metrics"]["macro_f1"] > 0.9
    exported = command("export", run, "--out", file, "--json", "-q").json
    assert exported["metrics"]["exported"] == pytest.approx(exported["metrics"]["reference"], abs=1e-4)
    by_torch = command("evaluate", run, moods, "--json", "-q").json["metrics"]
    assert by_torch == pytest.approx(command("evaluate", file, moods, "--json", "-q").json["metrics"], abs=1e-4)
    texts = ["the film was great lovely best awful worst sad", "the film was", "the film was awful sad worst"]
    answers = command("predict", file, *texts, "--json", "-q").json["predictions"]
    assert [answer["labels"] for answer in answers] == [["bad", "good"], [], ["bad"]]
    assert all(list(answer["scores"]) == ["bad", "good"] for answer in answers)
    lines = command("predict", file, *texts, "-q").out.splitlines()
    assert [line.split("\t")[1] for line in lines] == ["labels", "bad;good", "", "bad"]


def test_recordings_take_numbers_and_several_labels_too(zoo: Any, make_recordings: Callable[..., Path], tmp_path: Path):
    files = sorted(make_recordings(tmp_path / "recordings", 40).rglob("*.wav"))
    numbers = [(file, 1.0 if "tone" in str(file) else -1.0) for file in files]
    labels = [(str(file), "loud;tone" if "tone" in str(file) else "loud") for file in files]
    table = write_table(tmp_path / "numbers.csv", ("path", "label"), numbers)
    lines = tmp_path / "labels.jsonl"
    lines.write_text("".join(json.dumps({"path": path, "label": cell.split(";")}) + "\n" for path, cell in labels))
    rated = tlzoo.finetune("speech/test-wav2vec2", table, out=tmp_path / "rated", task="audio-regression")
    assert rated.metrics["rmse"] < 0.6
    tagged = tlzoo.finetune("speech/test-wav2vec2", lines, out=tmp_path / "tagged", task="multilabel")
    assert tagged.metrics["micro_f1"] > 0.9
    predictor = tagged.export(tmp_path / "tagged.onnx").load()
    assert "loud" in predictor.predict(str(files[0]))[0].labels


def test_a_regression_run_is_loaded_as_it_was_saved(zoo: Any, levels: Path, tmp_path: Path):
    run = tlzoo.finetune(
        "vision/test-resnet", levels, out=tmp_path / "run", task="regression", columns={"label_column": "lux"}
    )
    loaded = Run.load(tmp_path / "run")
    assert (loaded.head, loaded.task.labels, loaded.metrics) == ("linear", ("lux",), run.metrics)
    assert set(run.model().state_dict()) >= {"head.weight", "head.bias", "head.mean", "head.std"}
    assert run.splits().test == run.heldout()


def test_adapting_a_regression_answers_numbers_as_well(zoo: Any, levels: Path, tmp_path: Path):
    run = tlzoo.finetune(
        "vision/test-resnet", levels, out=tmp_path / "run", task="regression", columns={"label_column": "lux"}
    )
    adapted = tlzoo.adapt(run, levels.parent, out=tmp_path / "adapted")
    assert adapted.metrics["r2"] > 0.8


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_folders_of_classes_are_refused_with_a_way_out(zoo: Any, pictures: Path, tmp_path: Path, task: str):
    with pytest.raises(DataError) as error:
        tlzoo.finetune("vision/test-resnet", pictures, out=tmp_path / "run", task=task)
    assert "table" in error.value.hint


def test_a_task_of_another_modality_is_refused_with_those_served(
    command: Command, zoo: Any, moods: Path, tmp_path: Path
):
    done = command("finetune", "nlp/test-bert", moods, "--out", tmp_path / "run", "--task", "image-regression")
    assert done.code == 2
    assert "text-multilabel" in done.err
    with pytest.raises(UsageError, match="'poetry'"):
        tlzoo.finetune("nlp/test-bert", moods, out=tmp_path / "run", task="poetry")


@pytest.mark.parametrize("cell", ["nan", "inf", "", "tall"])
def test_a_target_that_is_no_number_is_named_with_its_row(command: Command, zoo: Any, tmp_path: Path, cell: str):
    table = write_table(tmp_path / "t.csv", ("text", "label"), [("good film", 1), ("bad film", cell), ("film", 3)])
    done = command("finetune", "nlp/test-bert", table, "--out", tmp_path / "run", "--task", "regression")
    assert done.code == 2
    assert "t.csv" in done.err
    assert "line 3" in done.err


def test_targets_that_are_all_the_same_are_refused(zoo: Any, tmp_path: Path):
    table = write_table(tmp_path / "t.csv", ("text", "label"), [(f"film {n}", 7) for n in range(10)])
    with pytest.raises(DataError, match="only one target value, 7"):
        tlzoo.finetune("nlp/test-bert", table, out=tmp_path / "run", task="regression")
