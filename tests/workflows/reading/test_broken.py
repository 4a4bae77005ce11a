"""Samples that cannot be read end a training with all of them named, or are left out up to a share, and stay so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import tlzoo
from tlzoo.errors import DataError
from tlzoo.tasks.intervals import wilson_interval


@pytest.fixture
def torn(pictures: Path, tmp_path: Path) -> tuple[Path, list[Path]]:
    """The pictures with two that are cut off and one that is empty."""
    data = Path(shutil.copytree(pictures, tmp_path / "torn"))
    files = sorted(data.rglob("*.png"))
    broken = [files[3], files[-2], files[len(files) // 2]]
    for file in broken[:2]:
        file.write_bytes(file.read_bytes()[:200])
    broken[2].write_bytes(b"")
    return data, broken


def test_all_that_cannot_be_read_are_named(zoo: Any, torn: Any, tmp_path: Path):
    data, broken = torn
    for left in (broken, broken[:2]):
        with pytest.raises(DataError) as error:
            tlzoo.finetune("vision/test-vit", data, out=tmp_path / "run")
        assert error.value.message.startswith(f"{len(left)} of {33 + len(left)} ")
        assert all(str(file) in error.value.message for file in left)
        assert "skip_broken=" in error.value.hint
        assert not (tmp_path / "run").exists()
        broken[2].unlink(missing_ok=True)


def test_evaluate_adapt_and_verify_name_all_of_them_or_leave_them_out(
    zoo: Any, torn: Any, picture_run: Any, picture_file: Any, command: Any, tmp_path: Path
):
    data, broken = torn
    lines: list[tuple[object, ...]] = [
        ("evaluate", picture_run.path, data),
        ("evaluate", picture_file.path, data),
        ("verify", picture_file.path, data),
        ("adapt", picture_run.path, "--target", data, "--out", tmp_path / "adapted"),
        ("export", picture_run.path, "--data", data, "--out", tmp_path / "exported.onnx"),
    ]
    for line in lines:
        done = command(*line)
        assert done.code == 2, line
        assert done.err.count("\nError: 3 of 36 samples cannot be read") == 1
        assert all(str(file) in done.err for file in broken)
        assert "--skip-broken 0.1" in done.err
    for line in lines:
        read = command(*line, "--skip-broken", "10%", "--json", "-q").json["read"]
        facts = read.get("target", read)
        assert (facts["used"], set(facts["broken"])) == (33, {str(file) for file in broken})


def test_a_text_that_cannot_be_prepared_is_named_by_its_row(tmp_path: Path):
    from tlzoo.data.broken import find_broken
    from tlzoo.data.samples import Samples
    from tlzoo.errors import InputError

    def prepare(inputs: Any) -> Any:
        if "odd" in inputs:
            raise InputError(f"Input {inputs.index('odd')} cannot be split into tokens: odd.")
        return {}

    samples = Samples(("a", "odd"), None, "text", ("a.csv, line 2", "a.csv, line 3"))
    [(name, error)] = find_broken([samples], prepare).items()
    assert (name, error.message) == ("a.csv, line 3", "a.csv, line 3 cannot be split into tokens: odd.")


def test_up_to_a_share_they_are_left_out_and_the_run_remembers_them(
    zoo: Any, torn: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    data, broken = torn
    (broken[0].parent / "notes.md").write_text("of the pictures")
    with pytest.raises(DataError, match=r"^3 of .* samples cannot be read"):
        tlzoo.finetune("vision/test-vit", data, out=tmp_path / "run", skip_broken=0.05)
    run = tlzoo.finetune("vision/test-vit", data, out=tmp_path / "run", skip_broken=0.2)
    said = capfd.readouterr().err
    assert "Left out: 3 samples that cannot be read" in said
    assert said.count("notes.md") == 2, "once for each of the two commands"
    assert run.data.n_train + run.data.n_validation + run.data.n_test == len(list(data.rglob("*.png"))) - 3
    assert set(run.data.read["data"]["broken"]) == {str(file) for file in broken}
    assert json.loads((run.path / "run.json").read_text())["data"]["read"]["data"]["used"] == run.data.n_train + (
        run.data.n_validation + run.data.n_test
    )
    run.export(tmp_path / "run.onnx")
    assert not {str(file) for file in broken} & set(run.splits().test.inputs)


@pytest.mark.parametrize(
    ("given", "said"),
    [("5", "cannot be '5'"), ("x%", "cannot be 'x%'"), ("-1%", "cannot be '-1%'"), ("nan", "cannot be 'nan'")],
)
def test_a_share_is_a_share(command: Any, pictures: Path, tmp_path: Path, zoo: Any, given: str, said: str):
    done = command("finetune", "vision/test-vit", pictures, "--out", tmp_path / "run", f"--skip-broken={given}")
    assert done.code == 2
    assert f"--skip-broken {said}" in done.err


def test_the_flag_takes_percent(command: Any, torn: Any, tmp_path: Path, zoo: Any):
    done = command(
        "finetune", "vision/test-vit", torn[0], "--out", tmp_path / "run", "--skip-broken", "20%", "--json", "-q"
    )
    assert len(done.json["read"]["data"]["broken"]) == 3


def test_a_hint_about_columns_names_an_option_where_there_is_one(
    command: Any, text_run: Any, texts: Path, tmp_path: Path
):
    renamed = tmp_path / "renamed.csv"
    renamed.write_text(texts.read_text().replace("label", "kind", 1))
    done = command("adapt", text_run.path, "--target", texts, "--test", renamed, "--out", tmp_path / "a")
    assert done.code == 2
    assert "Rename it: the columns are those of the data that" in done.err
    assert "--column" not in done.err
    done = command("export", text_run.path, "--data", renamed, "--out", tmp_path / "a.onnx")
    assert (done.code, "--label-column NAME" in done.err) == (2, True)


def test_an_interval_counts_copies_once(zoo: Any, texts: Path, tmp_path: Path):
    header, *lines = texts.read_text().splitlines()
    once, twice = tmp_path / "once.csv", tmp_path / "twice.csv"
    once.write_text("\n".join([header, *lines[:30]]) + "\n")
    twice.write_text("\n".join([header, *lines[:30], *lines[:30]]) + "\n")
    run = tlzoo.finetune("nlp/test-bert", texts, out=tmp_path / "run")
    one, two = (tlzoo.evaluate(run, data) for data in (once, twice))
    assert one.interval == pytest.approx(two.interval)
    assert one.metrics["accuracy"] == 1
    assert two.interval["low"] == pytest.approx(wilson_interval(30, 30)[0])
    assert two.n == 2 * one.n
