"""`tlzoo predict`: files, folders, texts and stdin."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def test_json_is_one_object_per_input_with_the_keys_that_others_rely_on(
    command: Command, picture_file: Any, pictures: Path
):
    given = [str(pictures / "red" / "000.png"), str(pictures / "blue" / "003.png")]
    document = command("predict", picture_file.path, *given, "--json").json["predictions"]
    assert [row["input"] for row in document] == given
    for row in document:
        assert set(row) == {"input", "label", "score", "scores"}
        assert list(row["scores"]) == ["blue", "green", "red"]
        assert row["scores"][row["label"]] == row["score"]
        assert sum(row["scores"].values()) == pytest.approx(1, abs=1e-6)


def test_a_folder_stands_for_what_lies_in_it(command: Command, picture_file: Any, pictures: Path):
    document = command("predict", picture_file.path, pictures / "red", "--json").json["predictions"]
    assert [Path(row["input"]).name for row in document] == [f"{number:03}.png" for number in range(12)]


def test_lines_are_input_label_and_score(command: Command, text_file: Any):
    done = command("predict", text_file.path, "a great film", "the worst")
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert rows[0] == ["input", "label", "score"]
    assert [row[0] for row in rows[1:]] == ["a great film", "the worst"]


def test_a_file_of_text_is_answered_under_its_name(command: Command, text_file: Any, tmp_path: Path):
    (tmp_path / "a.txt").write_text("a great film")
    (tmp_path / "b.txt").write_bytes(b"\xe9t\xe9")
    good, bad = json.loads(command("predict", text_file.path, tmp_path, "--json").out)["predictions"]
    assert good["input"] == str(tmp_path / "a.txt")
    assert good["label"]
    assert (bad["input"], "--encoding cp1252" in bad["error"]) == (str(tmp_path / "b.txt"), True)


def test_a_dash_reads_lines_from_stdin(command: Command, text_file: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("a great film\nthe worst\n"))
    document = command("predict", text_file.path, "-", "--json").json["predictions"]
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


def test_inputs_that_cannot_be_read_are_counted_and_the_others_answered(
    command: Command, picture_file: Any, pictures: Path, tmp_path: Path
):
    good = pictures / "red" / "000.png"
    done = command("predict", picture_file.path, good, tmp_path / "gone.png", "--jsonl")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 0
    assert [(row["input"], row.get("label")) for row in rows] == [
        (str(good), "red"),
        (str(tmp_path / "gone.png"), None),
    ]
    assert "gone.png" in rows[1]["error"]
    assert "1 of 2 inputs" in done.err


def test_only_when_all_inputs_fail_or_strictly_is_it_an_error(
    command: Command, picture_file: Any, pictures: Path, tmp_path: Path
):
    gone = tmp_path / "gone.png"
    for arguments in ([gone, gone], [gone, "--json"], [pictures / "red" / "000.png", gone, "--strict"]):
        done = command("predict", picture_file.path, *arguments)
        assert done.code == 2
        assert done.err.startswith("Error: ")
        assert "gone.png" in done.err


def test_a_pattern_and_a_column_of_paths_stand_for_files(
    command: Command, picture_file: Any, pictures: Path, tmp_path: Path
):
    table = tmp_path / "list.csv"
    table.write_text(f"name,file\nx,{os.path.relpath(pictures / 'red' / '001.png', tmp_path)}\n")
    matched = command("predict", picture_file.path, pictures / "**" / "00[12].png", "--json").json["predictions"]
    assert len(matched) == 6
    listed = command("predict", picture_file.path, table, "--column", "file", "--json").json["predictions"]
    assert [row["label"] for row in listed] == ["red"]


def test_a_column_of_texts_is_answered_row_by_row(command: Command, text_file: Any, texts: Path):
    document = command("predict", text_file.path, texts, "--json").json["predictions"]
    expected = [line.rpartition(",")[0] for line in texts.read_text().splitlines()[1:]]
    assert [row["input"] for row in document] == expected


@pytest.mark.parametrize("columns", [("review",), ("text=review",)])
def test_a_column_goes_by_its_name_or_by_role_and_name(
    command: Command, text_file: Any, tmp_path: Path, columns: tuple[str, ...]
):
    table = tmp_path / "reviews.csv"
    table.write_text("text,review\nno,a fine film\n")
    [row] = command("predict", text_file.path, table, "--column", *columns, "--json").json["predictions"]
    assert row["input"] == "a fine film"


def test_a_column_may_be_called_as_a_role_is(command: Command, text_file: Any, tmp_path: Path):
    (tmp_path / "reviews.csv").write_text("text,label\na fine film,no\n")
    [row] = command("predict", text_file.path, tmp_path / "reviews.csv", "--column", "label", "--json").json[
        "predictions"
    ]
    assert row["input"] == "no"


def test_two_columns_for_one_input_are_refused(command: Command, text_file: Any, texts: Path):
    done = command("predict", text_file.path, texts, "--column", "text", "--column", "label")
    assert (done.code, "ROLE=NAME" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--embeddings",), "--embeddings has no effect"),
        (("--column", "foo"), "--column foo has no effect"),
        (("--column", "path=foo"), "--column path=foo has no effect"),
        (("--trusted", "k" * 43 + "="), "is not signed. Leave out --trusted"),
        (("--trusted", "k"), "Error: --trusted: 'k' is neither a key nor"),
        (("--threads", "0"), "--threads cannot be 0. Give 1 or more."),
        (("--threads", "q"), "--threads cannot be 'q'. Give a whole number."),
        (("--threshold", "2"), "--threshold cannot be 2. Give a number, 0 to 1."),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_an_option_without_effect_or_of_a_wrong_value_is_refused_in_one_style(
    command: Command, picture_file: Any, pictures: Path, options: tuple[str, ...], said: str
):
    done = command("predict", picture_file.path, pictures / "red" / "000.png", *options)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert said in done.err
    assert "`" not in done.err


def test_a_column_is_for_the_tables_that_a_pattern_matches_too(command: Command, text_file: Any, tmp_path: Path):
    (tmp_path / "reviews.csv").write_text("review\na fine film\n")
    [row] = command("predict", text_file.path, tmp_path / "*.csv", "--column", "review", "--json").json["predictions"]
    assert row["input"] == "a fine film"


def test_top_k_threshold_and_embeddings_show_in_the_answers(command: Command, picture_file: Any, pictures: Path):
    path = pictures / "red" / "000.png"
    [row] = command("predict", picture_file.path, path, "--top-k", 1, "--threshold", 1, "--embeddings", "--json").json[
        "predictions"
    ]
    assert (row["label"], list(row["scores"])) == (None, ["red"])
    assert len(row["embedding"]) > 3


def test_a_provider_that_is_not_there_is_named(command: Command, picture_file: Any, pictures: Path):
    done = command("predict", picture_file.path, pictures, "--provider", "cuda")
    assert done.code == 2
    assert "CUDAExecutionProvider" in done.err


@pytest.mark.parametrize("options", [["--resume"], ["--json", "--jsonl"], ["--json", "--out", "a.csv"]])
def test_options_that_exclude_each_other_are_refused(command: Command, picture_file: Any, options: list[str]):
    assert command("predict", picture_file.path, "a.png", *options).code == 2


def test_a_killed_command_is_resumed_and_ends_as_if_never_killed(
    zoo: Any, command: Command, text_file: Any, tmp_path: Path
):
    texts = [f"a great film number {number}" for number in range(400)]
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "tlzoo", "predict", str(text_file.path), "-", "--batch", "8", "--out", str(cut)],
        env={**os.environ, **zoo.environment},
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    part = cut.with_name("cut.jsonl.part")
    assert process.stdin is not None
    process.stdin.write("\n".join(texts[:300]) + "\n")
    process.stdin.flush()
    until = time.monotonic() + 60
    while time.monotonic() < until and not (part.exists() and part.stat().st_size):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.stdin.close()
    process.wait()
    assert part.exists()
    assert not cut.exists()
    answered = part.read_bytes().count(b"\n")
    assert 0 < answered < 400
    for out in (cut, whole):
        done = command("predict", text_file.path, *texts, "--batch", "8", "--out", out, "--resume")
        assert (done.code, done.out) == (0, "")
    rows = [[json.loads(line) for line in out.read_text().splitlines()] for out in (cut, whole)]
    assert [row["input"] for row in rows[0]] == [row["input"] for row in rows[1]] == texts
    assert [row["label"] for row in rows[0]] == [row["label"] for row in rows[1]]


def test_a_finished_file_is_not_written_again(command: Command, text_file: Any, tmp_path: Path):
    out = tmp_path / "a.tsv"
    assert command("predict", text_file.path, "a great film", "--out", out).code == 0
    assert out.read_text().splitlines()[0].split("\t") == ["input", "label", "score", "scores", "error"]
    assert command("predict", text_file.path, "a great film", "--out", out).code == 2
