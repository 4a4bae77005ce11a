"""kill -9 at any moment of a training, an export, download or prediction: the same command then ends as it would."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

GRADIENT_DESCENT = ["--strategy", "finetune", "--freeze", "last:1", "--epochs", 3, "--lr", 1e-3, "--batch", 8]


@dataclass(frozen=True)
class Work:
    """A command that writes `out`: its arguments, given where; the bytes that make it what it is; how it goes on."""

    out: str
    arguments: Callable[[Path], list[Any]]
    content: Callable[[Path], object]
    resume: bool = False
    environment: Callable[[Path], dict[str, str]] = lambda place: {}


@pytest.fixture
def wheel(make_wheel: Any, index: Path) -> dict[str, str]:
    """The environment of a registry whose one entry is 20 MB in a wheel of an index."""
    source = make_wheel({"w.bin": bytes(range(256)) * 80_000})
    entry = {"id": "mine/weights", "architecture": "x", "tasks": ["text-classification"], "source": source}
    shape = {"parameters": 1, "feature_dim": 1, "preprocess": {"kind": "text", "max_length": 8}}
    (index / "registry.json").write_text(json.dumps({"checkpoints": [{**entry, **shape}]}))
    pip = {"PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
    return {**pip, "TLZOO_REGISTRY": str(index / "registry.json"), "TLZOO_OFFLINE": ""}


@pytest.fixture
def works(picture_run: Any, picture_file: Any, pictures: Path, wheel: dict[str, str]) -> dict[str, Work]:
    """What is killed."""
    gradient_descent = [*GRADIENT_DESCENT, "--checkpoint-every", 0]
    return {
        "training": Work(
            "run",
            lambda place: ["finetune", "vision/test-resnet", pictures, "--out", place / "run", *gradient_descent],
            lambda out: (out / "model.safetensors").read_bytes(),
            resume=True,
        ),
        "export": Work(
            "model.onnx",
            lambda place: ["export", picture_run.path, "--out", place / "model.onnx"],
            lambda out: len(out.read_bytes()),
        ),
        "download": Work(
            "cache",
            lambda place: ["pull", "mine/weights"],
            lambda out: [path.stat().st_size for path in out.glob("weights/**/*.bin")],
            environment=lambda place: {"TLZOO_CACHE": str(place / "cache"), **wheel},
        ),
        "prediction": Work(
            "out.jsonl",
            lambda place: ["predict", picture_file.path, pictures, "--out", place / "out.jsonl", "--batch", 4],
            lambda out: out.read_bytes(),
            resume=True,
        ),
    }


WHOLE: dict[str, tuple[float, object]] = {}
"""For each work: how long it takes and what it writes, where nothing interrupts it."""


def finished(children: Any, work: Work, place: Path, *more: object) -> float:
    """Run a work to its end; the time that took."""
    began = time.monotonic()
    done = children.start(*work.arguments(place), *more, environment=work.environment(place)).end()
    assert done.code == 0, done
    return time.monotonic() - began


@pytest.mark.needs("fork")
@pytest.mark.sweep(50)
@pytest.mark.parametrize("name", ["training", "export", "download", "prediction"])
def test_a_kill_is_no_loss(children: Any, works: dict[str, Work], tmp_path: Path, name: str, trial: int):
    work, source = works[name], random.Random(trial)
    if name not in WHOLE:
        (tmp_path / "whole").mkdir()
        taken = finished(children, work, tmp_path / "whole")
        WHOLE[name] = taken, work.content(tmp_path / "whole" / work.out)
    seconds, content = WHOLE[name]
    place = tmp_path / "place"
    place.mkdir()
    more: list[str] = []
    for _ in range(source.choice((1, 1, 2, 3))):  # some are killed again when they go on
        child = children.start(*work.arguments(place), *more, environment=work.environment(place))
        time.sleep(source.uniform(0.0, seconds))
        child.send(9)
        child.end()
        if (place / work.out).exists() and name != "download":
            break
        unfinished = [*place.glob("*.unfinished"), *place.glob("out.*.part")]
        more = ["--resume"] if work.resume and unfinished else []
    if (place / work.out).exists() and name != "download":
        assert work.content(place / work.out) == content
        shutil.rmtree(place / work.out) if (place / work.out).is_dir() else (place / work.out).unlink()
        more = []
    finished(children, work, place, *more)
    assert work.content(place / work.out) == content
    assert [path.name for path in place.iterdir()] == [work.out]
