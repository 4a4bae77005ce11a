"""`tlzoo.evaluate`: a run by torch and its file by the runtime, with the same figures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from shared_fixtures.sealed import seal_files

import tlzoo
from tlzoo.errors import ArtifactError, DataError, RunError, UsageError
from tlzoo.tasks.intervals import wilson_interval
from tlzoo.workflows.evaluate import Evaluation


@pytest.mark.parametrize("kind", ["picture", "text", "recording"])
def test_a_run_and_its_file_measure_the_same(
    zoo: Any, kind: str, request: pytest.FixtureRequest, pictures: Path, texts: Path, recordings: Path
):
    data = {"picture": pictures, "text": texts, "recording": recordings}[kind]
    run = tlzoo.evaluate(request.getfixturevalue(f"{kind}_run").path, data)
    file = tlzoo.evaluate(request.getfixturevalue(f"{kind}_file").path, data)
    assert run.n == file.n > 0
    assert abs(run.metrics["accuracy"] - file.metrics["accuracy"]) <= 1e-6
    assert abs(run.metrics["macro_f1"] - file.metrics["macro_f1"]) <= 1e-6
    assert run.metrics["log_loss"] == pytest.approx(file.metrics["log_loss"], abs=1e-4)


def test_the_figures_are_those_of_the_predictions(zoo: Any, text_file: Any, texts: Path):
    rows = [row.rpartition(",") for row in texts.read_text().splitlines()[1:]]
    predictions = text_file.load().predict([text for text, _, _ in rows])
    right = [prediction.label == label for prediction, (_, _, label) in zip(predictions, rows, strict=True)]
    assert tlzoo.evaluate(text_file.path, texts).metrics["accuracy"] == pytest.approx(sum(right) / len(right))


def test_where_data_has_a_test_part_that_part_alone_counts(zoo: Any, picture_file: Any, pictures: Path, tmp_path: Path):
    shutil.copytree(pictures, tmp_path / "data" / "train")
    for label in ("blue", "green", "red"):
        (tmp_path / "data" / "test" / label).mkdir(parents=True)
        shutil.copy(pictures / label / "003.png", tmp_path / "data" / "test" / label)
    assert tlzoo.evaluate(picture_file.path, tmp_path / "data").n == 3


def test_the_interval_is_wilsons_and_the_rate_of_each_class_has_its_own(zoo: Any, text_file: Any, texts: Path):
    found = tlzoo.evaluate(text_file.path, texts)
    right = round(found.metrics["accuracy"] * found.n)
    assert (found.interval["metric"], found.interval["level"]) == ("accuracy", 0.95)
    assert (found.interval["low"], found.interval["high"]) == pytest.approx(wilson_interval(right, found.n))
    assert found.trained_on == 64
    assert found.heldout is not None
    assert found.heldout_interval is not None
    new = round(found.heldout["accuracy"] * 16)
    assert found.heldout_interval["low"] == pytest.approx(wilson_interval(new, 16)[0])
    assert sum(each.found for each in found.labels.values()) == new
    assert sum(each.n for each in found.labels.values()) == 16
    for each in found.labels.values():
        assert (each.low, each.high) == wilson_interval(each.found, each.n)
    shares = [each.found / each.n for each in found.labels.values()]
    assert shares == sorted(shares)


def test_one_class_is_enough_to_measure(zoo: Any, picture_run: Any, picture_file: Any, pictures: Path, tmp_path: Path):
    shutil.copytree(pictures / "red", tmp_path / "red")
    results = [tlzoo.evaluate(model, tmp_path) for model in (picture_run.path, picture_file.path)]
    assert [result.n for result in results] == [12, 12]
    assert results[0].metrics == pytest.approx(results[1].metrics, abs=1e-4)


def test_labels_that_the_model_does_not_know_are_named(zoo: Any, picture_file: Any, pictures: Path, tmp_path: Path):
    shutil.copytree(pictures / "red", tmp_path / "crimson")
    with pytest.raises(DataError, match="'crimson'"):
        tlzoo.evaluate(picture_file.path, tmp_path)


def test_columns_are_remembered_by_the_run_and_can_be_named_for_both(
    zoo: Any, texts: Path, text_file: Any, tmp_path: Path
):
    table = tmp_path / "renamed.csv"
    table.write_text(texts.read_text().replace("text,label", "sentence,mood", 1))
    columns = {"text_column": "sentence", "label_column": "mood"}
    run = tlzoo.finetune("nlp/test-bert", table, out=tmp_path / "run", columns=columns)
    assert isinstance(tlzoo.evaluate(run.path, table), Evaluation)
    assert tlzoo.evaluate(text_file.path, table, columns=columns).n == 80
    with pytest.raises(DataError, match="'text'"):
        tlzoo.evaluate(text_file.path, table)


def test_a_file_remembers_the_columns_of_its_run(zoo: Any, texts: Path, tmp_path: Path):
    table = tmp_path / "renamed.csv"
    table.write_text(texts.read_text().replace("text,label", "sentence,mood", 1))
    columns = {"text_column": "sentence", "label_column": "mood"}
    run = tlzoo.finetune("nlp/test-bert", table, out=tmp_path / "run", columns=columns)
    file = run.export(tmp_path / "model.onnx")
    assert tlzoo.evaluate(file.path, table).n == 80
    assert tlzoo.verify(file.path, table).missing == 0


@pytest.mark.parametrize("kind", ["picture", "text"])
def test_samples_of_training_are_counted_and_the_others_measured_apart(
    zoo: Any, kind: str, request: pytest.FixtureRequest, pictures: Path, texts: Path
):
    data = {"picture": pictures, "text": texts}[kind]
    run, file = request.getfixturevalue(f"{kind}_run"), request.getfixturevalue(f"{kind}_file")
    for model in (run.path, file.path):
        found = tlzoo.evaluate(model, data)
        assert found.trained_on == run.data.n_train + run.data.n_validation
        assert found.n - found.trained_on == run.data.n_test
        assert found.heldout == pytest.approx(dict(run.metrics), abs=1e-4)


def test_of_data_that_is_new_nothing_is_said_and_of_training_data_alone_no_figures_apart(
    zoo: Any, picture_run: Any, make_pictures: Any, tmp_path: Path
):
    found = tlzoo.evaluate(picture_run.path, make_pictures(tmp_path / "new", 3, seed=1))
    assert (found.trained_on, found.heldout) == (0, None)
    for path in picture_run.splits().train.inputs:
        (tmp_path / "old" / Path(path).parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "old" / Path(path).parent.name)
    found = tlzoo.evaluate(picture_run.path, tmp_path / "old")
    assert (found.trained_on, found.heldout) == (found.n, None)


def test_a_file_may_leave_out_what_it_was_trained_on(zoo: Any, picture_run: Any, pictures: Path, tmp_path: Path):
    file = picture_run.export(tmp_path / "model.onnx", trained_on=False)
    assert b"tlzoo.trained_on" not in file.path.read_bytes()
    assert tlzoo.evaluate(file.path, pictures).trained_on is None


def test_a_torn_filter_is_an_error_that_names_its_file(zoo: Any, picture_run: Any, pictures: Path, tmp_path: Path):
    shutil.copytree(picture_run.path, tmp_path / "run")
    (tmp_path / "run" / "trained_on.json").write_text('{"count": 1')
    seal_files(tmp_path / "run")
    with pytest.raises(RunError, match=r"trained_on\.json cannot be read"):
        tlzoo.evaluate(tmp_path / "run", pictures)


def test_a_model_that_is_not_there_and_no_data_are_named(picture_file: Any, tmp_path: Path):
    with pytest.raises(ArtifactError, match="does not exist"):
        tlzoo.evaluate(tmp_path / "gone.onnx", tmp_path)
    with pytest.raises(UsageError):
        tlzoo.evaluate(picture_file.path, "")
