"""One flipped bit in anything that tlzoo writes and reads again: an error that names the file, or the same result."""

from __future__ import annotations

import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from shared_fixtures.damage import KINDS, Damageable

from tlzoo.errors import TlzooError

FLIPS = 25
FIRST = 10
"""Of the trial that the ordinary tests run."""
ENDS = 2048
"""Bytes at both ends of a file, where formats keep their headers, that are drawn as often as all the others."""


def place_of(source: random.Random, size: int) -> int:
    """A byte of a file: anywhere, or near one of its ends."""
    low, high = source.choice([(0, size), (0, min(size, ENDS)), (max(0, size - ENDS), size)])
    return source.randrange(low, high)


@contextmanager
def flipped(file: Path, at: int, bit: int) -> Iterator[None]:
    """The file with one other bit in this block; afterwards as it was, whatever was written meanwhile."""
    content = file.read_bytes()
    file.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
    try:
        yield
    finally:
        file.write_bytes(content)


def told(read: Callable[[], Any]) -> tuple[Any, str]:
    """What reading gives, and what it says if it fails; a warning of tlzoo's is an error here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return read(), ""
        except (TlzooError, RuntimeWarning) as error:
            return None, str(error)


@pytest.fixture
def damageable(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> Damageable:
    """Files of one kind, made anew."""
    return KINDS[name](request.getfixturevalue, tmp_path)


@pytest.mark.sweep(41)
@pytest.mark.parametrize("name", KINDS)
def test_a_flipped_bit_is_noticed_or_harmless(damageable: Damageable, tmp_path: Path, name: str, trial: int):
    source, kept = random.Random(trial), tmp_path / "kept"
    right = damageable.read()
    files = [file for file in damageable.files() if file.stat().st_size]
    assert files
    noticed = 0
    for number in range(FLIPS if trial else FIRST):
        file = files[(trial * FLIPS + number) % len(files)]
        at, bit = place_of(source, file.stat().st_size), source.randrange(8)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(damageable.folder, kept)
        with flipped(file, at, bit):
            found, said = told(damageable.read)
        where = (file.name, at, bit)
        if said:
            noticed += 1
            assert any(str(one) in said for one in (file, *damageable.named)), (where, said)
            assert "\n" not in said
        else:
            assert found == right, where
        shutil.rmtree(damageable.folder)
        shutil.copytree(kept, damageable.folder)
    assert noticed or damageable.mends
