"""A disk that fills or breaks at any call of what writes: the file is named, nothing is lost, it works later."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

import pytest
from shared_fixtures.faults import faulty_disk
from shared_fixtures.writing import HEAVY, LIGHT, Work

ERRNOS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG, errno.EROFS)
TEMPORARY = re.compile(r"\.(.+?)(?:\.[0-9a-f]{8}){1,2}\.(?:part|gone)")
WHOLE: dict[str, tuple[int, object]] = {}
"""For each work: how often it touches the disk, and what it writes where nothing fails."""


@pytest.fixture
def work(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> Work:
    """What is disturbed, and what it writes undisturbed."""
    found = {**LIGHT, **HEAVY}[name](request.getfixturevalue, tmp_path)
    if name not in WHOLE:
        place = new_place(found, tmp_path / "whole")
        with faulty_disk(place, 0, 0, removals=found.removes) as disk:
            assert found.act(place, False) == ""
        WHOLE[name] = disk.count, found.content(place)
        found.leave(place)
    return found


def new_place(work: Work, place: Path) -> Path:
    place.mkdir(parents=True)
    work.prepare(place)
    return place


def final_name(failed: str) -> str:
    """What the file that failed is called once it is there."""
    path = Path(failed.rpartition(" ")[2])
    name = path.parent.name if path.name.startswith(".download.") else path.name
    if any(folder.name.startswith("hub--") for folder in path.parents):  # the hub's library's
        return "w.bin"
    return found[1] if (found := TEMPORARY.fullmatch(name)) else name


def disturb(work: Work, place: Path, n: int, number: int, right: object) -> None:
    """Fail one call: it is told by the file's name, nothing half is left, and the same again succeeds."""
    new_place(work, place)
    with faulty_disk(place, n, number, removals=work.removes) as disk:
        said = work.act(place, False)
    assert disk.failed, n
    if said:
        assert work.removes or final_name(disk.failed) in said, (disk.failed, said)
        assert str(place) in said, (disk.failed, said)
        assert os.strerror(number) in said, (disk.failed, said)
        assert not re.search(r"\.[0-9a-f]{8}\.part|Bug", said), (disk.failed, said)
        left = [path for path in place.rglob(".*") if TEMPORARY.fullmatch(path.name)]
        assert not left or work.removes, (disk.failed, left)
        unfinished = list(place.glob("*.unfinished")) or list(place.glob("out.*.part"))
        again = work.act(place, bool(unfinished))
        assert again == "", (disk.failed, again)
    elif disk.failed == f"rename {place / 'out.unfinished'}":  # which nobody needs any more, as is said
        shutil.rmtree(place / "out.unfinished")
    assert work.content(place) == right, (disk.failed, said)
    work.leave(place)
    shutil.rmtree(place)


@pytest.mark.sweep(21)
@pytest.mark.parametrize("name", LIGHT)
def test_every_call_of_small_works(work: Work, tmp_path: Path, name: str, trial: int):
    """A quarter of the calls, with one error each: trials 1 to 20 are all calls with all errors, the first a sample."""
    total, right = WHOLE[name]
    assert total > 2
    first, step = ((trial - 1) // 5, 4) if trial else (0, max(4, total // 4))
    for n in range(1 + first, total + 1, step):
        disturb(work, tmp_path / f"at-{n}", n, ERRNOS[(trial - 1) % 5], right)


@pytest.mark.release
@pytest.mark.sweep(19)
@pytest.mark.parametrize("name", HEAVY)
def test_every_call_of_large_works(work: Work, tmp_path: Path, name: str, trial: int):
    """Every eighteenth call, each with one of the errors: trials 1 to 18 are all calls, the first is one of them."""
    total, right = WHOLE[name]
    assert total > 2
    for n in range(trial, total + 1, 18) if trial else [1 + total // 2]:
        disturb(work, tmp_path / f"at-{n}", n, ERRNOS[n % len(ERRNOS)], right)
