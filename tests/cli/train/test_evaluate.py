"""`tlzoo evaluate`: the same figures for a run and for its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def test_json_has_the_keys_that_others_rely_on_for_runs_and_files(
    command: Command, picture_run: Any, picture_file: Any, pictures: Path
):
    run = command("evaluate", picture_run.path, pictures, "--json", "--quiet").json
    file = command("evaluate", picture_file.path, pictures, "--json", "--quiet").json
    for document in (run, file):
        assert {"metrics", "n"} <= set(document)
        assert set(document["metrics"]) == {"accuracy", "macro_f1", "log_loss"}
        assert document["n"] == 36
    assert run["metrics"] == pytest.approx(file["metrics"], abs=1e-4)
    assert abs(run["metrics"]["accuracy"] - file["metrics"]["accuracy"]) <= 1e-6


def test_lines_name_every_metric(command: Command, text_file: Any, texts: Path):
    done = command("evaluate", text_file.path, texts)
    names = ["accuracy", "macro_f1", "log_loss"]
    said = "64 of these 80 samples were trained on; on the 16 others:"
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [line[0] for line in lines[:8]] == [*names, "n", said, *names]
    assert {line[0] for line in lines[8:]} == {"bad", "good"}
    assert lines[0][2].startswith("95%: ")
    assert lines[5][2].startswith("95%: ")


def test_other_columns_can_be_named(command: Command, text_file: Any, texts: Path, tmp_path: Path):
    table = tmp_path / "renamed.csv"
    table.write_text(texts.read_text().replace("text,label", "sentence,mood", 1))
    names = ("--text-column", "sentence", "--label-column", "mood")
    assert command("evaluate", text_file.path, table, "--json", "--quiet", *names).json["n"] == 80
