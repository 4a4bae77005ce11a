"""Eight processes at once on one output or one cold cache: one wins, the others say so, or all get the same."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tlzoo.io.files import is_temporary

REFUSALS = ("is being written by process", "already exists", "is complete", "is unfinished", "is added already")
DESCENT = ["--strategy", "finetune", "--freeze", "last:1", "--epochs", 1, "--batch", 16, "--lr", 1e-3]


LIBRARIES = """
from pathlib import Path
import tlzoo.exporting.formats.web.folder as web
web.fetch_library = lambda package: {{one.name: Path({folder!r}, one.name) for one in package.files.values()}}
"""
"""The page's libraries without npm."""


@dataclass(frozen=True)
class Race:
    """What process number n runs in a folder, what of the result must be whole, and whether only one may win."""

    arguments: Callable[[Path, int], list[Any]]
    check: Callable[[Path], object]
    winners: str = "one"
    left: tuple[str, ...] = ("out",)
    begin: Callable[[Path], object] = lambda place: None
    before: str = ""
    processes: int = 8


def whole_run(folder: Path) -> object:
    """The digest of a run's model; a run that is not whole raises."""
    from tlzoo.runs.run import RunFolder
    from tlzoo.runs.seals import check_files

    run = RunFolder.load(folder)
    check_files(folder, run.record.files, tuple(run.record.files))
    return (folder / "model.safetensors").read_bytes()


def whole_file(path: Path) -> object:
    """The labels of an exported file whose seal holds."""
    from tlzoo.runtime import load

    return load(path).labels


def lines(path: Path) -> int:
    """How many answers a table has, each a whole document."""
    return len([json.loads(line) for line in path.read_text().splitlines()])


def half(picture_file: Any, pictures: Path, command: Any, out: Path) -> None:
    """What a prediction leaves that was killed after some answers."""
    assert command("predict", picture_file.path, pictures, "--out", out, "--quiet").code == 0
    some = out.read_text().splitlines(keepends=True)[:10]
    out.with_name(f"{out.name}.part").write_text("".join(some))
    out.unlink()


@pytest.fixture
def races(
    zoo: Any, command: Any, picture_run: Any, picture_file: Any, pictures: Path, wheel: dict[str, str], tmp_path: Path
) -> dict[str, Race]:
    """What runs at once."""
    from tlzoo.exporting.formats.web.vendored import ONNXRUNTIME, TOKENIZERS

    tune = ["finetune", "vision/test-resnet", pictures]
    export = ["export", picture_run.path]
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for file in (*ONNXRUNTIME.files.values(), *TOKENIZERS.files.values()):
        (libraries / file.name).write_text("")
    ids = ["vision/test-resnet", "vision/test-vit", "nlp/test-bert", "speech/test-wav2vec2"]
    registry = zoo.folder / "registry.json"

    def to(out: str, *first: Any) -> Callable[[Path, int], list[Any]]:
        return lambda place, n: [*first, "--out", place / out]

    return {
        "finetune": Race(to("out", *tune, *DESCENT), lambda place: whole_run(place / "out")),
        "adapt": Race(
            to("out", "adapt", picture_run.path, "--target", pictures), lambda place: whole_run(place / "out")
        ),
        "export": Race(
            to("out.onnx", *export), lambda place: whole_file(place / "out.onnx"), "some", left=("out.onnx",)
        ),
        "triton": Race(
            to("out", *export, "--format", "triton"), lambda place: whole_file(next(place.glob("out/**/*.onnx")))
        ),
        "web": Race(
            to("out", *export, "--format", "web"),
            lambda place: whole_file(next(place.glob("out/**/*.onnx"))),
            before=LIBRARIES.format(folder=str(libraries)),
        ),
        "predict": Race(
            to("out.jsonl", "predict", picture_file.path, pictures),
            lambda place: lines(place / "out.jsonl") == 36,
            "some",
            left=("out.jsonl",),
        ),
        "predict --resume": Race(
            to("out.jsonl", "predict", picture_file.path, pictures, "--resume"),
            lambda place: lines(place / "out.jsonl") == 36,
            "some",
            left=("out.jsonl",),
            begin=lambda place: half(picture_file, pictures, command, place / "out.jsonl"),
        ),
        "pull": Race(lambda place, n: ["pull", "mine/weights"], lambda place: True, "all", left=()),
        "features": Race(
            lambda place, n: [*tune, "--out", place / f"out{n}"],
            lambda place: whole_run(place / "out0") == whole_run(place / "out1"),
            "all",
            left=("out0", "out1"),
            processes=2,
        ),
        "registry add": Race(
            lambda place, n: ["registry", "add", registry, "--name", "same"],
            lambda place: config_names(place) == ["same"],
            left=(),
        ),
        "registries": Race(
            lambda place, n: ["registry", "add", registry, "--name", f"own{n}"],
            lambda place: config_names(place) == [f"own{n}" for n in range(8)],
            "all",
            left=(),
        ),
        "lock": Race(
            lambda place, n: ["lock", ids[n % 4], "--out", place / "out.lock"],
            lambda place: sorted(json.loads((place / "out.lock").read_text())["checkpoints"]) == sorted(ids),
            "all",
            left=("out.lock",),
        ),
        "plugins new": Race(
            to("out", "plugins", "new", "tides"), lambda place: (place / "out" / "pyproject.toml").stat().st_size > 0
        ),
    }


def config_names(place: Path) -> list[str]:
    """The registries that are added."""
    return sorted(
        one["name"] for one in json.loads((place.parent / "config" / "registries.json").read_text())["registries"]
    )


SHORT = ("predict", "registries", "lock")
LONG = (
    *("finetune", "adapt", "export", "triton", "web", "predict --resume", "pull", "features"),
    *("registry add", "plugins new"),
)


@pytest.mark.needs("fork")
@pytest.mark.sweep(30)
@pytest.mark.parametrize("name", [*SHORT, *(pytest.param(name, marks=pytest.mark.release) for name in LONG)])
def test_of_eight_at_once_the_result_is_whole(
    children: Any, races: dict[str, Race], wheel: dict[str, str], tmp_path: Path, name: str, trial: int
):
    race, source = races[name], random.Random(trial)
    place, own = tmp_path / "place", {"TLZOO_CACHE": str(tmp_path / "cache"), "TLZOO_CONFIG": str(tmp_path / "config")}
    place.mkdir()
    race.begin(place)
    environment = {**own, **(wheel if name == "pull" else {})}
    late = [source.choice((0.0, 0.0, source.uniform(0, 0.1))) for _ in range(race.processes)]
    started = []
    for n in sorted(range(race.processes), key=late.__getitem__):
        if n and source.random() < 0.2:
            started.append((children.start("cache", "gc", environment=environment), True))
        time.sleep(late[n])
        started.append((children.start(*race.arguments(place, n), environment=environment, before=race.before), False))
    ended = [(child.end(), beside) for child, beside in started]
    done = [one for one, beside in ended if not beside]
    assert all(one.code == 0 for one, beside in ended if beside), ended
    won, lost = [one for one in done if one.code == 0], [one for one in done if one.code]
    assert all(one.code == 2 and any(said in one.err for said in REFUSALS) for one in lost), lost
    assert all(one.err.splitlines()[-1].startswith("Error: ") for one in lost), lost
    assert {"one": len(won) == 1, "some": len(won) >= 1, "all": not lost}[race.winners], done
    assert race.check(place), done
    assert sorted(path.name for path in place.iterdir()) == sorted(race.left), done
    left = [path for folder in ("cache", "config") for path in (tmp_path / folder).rglob("*") if is_temporary(path)]
    assert not left
