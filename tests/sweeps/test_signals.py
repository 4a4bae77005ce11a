"""Ctrl-C, SIGTERM or SIGHUP at any moment: one line, the right exit code; the same command then ends as it would."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LONG = pytest.mark.release
CODES = {signal.SIGINT: (130, "Ctrl-C"), signal.SIGTERM: (143, "SIGTERM"), signal.SIGHUP: (129, "SIGHUP")}


@pytest.mark.needs("fork")
@pytest.mark.sweep(25, ordinary=0)
@pytest.mark.parametrize(
    "name", ["download", *(pytest.param(name, marks=LONG) for name in ("training", "export", "prediction"))]
)
def test_a_stop_is_one_line_and_no_loss(
    children: Any,
    works: dict[str, Any],
    uninterrupted: Callable[..., Any],
    go_on: Callable[..., None],
    tmp_path: Path,
    name: str,
    trial: int,
):
    work, source = works[name], random.Random(trial)
    seconds, _ = uninterrupted(name)
    place = tmp_path / "place"
    place.mkdir()
    number = source.choice(list(CODES))
    child = work.start(children, place)
    time.sleep(source.uniform(0.05, seconds))
    child.send(number)
    if twice := source.random() < 0.3:
        time.sleep(source.uniform(0.0, 0.2))
        child.send(number)
    done = child.end()
    code, by = CODES[number]
    lines = done.err.splitlines()
    assert "Traceback" not in done.err
    if done.code == -number:  # before the command had begun
        assert (done.err, list(place.iterdir())) == ("", [])
    elif done.code == 0:
        assert work.is_done(place) or name == "download"
    else:
        assert done.code == code, done
        assert twice or lines[-1].startswith(f"Stopped by {by}. "), done
        assert done.out == ""
        assert twice or ("--resume" in lines[-1]) == bool(work.how_to_go_on(place)), done
    go_on(name, place)
