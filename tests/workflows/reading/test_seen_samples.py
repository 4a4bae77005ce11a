"""Held-out samples that were trained on are counted wherever figures are measured on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tlzoo
from tlzoo.progress import set_quiet


@pytest.fixture(autouse=True)
def spoken() -> None:
    """Progress is on, whatever a test before left."""
    set_quiet(False)


def part(texts: Path, file: Path, rows: slice) -> Path:
    header, *lines = texts.read_text().splitlines()
    file.write_text("\n".join([header, *lines[rows]]) + "\n")
    return file


def test_test_data_that_repeats_training_data_is_counted(
    zoo: Any, texts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    train, test = (
        part(texts, tmp_path / "train.csv", slice(0, 80, 2)),
        part(texts, tmp_path / "test.csv", slice(20, 50)),
    )
    run = tlzoo.finetune("nlp/test-bert", train, out=tmp_path / "run", test=test)
    assert "15 of 30 test samples have the content of a training sample" in capfd.readouterr().err
    assert {name: facts["overlap"] for name, facts in run.data.read.items()} == {"data": None, "test": 15}


def test_test_data_in_the_same_folder_that_repeats_training_data_is_counted(
    zoo: Any, texts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    part(texts, tmp_path / "train.csv", slice(0, 80, 2))
    part(texts, tmp_path / "test.csv", slice(40, 61))
    run = tlzoo.finetune("nlp/test-bert", tmp_path, out=tmp_path / "run")
    assert "11 of 21 test samples have the content of a training sample" in capfd.readouterr().err
    assert run.data.read["data"]["overlap"] == 11


def test_copies_are_said_and_stay_on_one_side_of_a_split(
    zoo: Any, texts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    header, *lines = texts.read_text().splitlines()
    (tmp_path / "twice.csv").write_text("\n".join([header, *lines, *lines]) + "\n")
    run = tlzoo.finetune("nlp/test-bert", tmp_path / "twice.csv", out=tmp_path / "run")
    said = capfd.readouterr().err
    assert "80 of 160 samples have the content of another" in said
    assert "were trained on" not in said
    assert run.data.read["data"]["copies"] == 80
    parts = run.splits()
    sides = [set(part.inputs) for part in (parts.train, parts.validation, parts.test)]
    assert [len(side) for side in sides] == [run.data.n_train // 2, run.data.n_validation // 2, run.data.n_test // 2]
    assert len(set().union(*sides)) == sum(map(len, sides))


def test_an_export_proven_on_training_data_says_so(
    text_run: Any, zoo: Any, texts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    text_run.export(tmp_path / "own.onnx")
    assert "were trained on" not in capfd.readouterr().err
    text_run.export(tmp_path / "model.onnx", data=texts)
    assert "64 of these 80 samples were trained on" in capfd.readouterr().err


def test_verify_says_it_too(text_file: Any, command: Any, zoo: Any, texts: Path):
    assert tlzoo.verify(text_file.path, texts).trained_on == 64
    assert "64 of these 80 samples were trained on" in command("verify", text_file.path, texts, "--quiet").out


def test_evaluate_says_where_no_list_was_kept(
    text_run: Any, zoo: Any, texts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    text_run.export(tmp_path / "model.onnx", trained_on=False)
    capfd.readouterr()
    found = tlzoo.evaluate(tmp_path / "model.onnx", texts)
    assert (found.trained_on, found.heldout) == (None, None)
    assert "is not known: no list of those was kept" in capfd.readouterr().err
