"""kill -9 at any moment of a training, an export, download or prediction: the same command then ends as it would."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Interrupt = Callable[..., Any]
LONG = pytest.mark.release


@pytest.mark.needs("fork")
@pytest.mark.sweep(50)
@pytest.mark.parametrize(
    "name", ["download", "prediction", *(pytest.param(name, marks=LONG) for name in ("training", "export"))]
)
def test_a_kill_is_no_loss(
    children: Any,
    works: dict[str, Any],
    uninterrupted: Interrupt,
    go_on: Interrupt,
    tmp_path: Path,
    name: str,
    trial: int,
):
    work, source = works[name], random.Random(trial)
    seconds, _ = uninterrupted(name)
    place = tmp_path / "place"
    place.mkdir()
    for _ in range(source.choice((1, 1, 2, 3))):  # some are killed again when they go on
        if work.is_done(place):
            break
        child = work.start(children, place, *work.how_to_go_on(place))
        time.sleep(source.uniform(0.0, seconds))
        child.send(9)
        child.end()
    go_on(name, place)
