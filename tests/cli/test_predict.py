"""`tlzoo predict`: files, folders, texts and stdin."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def test_json_is_one_object_per_input_with_the_keys_that_others_rely_on(
    command: Command, picture_file: Any, pictures: Path
):
    given = [str(pictures / "red" / "000.png"), str(pictures / "blue" / "003.png")]
    document = command("predict", picture_file.path, *given, "--json").json
    assert [row["input"] for row in document] == given
    for row in document:
        assert set(row) == {"input", "label", "score", "scores"}
        assert list(row["scores"]) == ["blue", "green", "red"]
        assert row["scores"][row["label"]] == row["score"]
        assert sum(row["scores"].values()) == pytest.approx(1, abs=1e-6)


def test_a_folder_stands_for_what_lies_in_it(command: Command, picture_file: Any, pictures: Path):
    document = command("predict", picture_file.path, pictures / "red", "--json").json
    assert [Path(row["input"]).name for row in document] == [f"{number:03}.png" for number in range(12)]


def test_lines_are_input_label_and_score(command: Command, text_file: Any):
    done = command("predict", text_file.path, "a great film", "the worst")
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert rows[0] == ["input", "label", "score"]
    assert [row[0] for row in rows[1:]] == ["a great film", "the worst"]


def test_a_dash_reads_lines_from_stdin(command: Command, text_file: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("a great film\nthe worst\n"))
    document = command("predict", text_file.path, "-", "--json").json
    assert [row["input"] for row in document] == ["a great film", "the worst"]


def test_whoever_stops_reading_ends_it_without_a_trace(zoo: Any, text_file: Any):
    process = subprocess.Popen(
        [sys.executable, "-m", "tlzoo", "predict", str(text_file.path), *["a great film"] * 3000],
        env={**os.environ, **zoo.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert (process.stderr.read(), process.wait(60)) == (b"", 141)
    process.stderr.close()
