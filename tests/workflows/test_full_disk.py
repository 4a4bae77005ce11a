"""A disk that fills or breaks while anything is saved: the file is named, nothing is lost, the command works later."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shared_fixtures.faults import faulty_disk

Command = Callable[..., Any]
NAMES = {"ENOSPC": errno.ENOSPC, "EDQUOT": errno.EDQUOT, "EFBIG": errno.EFBIG, "EROFS": errno.EROFS, "EIO": errno.EIO}
EVERY = pytest.param(1, marks=pytest.mark.release)
"""Each fault in turn; ordinary tests take some."""


def walk(
    command: Command, root: Path, arguments: Callable[[Path], list[Any]], check: Callable[[Path], None], every: int
):
    """Fail each `every`-th write below `root` in turn; each time the command ends with 2, names a file, then works."""
    with faulty_disk(root, 0, errno.ENOSPC) as disk:
        place = root / "count"
        place.mkdir(parents=True)
        assert command(*arguments(place)).code == 0
    numbers = list(NAMES.values())
    assert disk.count > 3
    total = disk.count - 1  # the folder made here
    for n in range(1, total + 1, every):
        place = root / f"at-{n}"
        place.mkdir()
        with faulty_disk(root, n, numbers[n % len(numbers)]) as disk:
            done = command(*arguments(place))
        assert disk.failed, (n, total)
        assert done.code == 2, (disk.failed, done)
        assert "Bug" not in done.err
        assert str(place) in done.err, (disk.failed, done.err)
        assert ".part" not in done.err.replace(".jsonl.part", "").replace(".csv.part", "")
        again = arguments(place)
        if list(place.glob("*.unfinished")) or list(place.glob("out.*.part")):
            again = [*again, "--resume"]
        assert not list(place.glob(".*")), (disk.failed, list(place.iterdir()))
        done = command(*again)
        assert done.code == 0, (disk.failed, done.err)
        check(place)
        shutil.rmtree(place)


def only(name: str) -> Callable[[Path], None]:
    def check(place: Path) -> None:
        assert [path.name for path in place.iterdir()] == [name]

    return check


@pytest.mark.parametrize("every", [5, EVERY])
@pytest.mark.parametrize("format", ["onnx", "triton"])
def test_export(command: Command, picture_run: Any, tmp_path: Path, format: str, every: int) -> None:
    def arguments(place: Path) -> list[Any]:
        return ["export", picture_run.path, "--out", place / "out", "--format", format]

    walk(command, tmp_path / "places", arguments, only("out"), every)


@pytest.mark.parametrize("every", [3, EVERY])
@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_predict(command: Command, picture_file: Any, pictures: Path, tmp_path: Path, ending: str, every: int) -> None:
    def arguments(place: Path) -> list[Any]:
        return ["predict", picture_file.path, pictures / "red", "--out", place / f"out.{ending}"]

    walk(command, tmp_path / "places", arguments, only(f"out.{ending}"), every)


@pytest.mark.parametrize("every", [9, EVERY])
def test_a_probe(command: Command, pictures: Path, tmp_path: Path, every: int) -> None:
    def arguments(place: Path) -> list[Any]:
        return ["finetune", "vision/test-resnet", pictures, "--out", place / "out"]

    walk(command, tmp_path / "places", arguments, only("out"), every)


@pytest.mark.parametrize("every", [17, EVERY])
def test_gradient_descent_goes_on_where_it_was(command: Command, pictures: Path, tmp_path: Path, every: int) -> None:
    def arguments(place: Path) -> list[Any]:
        how = ["--strategy", "finetune", "--epochs", 2, "--lr", 1e-3, "--checkpoint-every", 0]
        return ["finetune", "vision/test-resnet", pictures, "--out", place / "out", *how]

    walk(command, tmp_path / "places", arguments, only("out"), every)


@pytest.mark.parametrize("every", [4, EVERY])
def test_adapt(command: Command, picture_run: Any, pictures: Path, tmp_path: Path, every: int) -> None:
    def arguments(place: Path) -> list[Any]:
        return ["adapt", picture_run.path, pictures, "--out", place / "out"]

    walk(command, tmp_path / "places", arguments, only("out"), every)
