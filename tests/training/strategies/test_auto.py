"""How the automatic strategy chooses: the simplest that nothing beats, and which stages are worth a trial."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch import nn

from tlzoo.interfaces import Stage
from tlzoo.training.strategies import auto
from tlzoo.training.strategies.auto import _last_large_stage, _simplest_unbeaten, run_auto

PROBE, LAST, ALL = ("probe", "all"), ("lp-ft", "last:1"), ("lp-ft", "none")


@pytest.mark.parametrize(
    ("probe", "last", "everything", "chosen"),
    [
        (0, 0, 0, PROBE),
        (0, -1, -1, PROBE),
        (0, 1, 0, LAST),
        (0, 1, 1, LAST),
        (0, 1, 2, ALL),
        (0, 0, 1, ALL),
        (2, 0, 1, PROBE),
    ],
)
def test_a_candidate_is_taken_that_beats_the_one_taken_before(probe: int, last: int, everything: int, chosen: object):
    scores = {PROBE: np.full(20, probe), LAST: np.full(20, last), ALL: np.full(20, everything)}
    assert _simplest_unbeaten(scores) == chosen


def test_what_may_be_chance_beats_nothing():
    better = np.zeros(20)
    better[:3] = 1
    assert _simplest_unbeaten({PROBE: np.zeros(20), ALL: better}) == PROBE


def model_of(*sizes: int) -> Any:
    """A backbone of stages of these numbers of parameters."""
    stages = [nn.Linear(size, 1, bias=False) for size in sizes]
    return SimpleNamespace(
        backbone=nn.Sequential(*stages),
        parts=SimpleNamespace(stages=tuple(Stage(f"stage{at}", (str(at),)) for at in range(len(sizes)))),
    )


@pytest.mark.parametrize(
    ("sizes", "policy"),
    [
        ((50, 50), "last:1"),
        ((99, 1), "last:1"),  # one in a hundred is enough
        ((100, 1), "last:2"),
        ((100, 50, 1), "last:2"),
        ((1000, 5, 5), "last:3"),
        ((990, 5, 5), "last:2"),
        ((7,), "last:1"),
    ],
)
def test_a_last_stage_that_is_no_more_than_a_norm_trains_with_those_before_it(sizes: tuple[int, ...], policy: str):
    assert _last_large_stage(model_of(*sizes)) == policy


@dataclass(frozen=True)
class _Job:
    policy: str = "auto"
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Result:
    job: Any
    details: dict[str, Any]


@pytest.mark.parametrize("resumed", [False, True])
def test_what_was_decided_is_run_and_kept_and_a_resumed_run_does_not_compare_again(
    resumed: bool, monkeypatch: pytest.MonkeyPatch
):
    decision = {"strategy": "lp-ft", "freeze": "last:2", "trials": []}
    compared: list[Any] = []

    def compare(job: Any) -> dict[str, Any]:
        compared.append(job)
        return decision

    monkeypatch.setattr(auto, "_compare", compare)
    monkeypatch.setattr(auto, "CANDIDATES", {"lp-ft": lambda job: _Result(job, {"lr": 0.5, "freeze": "none"})})
    job = _Job(facts={"seed": 3, **({"auto": decision} if resumed else {})})
    found: Any = run_auto(job)  # type: ignore[arg-type]
    assert compared == ([] if resumed else [job])
    assert found.job == _Job("last:2", {"seed": 3, "auto": decision})
    assert found.details == {"lr": 0.5, "auto": decision, "freeze": "last:2"}


@pytest.mark.parametrize(
    ("better", "right", "strategy", "said"),
    [
        ("max", (1.0, 1.0), "probe", "nothing else is better on 20 validation samples by more than chance"),
        ("max", (0.0, 1.0), "lp-ft", "it is better on 20 validation samples: a difference as large comes by chance in"),
        ("min", (0.0, 1.0), "probe", "nothing else is better on 20 validation samples by more than chance"),
        ("min", (1.0, 0.0), "lp-ft", "it is better on 20 validation samples: a difference as large comes by chance in"),
    ],
)
def test_the_candidates_are_compared_in_the_direction_of_the_headline(
    better: str,
    right: tuple[float, float],
    strategy: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    task = SimpleNamespace(
        headline="accuracy",
        monitor="loss",
        better=lambda metric: better,
        samplewise=lambda rows, targets, contexts: rows,
    )
    data = SimpleNamespace(
        metrics=lambda rows: {"accuracy": float(rows.mean()), "loss": 0.5},
        merge_outputs=lambda rows: (rows, []),
        sample_targets=[],
        samples=20,
    )
    tried = {PROBE: np.full(20, right[0]), ALL: np.full(20, right[1])}
    monkeypatch.setattr(auto, "_try_all", lambda job: tried)
    job: Any = SimpleNamespace(model=SimpleNamespace(task=task), sets=SimpleNamespace(validation=data))
    found = auto._compare(job)
    freeze = dict([PROBE, ALL])[strategy]
    assert found == {
        "strategy": strategy,
        "freeze": freeze,
        "trials": [
            {"strategy": name, "freeze": policy, "accuracy": rows.mean(), "loss": 0.5}
            for (name, policy), rows in tried.items()
        ],
    }
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith(f"Tried probe with freeze=all: validation accuracy {right[0]:.4f}, loss 0.5000")
    assert f"Selected {strategy} with freeze={freeze}: {said}" in lines[-1]
