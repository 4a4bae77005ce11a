"""Files and folders that appear whole, on the disk, or not at all; and what says so names the file."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shared_fixtures.faults import faulty_disk

from tlzoo.errors import WriteError
from tlzoo.io.files import atomic_file, atomic_folder, write_json

ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def write_file(path: Path) -> None:
    write_json(path, {"a": 1})


def write_folder(path: Path) -> None:
    with atomic_folder(path) as folder:
        (folder / "a").write_text("a")
        (folder / "deep").mkdir()
        (folder / "deep" / "b").write_bytes(b"b")
        write_json(folder / "c.json", [])


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was synced and renamed, in this order."""
    done: list[str] = []
    names: dict[int, str] = {}
    real_open, real_sync = os.open, os.fsync

    def opened(path: Any, *args: Any, **more: Any) -> int:
        found = real_open(path, *args, **more)
        names[found] = os.path.basename(os.fsdecode(path))
        return found

    def synced(descriptor: int) -> None:
        done.append(f"sync {names[descriptor]}")
        real_sync(descriptor)

    def renaming(name: str) -> Any:
        real = getattr(os, name)

        def rename(path: Any, to: Any, **more: Any) -> Any:
            done.append(f"rename to {os.path.basename(to)}")
            return real(path, to, **more)

        return rename

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "fsync", synced)
    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, renaming(name))
    return done


def test_a_file_is_on_the_disk_before_its_rename_and_its_name_after(tmp_path: Path, order: list[str]) -> None:
    with atomic_file(tmp_path / "x") as temporary:
        temporary.write_text("x")
    assert order == [f"sync {temporary.name}", "rename to x", f"sync {tmp_path.name}"]


def test_every_file_and_folder_of_a_folder_is_on_the_disk_before_its_rename(tmp_path: Path, order: list[str]) -> None:
    with atomic_folder(tmp_path / "x") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "b").write_text("b")
        (folder / "a").write_text("a")
    before, after = order[: order.index("rename to x")], order[order.index("rename to x") + 1 :]
    assert before == ["sync b", "sync deep", "sync a", f"sync {folder.name}"]
    assert after == [f"sync {tmp_path.name}"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_folders_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real = os.fsync

    def files_only(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    write_folder(tmp_path / "x")
    write_file(tmp_path / "y")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "y"]


@pytest.mark.parametrize("write", [write_file, write_folder])
@pytest.mark.parametrize("number", ERRNOS)
def test_whatever_fails_names_the_file_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, write: Callable[[Path], None], number: int
) -> None:
    with faulty_disk(tmp_path, 0, number) as disk:
        write(tmp_path / "counted")
    assert disk.count >= 5
    for n in range(1, disk.count + 1):
        out = tmp_path / f"{n}" / "out"
        with faulty_disk(tmp_path, n, number) as disk, pytest.raises(WriteError) as raised:
            write(out)
        assert disk.failed
        assert raised.value.errno == number
        assert (raised.value.filename or "").startswith((str(out), str(out.parent)))
        assert ".part" not in str(raised.value)
        assert os.strerror(number) in str(raised.value)
        assert raised.value.hint
        assert not out.parent.exists() or not list(out.parent.iterdir()), disk.failed
        write(out)
        assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_file_that_was_there_stays_whatever_fails(tmp_path: Path) -> None:
    with faulty_disk(tmp_path, 0, 0) as disk:
        write_json(tmp_path / "count", [])
    for n in range(1, disk.count + 1):
        out = tmp_path / f"{n}.json"
        write_json(out, ["before"])
        with faulty_disk(tmp_path, n, errno.EIO) as disk, pytest.raises(WriteError):
            write_json(out, ["after"])
        assert json.loads(out.read_text()) == ["before"], disk.failed
        assert not list(tmp_path.glob(".*")), disk.failed


def test_a_file_in_a_folder_is_named_as_it_will_be(tmp_path: Path) -> None:
    with pytest.raises(WriteError) as raised, atomic_folder(tmp_path / "x") as folder:
        (folder / "none" / "a").write_text("a")
    assert raised.value.filename == str(tmp_path / "x" / "none" / "a")


def test_what_cannot_be_read_meanwhile_is_no_fault_of_the_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "x"):
        (tmp_path / "elsewhere" / "y").read_bytes()


def test_a_folder_that_appears_meanwhile_stays_and_is_named(tmp_path: Path) -> None:
    late = atomic_folder(tmp_path / "x")
    (late.__enter__() / "late").touch()
    with atomic_folder(tmp_path / "x") as early:
        (early / "early").touch()
    with pytest.raises(WriteError, match="x already exists") as raised:
        late.__exit__(None, None, None)
    assert raised.value.errno == errno.EEXIST
    assert [path.name for path in tmp_path.rglob("*")] == ["x", "early"]
