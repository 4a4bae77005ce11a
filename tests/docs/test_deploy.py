"""What docs/deploy.md shows works as it stands: its Python is run, its commands have options that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

DEPLOY = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    fenced = DEPLOY.split("```")[1::2]
    return [block.partition("\n")[2] for block in fenced if block.partition("\n")[0] == language]


def printed(code: str, folder: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def folder(zoo: Any, picture_file: Any, text_file: Any, tmp_path: Path) -> Path:
    """photos.onnx, tweets.onnx and two pictures."""
    shutil.copy(picture_file.path, tmp_path / "photos.onnx")
    shutil.copy(text_file.path, tmp_path / "tweets.onnx")
    for name, colour in {"a": (220, 40, 30), "b": (40, 60, 220)}.items():
        Image.new("RGB", (90, 70), colour).save(tmp_path / f"{name}.jpg")
    return tmp_path


def test_python_with_tlzoo(folder: Path):
    label, first, second = printed(blocks("python")[0], folder)
    assert label in ("blue", "green", "red")
    assert first == f"a.jpg {label}"
    assert second.startswith("missing.jpg ")
    assert "missing.jpg" in second.removeprefix("missing.jpg ")


def test_a_text_with_plain_onnxruntime(folder: Path, text_file: Any):
    assert printed(blocks("python")[1], folder) == [text_file.load().predict("what a lovely day")[0].label]


@pytest.mark.parametrize("name", ["export", "predict", "verify", "bench"])
def test_every_option_that_is_shown_is_there(command: Callable[..., Any], name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = [line.split("#")[0] for line in "\n".join(blocks("")).splitlines() if f"tlzoo {name} " in line]
    assert shown
    known = command(name, "--help").out
    flags = {flag for line in shown for flag in re.findall(r"--[a-z-]+", line.partition(f"tlzoo {name} ")[2])}
    assert {flag for flag in flags if flag not in known} == set()
