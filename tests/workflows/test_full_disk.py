"""A disk that fills or breaks while anything is saved: the file is named, nothing is lost, the command works later."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shared_fixtures.faults import faulty_disk

from tlzoo.errors import TlzooError

Command = Callable[..., Any]
NAMES = {"ENOSPC": errno.ENOSPC, "EDQUOT": errno.EDQUOT, "EFBIG": errno.EFBIG, "EROFS": errno.EROFS, "EIO": errno.EIO}


def walk(
    command: Command, root: Path, arguments: Callable[[Path], list[Any]], check: Callable[[Path], None], every: int
):
    """Fail each `every`-th write below `root` in turn; each time the command ends with 2, names a file, then works."""
    place = root / "count"
    place.mkdir(parents=True)
    with faulty_disk(root, 0, errno.ENOSPC) as disk:
        assert command(*arguments(place)).code == 0
    numbers = list(NAMES.values())
    assert disk.count > 3
    total = disk.count
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


def walk_function(root: Path, write: Callable[[Path], object], name: str) -> None:
    """Fail each write of a function in turn: a typed error names the file, nothing is left, and then it works."""
    root.mkdir(exist_ok=True)
    with faulty_disk(root, 0, 0) as disk:
        write(root / "count" / name)
    numbers = list(NAMES.values())
    assert disk.count > 3
    for n in range(1, disk.count + 1):
        place = root / f"at-{n}"
        with faulty_disk(root, n, numbers[n % len(numbers)]) as disk, pytest.raises(TlzooError) as raised:
            write(place / name)
        assert disk.failed
        assert str(place) in raised.value.message, (disk.failed, raised.value)
        assert raised.value.hint
        named = Path(disk.failed.rpartition(" ")[2]).name
        if named.endswith((".safetensors", ".json", ".jsonl")):
            assert f"{named} cannot be written" in str(raised.value), disk.failed
        assert ".part" not in str(raised.value)
        left = list(place.iterdir()) if place.exists() else []
        assert [path.name for path in left] in ([], [name]), (disk.failed, left)
        write(place / name)
        assert [path.name for path in place.iterdir()] == [name]


@pytest.mark.parametrize("format", ["onnx", "triton"])
def test_every_write_of_an_export(
    picture_file: Any, tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    from tlzoo.exporting import export

    content = picture_file.path.read_bytes()
    monkeypatch.setattr(export, "_sealed", lambda proto, key: content)
    proto = onnx.load(picture_file.path)
    walk_function(tmp_path, lambda out: export._write(out, format, proto, None), "out")


def test_every_write_of_a_run(picture_run: Any, tmp_path: Path) -> None:
    from tlzoo.runs.trained import save_run

    record, kept = picture_run.record, tmp_path / "events.out.tfevents.1"
    kept.write_bytes(b"events")
    names = "interval baseline probe cross_validation frozen adapted data options metrics seconds".split()
    facts = {name: getattr(record, name) for name in names}
    model, data = picture_run.model(), picture_run.dataset(picture_run.splits().test)
    seen = picture_run.trained_on()

    def write(out: Path) -> None:
        save_run(out, model, data, [{"epoch": 1}], keep=[kept], trained_on=seen, **facts)

    walk_function(tmp_path / "places", write, "out")


def test_every_write_of_snapshots_history_and_events(tmp_path: Path) -> None:
    import torch

    from tlzoo.training.history import open_metrics_writer
    from tlzoo.training.resume import save_snapshot

    def write(folder: Path) -> None:
        with open_metrics_writer(folder, 3) as writer:
            writer.scalars(4, {"loss": 1.0})
            writer.epoch([{"epoch": 1, "steps": 4, "accuracy": 1.0}])
            save_snapshot(folder, {"a": torch.zeros(3)}, {})

    walk_function(tmp_path, write, "out.unfinished")


@pytest.mark.release
@pytest.mark.parametrize("format", ["onnx", "triton"])
def test_export(command: Command, picture_run: Any, tmp_path: Path, format: str) -> None:
    def arguments(place: Path) -> list[Any]:
        return ["export", picture_run.path, "--out", place / "out", "--format", format]

    walk(command, tmp_path / "places", arguments, only("out"), 1)


@pytest.mark.parametrize("every", [2, pytest.param(1, marks=pytest.mark.release)])
@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_predict(command: Command, picture_file: Any, pictures: Path, tmp_path: Path, ending: str, every: int) -> None:
    def arguments(place: Path) -> list[Any]:
        return ["predict", picture_file.path, pictures / "red", "--out", place / f"out.{ending}"]

    walk(command, tmp_path / "places", arguments, only(f"out.{ending}"), every)


@pytest.mark.release
def test_a_probe(command: Command, pictures: Path, tmp_path: Path) -> None:
    def arguments(place: Path) -> list[Any]:
        return ["finetune", "vision/test-resnet", pictures, "--out", place / "out"]

    walk(command, tmp_path / "places", arguments, only("out"), 1)


@pytest.mark.release
def test_gradient_descent_goes_on_where_it_was(command: Command, pictures: Path, tmp_path: Path) -> None:
    def arguments(place: Path) -> list[Any]:
        how = ["--strategy", "finetune", "--epochs", 2, "--lr", 1e-3, "--checkpoint-every", 0]
        return ["finetune", "vision/test-resnet", pictures, "--out", place / "out", *how]

    walk(command, tmp_path / "places", arguments, only("out"), 1)


@pytest.mark.release
def test_adapt(command: Command, picture_run: Any, pictures: Path, tmp_path: Path) -> None:
    def arguments(place: Path) -> list[Any]:
        return ["adapt", picture_run.path, "--target", pictures, "--out", place / "out"]

    walk(command, tmp_path / "places", arguments, only("out"), 1)
