"""`tlzoo bench`: the table, the document, the picture, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tlzoo.cli.deploy.bench import _figure
from tlzoo.runtime.bench import BenchResult

QUICK = ("--batch", "1,2", "--threads", "1", "--seconds", "0.02", "--quiet")
Command = Callable[..., Any]


def test_the_table_has_a_line_for_each_setting_and_says_what_was_measured(command: Command, picture_file: Any):
    done = command("bench", picture_file.path, *QUICK)
    assert (done.code, done.err) == (0, "")
    header, first, second, _, inputs = done.out.splitlines()
    assert header.split("\t")[:6] == ["file", "precision", "engine", "provider", "threads", "batch"]
    assert [line.split("\t")[5] for line in (first, second)] == ["1", "2"]
    assert "synthetic" in inputs


def test_json_is_one_document_with_figures_as_numbers(command: Command, picture_file: Any, pictures: Path):
    document = command("bench", picture_file.path, *QUICK, "--data", pictures, "--json").json
    assert document["inputs"] == "given"
    assert document["cores"] >= 1
    assert [(row["engine"], row["batch"]) for row in document["rows"]] == [
        ("onnxruntime", 1),
        ("end to end", 1),
        ("onnxruntime", 2),
        ("end to end", 2),
    ]
    assert all(row["p50_ms"] > 0 for row in document["rows"])


def test_texts_are_given_as_a_table_or_as_they_are(command: Command, text_file: Any, texts: Path):
    document = command("bench", text_file.path, *QUICK, "--data", texts, "--data", "a fine film", "--json").json
    assert len(document["rows"]) == 4


def test_made_up_texts_are_no_longer_than_the_model_takes(command: Command, text_file: Any):
    longest = text_file.load().manifest.preprocess.max_length
    for length, shape in ((longest + 100, longest), (3, 3)):
        document = command("bench", text_file.path, *QUICK, "--length", length, "--json").json
        assert {row["shape"] for row in document["rows"]} == {str(shape)}


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_picture_is_drawn(command: Command, picture_file: Any, tmp_path: Path, suffix: str):
    out = tmp_path / f"speed{suffix}"
    done = command("bench", picture_file.path, *QUICK, "--out", out)
    assert done.code == 0
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    if suffix == ".png":
        with Image.open(out) as image:
            assert min(image.size) >= 500
    else:
        assert "<svg" in out.read_text()


@pytest.mark.release
def test_torch_is_measured_beside_it_or_its_row_says_why_not(
    command: Command, picture_file: Any, picture_run: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CXX", "")
    arguments = ("--batch", "2", "--threads", "1", "--seconds", "0.02", "--quiet", "--json")
    more = ("--against", "torch", "--run", picture_run.path)
    rows = {row["engine"]: row for row in command("bench", picture_file.path, *arguments, *more).json["rows"]}
    assert list(rows) == ["onnxruntime", "torch eager", "torch compiled"]
    assert rows["torch eager"]["calls"] >= 3
    assert rows["torch compiled"]["calls"] >= 3 or rows["torch compiled"]["note"].startswith("not compiled: ")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--batch", "0"), ("--batch", "'0'")),
        (("--batch", "1,x"), ("--batch", "'1,x'")),
        (("--length", "4"), ("--length 4 has no effect", "pictures.onnx")),
        (("--length", "0"), ("--length cannot be 0. Give 1 or more.",)),
        (("--seconds", "-1"), ("--seconds cannot be -1. Give 0.01 or more.",)),
        (("--threads", "two"), ("--threads",)),
        (("--provider", "tpu"), ("tpu", "CPUExecutionProvider")),
        (("--out", "speed.gif"), ("speed.gif", ".png")),
        (("--out", "gone.onnx/speed.png"), ("speed.png",)),
        (("--against", "jax"), ("'jax'", "--against torch")),
        (("--against", "torch"), ("--run RUN",)),
        (("--data", "nowhere.png"), ("nowhere.png",)),
    ],
    ids=lambda given: " ".join(given),
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    command: Command,
    picture_file: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    named: tuple[str, ...],
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone.onnx").write_text("")
    quick = [each for at in (0, 2, 4) if QUICK[at] not in options for each in QUICK[at : at + 2]]
    done = command("bench", picture_file.path, *quick, "--quiet", *options)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert [name for name in named if name not in done.err] == []
    assert [path.name for path in tmp_path.iterdir()] == ["gone.onnx"]


def test_a_run_of_another_file_is_refused(command: Command, picture_file: Any, text_run: Any):
    done = command("bench", picture_file.path, *QUICK, "--against", "torch", "--run", text_run.path)
    assert done.code == 2
    assert "is not the run that the file was exported from" in done.err


def test_without_matplotlib_the_picture_is_refused_before_anything_is_measured(
    command: Command, picture_file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "path", [tmp_path.as_posix()])
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if finder.__module__ == "none"])
    done = command("bench", picture_file.path, *QUICK, "--out", tmp_path / "speed.png")
    assert done.code == 2
    assert "tlzoo[bench]" in done.err


def test_bench_needs_no_torch(picture_file: Any, zoo: Any):
    code = (
        "import sys; from tlzoo.cli import main; code = main(sys.argv[1:]);"
        "raise SystemExit(code or bool({'torch', 'onnx', 'matplotlib'} & set(sys.modules)))"
    )
    arguments = ["bench", str(picture_file.path), *QUICK]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_picture_shows_the_figures_of_each_way():
    def row(engine: str, batch: int, *figures: float | None) -> BenchResult:
        return BenchResult("a.onnx", "fp32", engine, "cpu", 1, batch, "(3,)", 5, *figures)

    rows = [row("onnxruntime", 1, 2.0, 3.0, 4.0, 500.0), row("onnxruntime", 8, 9.0, 10.0, 12.0, 889.0)]
    figure = _figure([*rows, row("torch eager", 1, 5.0, 6.0, 7.0, 200.0), row("torch compiled", 1, None)])
    speed, latency = figure.axes
    assert [line.get_xydata().tolist() for line in speed.lines] == [[[1, 500], [8, 889]], [[1, 200]]]
    assert [line.get_xydata().tolist() for line in latency.lines] == [[[1, 2], [8, 9]], [[1, 5]]]
    bands = [{(x, y) for x, y in band.get_paths()[0].vertices.tolist()} for band in latency.collections]
    assert bands == [{(1, 2), (1, 4), (8, 9), (8, 12)}, {(1, 5), (1, 7)}]
    assert [label.get_text() for label in latency.get_xticklabels()] == ["1", "8"]
    assert [text.get_text().split(", ")[1] for text in figure.legends[0].get_texts()] == ["onnxruntime", "torch eager"]
