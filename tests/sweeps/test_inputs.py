"""Odd inputs: each is answered or refused by name, in bounded memory and time, and nothing hangs."""

from __future__ import annotations

import json
import random
from functools import cache as once
from pathlib import Path
from typing import Any

import pytest
from shared_fixtures.hostile import check_outcome
from shared_fixtures.hostile.media import Odd, _picture, _sound, files, pictures, sounds
from shared_fixtures.hostile.tables import GOOD, tables, texts
from shared_fixtures.watch import Watch, code_for_child

MEGABYTES, SECONDS, TRAINING_SECONDS = 1000, 5, 40
"""Above what a command without work takes; processor time, which a machine with much else to do counts too high."""
BESIDE_OTHERS = 4
"""How many times as long it may take where other tests run beside."""
ENDING = "import resource, signal; signal.alarm(150); resource.setrlimit(resource.RLIMIT_CPU, (60, 60))\n"


def inputs() -> list[tuple[str, Odd]]:
    """All of them, with their modality, in an order that mixes them."""
    table = f"text,label\n{GOOD}".encode()
    found = [("picture", odd) for odd in [*pictures(), *files(".png", lambda: _picture("PNG"))]]
    found += [("recording", odd) for odd in [*sounds(), *files(".wav", lambda: _sound("WAV"))]]
    found += [
        ("text", odd) for odd in [*texts(), *tables(), *files(".txt", lambda: b"good"), *files(".csv", lambda: table)]
    ]
    random.Random(0).shuffle(found)
    return found


INPUTS = inputs()


@pytest.fixture
def baseline(children: Any) -> float:
    """The megabytes of a command that has nothing to do."""
    return _baseline(children)


@once
def _baseline(children: Any) -> float:
    return float(children.start("models", "--limit", 1).end().megabytes)


@pytest.mark.needs("linux", "fork")
@pytest.mark.sweep(len(INPUTS))
def test_an_odd_input_is_answered_or_refused(
    children: Any, baseline: float, watch: Watch, tmp_path: Path, trial: int, request: pytest.FixtureRequest
):
    modality, (label, name, write) = INPUTS[trial]
    model = request.getfixturevalue(f"{modality}_file").path
    path, out, log = tmp_path / "set" / "data" / name, tmp_path / "out.jsonl", tmp_path / "events"
    path.parent.mkdir(parents=True)
    write(path)

    def run(*arguments: object) -> Any:
        before = ENDING + code_for_child(watch, log)
        done = children.start(*arguments, cwd=tmp_path, before=before).end()
        about = f"{label}: {arguments[0]}: {str(done)[:1500]}"
        assert done.code in (0, 2), about
        check_outcome(done)
        assert done.megabytes - baseline < MEGABYTES, about
        patience = 1 if request.config.getoption("full") else BESIDE_OTHERS
        limit = TRAINING_SECONDS if arguments[0] == "finetune" else SECONDS
        assert done.seconds < limit * patience, about
        assert not log.exists() or log.read_text() == "", f"{label}: {log.read_text()}"
        return done

    done = run("predict", model, path, "--out", out)
    rows = [json.loads(line) for line in out.read_text("utf-8", "surrogatepass").splitlines()] if out.exists() else []
    assert out.exists() or done.code == 2, label
    if done.code == 0:
        assert any("error" not in row or row["error"] is None for row in rows), f"{label}: {rows[:3]}"
    labelled = path if modality == "text" else path.parent.parent
    if modality == "text" or trial % 4 == 0:
        run("evaluate", model, labelled)
    if trial % 5 == 0:
        checkpoint = {"picture": "vision/test-resnet", "recording": "speech/test-wav2vec2", "text": "nlp/test-bert"}
        trained = run("finetune", checkpoint[modality], labelled, "--out", tmp_path / "run")
        assert (tmp_path / "run").exists() == (trained.code == 0), label
