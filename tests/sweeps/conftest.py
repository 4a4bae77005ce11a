"""Commands that write something, which sweeps interrupt at any moment."""

from __future__ import annotations

import json
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

    def start(self, children: Any, place: Path, *more: object) -> Any:
        """A process that does it in this folder."""
        return children.start(*self.arguments(place), *more, environment=self.environment(place))

    def is_done(self, place: Path) -> bool:
        """Whether what it writes has its name; a cache is a cache at any time."""
        return self.out != "cache" and (place / self.out).exists()

    def how_to_go_on(self, place: Path) -> list[str]:
        """What the same command needs where it was interrupted."""
        unfinished = [*place.glob("*.unfinished"), *place.glob("out.*.part")]
        return ["--resume"] if self.resume and unfinished else []


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
    """What is interrupted."""
    gradient_descent = [*GRADIENT_DESCENT, "--snapshot-every", 0]
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


@pytest.fixture(scope="session")
def whole() -> dict[str, tuple[float, object]]:
    """For each work: how long it takes and what it writes, where nothing interrupts it; filled by `uninterrupted`."""
    return {}


@pytest.fixture
def uninterrupted(
    children: Any, works: dict[str, Work], whole: dict[str, tuple[float, object]], tmp_path: Path
) -> Callable[[str], tuple[float, Any]]:
    """How long a work takes and what it writes."""

    def measure(name: str) -> tuple[float, Any]:
        if name not in whole:
            place = tmp_path / "whole"
            place.mkdir()
            began = time.monotonic()
            done = works[name].start(children, place).end()
            assert done.code == 0, done
            whole[name] = time.monotonic() - began, works[name].content(place / works[name].out)
        return whole[name]

    return measure


@pytest.fixture
def go_on(
    children: Any, works: dict[str, Work], uninterrupted: Callable[[str], tuple[float, Any]]
) -> Callable[[str, Path], None]:
    """Ends a work that was interrupted, and checks that it wrote what it always writes, and nothing beside."""

    def end(name: str, place: Path) -> None:
        work, (_, content) = works[name], uninterrupted(name)
        if work.is_done(place):
            assert work.content(place / work.out) == content
            shutil.move(place / work.out, place.parent / "done")
        done = work.start(children, place, *work.how_to_go_on(place)).end()
        assert done.code == 0, done
        assert work.content(place / work.out) == content
        assert [path.name for path in place.iterdir()] == [work.out]

    return end
