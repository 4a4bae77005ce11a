"""Splits of one's own in whole runs: recorded, said, read again, cross-validated, weighted."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import tlzoo
from tlzoo.errors import DataError, RunError, UsageError
from tlzoo.runs.run import RunFolder
from tlzoo.tasks.intervals import wilson_interval

BERT, RESNET = "nlp/test-bert", "vision/test-resnet"
OWN = [("fine", "good"), ("sad", "bad"), ("lovely", "good"), ("grim", "bad")]
FIELDS = ["text", "label", "patient", "part", "weight"]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def patients(texts: Path, tmp_path: Path) -> Path:
    """The texts, each of one of 20 patients, with a part and a weight."""
    parts = ["train", "train", "train", "val", "test"]
    rows = [
        {"text": row["text"], "label": row["label"], "patient": f"p{at % 20}", "part": parts[at % 5], "weight": at % 4}
        for at, row in enumerate(rows_of(texts))
    ]
    return write(tmp_path / "patients.csv", rows)


def test_groups_are_said_recorded_and_read_again(command: Any, patients: Path, tmp_path: Path):
    done = command("finetune", BERT, patients, "--out", tmp_path / "run", "--group-column", "patient")
    assert done.code == 0, done.err
    run = RunFolder.load(tmp_path / "run")
    said = ", ".join(f"{count} {part}" for part, count in run.data.groups.items())
    assert f"20 groups: {said}" in done.err
    parts = run.splits()
    assert parts.groups() == run.data.groups
    assert not set(parts.train.groups) & {*parts.validation.groups, *parts.test.groups}
    document = json.loads((tmp_path / "run" / "run.json").read_text())
    assert document["data"]["columns"] == {"group_column": "patient"}
    right = document["metrics"]["accuracy"] * len(parts.test)
    assert document["interval"]["low"] <= wilson_interval(right, len(parts.test))[0]


def test_a_column_of_parts_is_what_export_and_evaluate_read(command: Any, patients: Path, tmp_path: Path):
    run = tlzoo.finetune(BERT, patients, out=tmp_path / "run", columns={"split_column": "part"})
    assert (run.data.n_train, run.data.n_validation, run.data.n_test) == (48, 16, 16)
    measured = tlzoo.evaluate(run, patients)
    assert (measured.n, measured.trained_on) == (16, 0)
    assert measured.metrics == pytest.approx(dict(run.metrics), abs=1e-6)
    exported = tmp_path / "model.onnx"
    tlzoo.export(run, exported)
    assert tlzoo.evaluate(exported, patients).n == 16
    plain = tlzoo.finetune(BERT, patients, out=tmp_path / "plain")
    done = command("evaluate", plain.path, patients, "--split-column", "part")
    assert "n\t16" in done.out


def test_a_validation_set_is_recorded_and_missed_when_it_is_gone(texts: Path, tmp_path: Path, zoo: Any):
    own = tmp_path / "own.csv"
    own.write_text("text,label\n" + "".join(f"{word} room,{label}\n" for word, label in OWN))
    run = tlzoo.finetune(BERT, texts, out=tmp_path / "run", validation=own)
    assert (run.data.n_validation, run.data.validation) == (4, str(own.resolve()))
    assert run.splits().validation.inputs[0] == "fine room"
    own.unlink()
    with pytest.raises(DataError, match="no longer at"):
        run.splits()
    wrong: Any = 3
    with pytest.raises(UsageError, match="`validation` cannot be 3"):
        tlzoo.finetune(BERT, texts, out=tmp_path / "other", validation=wrong)


def test_copies_of_training_samples_in_a_validation_set_are_counted(texts: Path, tmp_path: Path, command: Any):
    done = command("finetune", BERT, texts, "--validation", texts, "--out", tmp_path / "run")
    assert "64 of 80 validation samples have the content of a training sample" in done.err


def test_folds_give_each_sample_an_answer_of_a_probe_that_had_not_seen_it(command: Any, patients: Path, tmp_path: Path):
    done = command("finetune", BERT, patients, "--out", tmp_path / "run", "--folds", "4", "--group-column", "patient")
    assert "Cross-validated, each of all 80 samples by a probe that had not seen it, 4 folds: accuracy" in done.out
    rows = rows_of(tmp_path / "run" / "out_of_fold.csv")
    assert list(rows[0]) == ["sample", "part", "group", "target", "fold", "label", "score", "scores"]
    assert len({row["sample"] for row in rows}) == 80
    assert {row["fold"] for row in rows} == {"1", "2", "3", "4"}
    assert len({(row["group"], row["fold"]) for row in rows}) == 20
    found = RunFolder.load(tmp_path / "run").cross_validation
    assert found is not None
    right = sum(row["label"] == row["target"] for row in rows)
    assert (found["folds"], found["n"], found["metrics"]["accuracy"]) == (4, 80, right / 80)
    low, high = wilson_interval(right, 80)
    assert (found["interval"]["low"] or 0) <= low <= high <= (found["interval"]["high"] or 0)


def test_a_given_test_part_is_not_cross_validated(patients: Path, tmp_path: Path, zoo: Any):
    run = tlzoo.finetune(BERT, patients, out=tmp_path / "run", columns={"split_column": "part"}, folds=3)
    assert run.cross_validation is not None
    assert run.cross_validation["n"] == 64
    assert {row["part"] for row in rows_of(tmp_path / "run" / "out_of_fold.csv")} == {"training", "validation"}


def test_more_folds_than_groups_are_refused_before_anything_is_built(
    patients: Path, tmp_path: Path, zoo: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tlzoo.workflows.train.train", lambda *given: pytest.fail("a network was built"))
    columns: Any = {"group_column": "patient", "split_column": "part"}
    with pytest.raises(UsageError, match="`folds=17` needs 17 groups; there are 16") as caught:
        tlzoo.finetune(BERT, patients, out=tmp_path / "run", columns=columns, folds=17)
    assert caught.value.parameter == "folds"


@pytest.mark.parametrize("strategy", ["finetune", "lp-ft", "lora", "auto"])
def test_folds_are_for_probes(texts: Path, tmp_path: Path, zoo: Any, strategy: str):
    with pytest.raises(UsageError, match="`folds` has no effect with") as caught:
        tlzoo.finetune(BERT, texts, out=tmp_path / "run", strategy=strategy, folds=5)
    assert "probe" in caught.value.hint


@pytest.mark.parametrize("folds", [1, 21, 2.5])
def test_there_are_2_to_20_folds(texts: Path, tmp_path: Path, zoo: Any, folds: Any):
    with pytest.raises(UsageError, match="`folds` cannot be"):
        tlzoo.finetune(BERT, texts, out=tmp_path / "run", folds=folds)


@pytest.mark.parametrize(
    ("strategy", "options"), [("probe", {"l2": 0.01}), ("finetune", {"epochs": 12, "lr": 1e-3, "probe": False})]
)
def test_rows_of_weight_0_are_as_if_they_were_not_trained_on(
    patients: Path, tmp_path: Path, zoo: Any, strategy: str, options: dict[str, Any]
):
    """Two thirds of the training labels are turned round: a run that counted them would learn these."""
    rows = rows_of(patients)
    for at, row in enumerate(rows):
        row["weight"] = "0" if at % 5 < 2 else "5"
        if row["weight"] == "0":
            row["label"] = "good" if row["label"] == "bad" else "bad"
    columns: Any = {"split_column": "part", "weight_column": "weight"}
    run = tlzoo.finetune(
        BERT, write(patients, rows), out=tmp_path / "run", strategy=strategy, columns=columns, **options
    )
    assert run.metrics["accuracy"] > 0.7


def test_other_weights_are_another_training(patients: Path, tmp_path: Path, zoo: Any):
    plain = tlzoo.finetune(BERT, patients, out=tmp_path / "plain")
    weighted = tlzoo.finetune(BERT, patients, out=tmp_path / "weighted", columns={"weight_column": "weight"})
    assert plain.data.fingerprint != weighted.data.fingerprint
    assert weighted.splits().train.weights
    assert set(weighted.metrics) == set(plain.metrics)


def test_the_folders_of_patients_are_groups_when_asked(make_pictures: Any, tmp_path: Path, zoo: Any):
    folder = make_pictures(tmp_path / "scans", 12)
    for kind in list(folder.iterdir()):
        for at, file in enumerate(sorted(kind.iterdir())):
            (kind / f"p{at % 6}").mkdir(exist_ok=True)
            file.rename(kind / f"p{at % 6}" / file.name)
    run = tlzoo.finetune(RESNET, folder, out=tmp_path / "run", group_by="folder")
    assert sum(run.data.groups.values()) == 6
    parts = run.splits()
    assert not set(parts.train.groups) & set(parts.test.groups)
    assert {Path(str(name)).parent.name for name in parts.test.inputs} == set(parts.test.groups)
    adapted = tlzoo.adapt(run, make_pictures(tmp_path / "target", 10), out=tmp_path / "adapted")
    assert adapted.splits().groups() == run.data.groups


@pytest.mark.parametrize("name", ["split_column", "group_column", "weight_column"])
def test_columns_without_effect_are_refused(texts: Path, pictures: Path, tmp_path: Path, zoo: Any, name: str):
    columns: Any = {name: "x"}
    with pytest.raises(UsageError, match="has no effect"):
        tlzoo.finetune(RESNET, pictures, out=tmp_path / "run", columns=columns)
    with pytest.raises(DataError, match="has no column 'x'"):
        tlzoo.finetune(BERT, texts, out=tmp_path / "run", columns=columns)


def test_a_run_without_any_of_it_is_recorded_as_before(text_run: Any):
    facts = json.loads((text_run.path / "run.json").read_text())["data"]
    assert {"validation", "group_by", "groups"}.isdisjoint(facts)


def test_a_run_is_not_resumed_on_another_validation_set(tmp_path: Path):
    from tlzoo.options import Finetune, flat
    from tlzoo.workflows.train import _check_same_run

    before = {"data": "1", "validation data": "2", "options": flat(Finetune()), "weights": {}}
    assert _check_same_run(tmp_path, before, before, Finetune(), "nlp") == before
    with pytest.raises(RunError, match="another validation data"):
        _check_same_run(tmp_path, before, {**before, "validation data": "3"}, Finetune(), "nlp")
