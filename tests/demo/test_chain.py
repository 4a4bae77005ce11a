"""The demonstration, for the modality with the smallest data, on real weights."""

import json
from pathlib import Path

import pytest

from tlzoo.cli import main
from tlzoo.cli.demo import COLUMNS
from tlzoo.cli.demo import _cells as cells

KEYS = {"modality", "checkpoint", "data", "n_train", "n_test", "seconds", "accuracy"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.mark.release
def test_the_speech_demo_s_onnx_file_is_as_accurate_as_the_trained_model_and_beats_scratch(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "speech", "--out", str(folder), "--json", "--quiet"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert set(row) >= KEYS
    assert row["accuracy"]["onnx"] == row["accuracy"]["trained"]
    assert row["accuracy"]["trained"] > 0.95
    assert row["accuracy"]["scratch"] < row["accuracy"]["trained"]
    assert (row["n_train"], row["n_test"]) == (700, 300)
    assert "synthetic" in row["data"]
    assert len(cells(row)) == len(COLUMNS)
    assert (folder / "speech" / "model.onnx").stat().st_size > 1_000_000


def test_an_unknown_demo_is_a_user_s_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "smell", "--out", str(folder)]) == 2
    assert "vision, nlp, speech" in capsys.readouterr().err


def test_a_folder_of_other_contents_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "speech").mkdir()
    (tmp_path / "speech" / "thesis.txt").write_text("years of work")
    assert main(["demo", "speech", "--out", str(tmp_path), "--quiet"]) == 2
    assert (tmp_path / "speech" / "thesis.txt").read_text() == "years of work"
