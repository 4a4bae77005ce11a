"""The README's quick starts on the small zoo, in this process; .ci/release runs them word for word."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
REAL, SMALL = "vision/efficientnet-lite0", "vision/test-resnet"


def blocks(language: str) -> list[str]:
    return [block.replace(REAL, SMALL) for block in re.findall(rf"^```{language}\n(.*?)^```", README, re.S | re.M)]


@pytest.fixture
def reader(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a reader, with photos/, a.jpg and b.jpg."""
    shutil.copytree(pictures, tmp_path / "photos")
    for name, label in {"a": "red", "b": "blue"}.items():
        shutil.copy(pictures / label / "003.png", tmp_path / f"{name}.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_line_and_plain_onnxruntime_label_a_picture_alike(
    reader: Path, command: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    said = {}
    for line in blocks("sh")[0].splitlines():
        done = command(*line.split()[1:])
        assert done.code == 0, done.err
        said[line.split()[1]] = done.out
    rows = [row.split("\t")[:2] for row in said["predict"].splitlines()[1:]]
    assert [path for path, _ in rows] == ["a.jpg", "b.jpg"]
    plain = next(code for code in blocks("python") if "InferenceSession" in code)
    exec(compile(plain, "README.md", "exec"), {})
    assert capfd.readouterr().out.split() == [rows[0][1]]


def test_python_trains_exports_and_predicts(
    reader: Path, command: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    exec(compile(blocks("python")[0], "README.md", "exec"), {})
    printed = capfd.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[-2:]] == ["a.jpg", "b.jpg"]
    exec(compile(blocks("python")[1].replace("epochs=2", "epochs=1"), "README.md", "exec"), {})
    accuracy, interval = capfd.readouterr().out.split(maxsplit=1)
    found = ast.literal_eval(interval)
    assert 0 <= found["low"] <= float(accuracy) <= found["high"] <= 1
