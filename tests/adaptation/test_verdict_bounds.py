"""Where the judgements of an adaptation begin and end: each bound from both sides, and what is said."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tlzoo.adaptation.verdict import (
    Answers,
    Evidence,
    _has_collapsed,
    _labels_in_use,
    _refuse_collapsed_answers,
    answers_of,
    notes,
    one_label_note,
)
from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import TrainingError
from tlzoo.tasks import make_task

TASK: Any = make_task("image-classification", ("a", "b"))
EVEN = {"a": 0.5, "b": 0.5}


def shares_of(shares: dict[str, float]) -> Answers:
    return Answers({}, shares, {}, None)


@pytest.mark.parametrize(
    ("shares", "labels"),
    [([0.25] * 4, 4.0), ([1.0, 0.0], 1.0), ([0.5, 0.25, 0.25], 2 * math.sqrt(2)), ([0.9, 0.1], 1.3841), ([], 1.0)],
)
def test_labels_in_use_are_those_of_an_even_use_as_varied(shares: list[float], labels: float):
    assert _labels_in_use(shares) == pytest.approx(labels, abs=1e-4)


@pytest.mark.parametrize(
    ("samples", "shares", "training", "said"),
    [
        (20, {"a": 0.9, "b": 0.1}, EVEN, True),
        (19, {"a": 0.9, "b": 0.1}, EVEN, False),
        (20, {"a": 0.89, "b": 0.11}, EVEN, False),
        (20, {"a": 0.1, "b": 0.9}, {"a": 0.6, "b": 0.4}, True),
        (20, {"a": 0.1, "b": 0.9}, {"a": 0.39, "b": 0.61}, False),
        (20, {}, EVEN, False),
        (20, {"a": 1.0}, {}, False),
    ],
)
def test_a_target_of_one_label_is_said_of_enough_samples_answered_alike_by_a_mixed_model(
    samples: int, shares: dict[str, float], training: dict[str, float], said: bool
):
    assert bool(one_label_note(shares_of(shares), training, samples)) is said


def test_what_is_said_of_a_target_that_may_hold_one_label():
    assert one_label_note(shares_of({"a": 0.04, "b": 0.96}), EVEN, 25) == (
        "Warning: 96% of the 25 target samples are answered 'b' as the run is. If it holds that label only, adapting "
        "spreads it over all labels and does harm; give target data of all labels, or labelled data of it to measure "
        "on (`test`)."
    )


FOUR = dict.fromkeys("abcd", 0.25)  # 4 labels in use: 1 + 0.25 x 3 = 1.75 must be left
LEFT = {"a": 0.7, "b": 0.3}  # 1.842
LESS = {"a": 0.75, "b": 0.25}  # 1.755
LOST = {"a": 0.76, "b": 0.24}  # 1.735
ONE = {"a": 1.0}


@pytest.mark.parametrize(
    ("before", "after", "changed", "samples", "what"),
    [
        (FOUR, LEFT, 0.5, 20, ""),
        (FOUR, LESS, 0.5, 20, ""),
        (FOUR, LOST, 0.5, 20, "'a' for 76% of the target samples, where before it used 4.0 labels' worth of answers"),
        (FOUR, LOST, 0.5, 19, ""),
        ({"a": 0.87, "b": 0.13}, ONE, 0.1, 20, ""),  # 1.47 were in use
        ({"a": 0.85, "b": 0.15}, ONE, 0.1, 20, "'a' for 100% of the target samples, where before it used 1.5 labels'"),
        (ONE, {"b": 0.9, "a": 0.1}, 0.9, 20, "'b' for 90% of the target samples, and 90% of the answers changed"),
        (ONE, {"b": 0.9, "a": 0.1}, 0.89, 20, ""),
        (ONE, {"b": 0.89, "a": 0.11}, 0.9, 20, ""),
    ],
)
def test_answers_have_collapsed_from_these_shares_on(
    before: dict[str, float], after: dict[str, float], changed: float, samples: int, what: str
):
    if not what:
        _refuse_collapsed_answers(before, after, changed, samples)
        return
    with pytest.raises(TrainingError) as caught:
        _refuse_collapsed_answers(before, after, changed, samples)
    assert caught.value.message.startswith(f"The adapted model answers {what}")
    assert caught.value.message.endswith(": it has collapsed, and no run is written.")
    assert caught.value.hint == "Add target data of all labels, or keep the run as it is."


def judged(better: str, was: float, now: float) -> str:
    """What is said of a metric that was and is this, for a task without answers that see no input."""
    task: Any = SimpleNamespace(
        headline="figure",
        prior_outputs=lambda training, count: None,
        metrics=lambda outputs, targets, contexts: {"figure": outputs},
        better=lambda metric: better,
    )
    data: Any = SimpleNamespace(
        heldout=SimpleNamespace(independent=lambda outputs: (outputs, [1, 2], []), independent_groups=lambda: None),
        training=[],
    )
    before, after = (Answers({}, {}, figure, None) for figure in (was, now))  # type: ignore[arg-type]
    return _has_collapsed(task, before, after, data)


@pytest.mark.parametrize(
    ("better", "was", "now", "said"),
    [
        ("max", 0.8, 0.4, ""),
        ("max", 0.8, 0.39, "less than half"),
        ("max", 0.0, -1.0, ""),
        ("max", -0.5, -0.9, ""),
        ("min", 2.0, 4.0, ""),
        ("min", 2.0, 4.1, "more than twice the error"),
        ("min", 2.0, 0.5, ""),
    ],
)
def test_half_of_the_metric_is_left_or_the_error_at_most_doubled(better: str, was: float, now: float, said: str):
    assert judged(better, was, now) == said


def test_who_answered_by_frequencies_before_has_not_collapsed():
    targets = ["a", "b"] * 15
    right, blind = ({"logits": np.array(rows * 15, np.float32)} for rows in ([[4, 0], [0, 4]], [[4, 0], [4, 0]]))
    data: Any = SimpleNamespace(
        heldout=SimpleNamespace(
            independent=lambda outputs: (outputs, targets, [None] * 30), independent_groups=lambda: None
        ),
        training=targets,
        seed=0,
    )

    def said(before: Any, after: Any) -> str:
        return _has_collapsed(TASK, Answers({}, {}, before, None), Answers({}, {}, after, None), data)

    assert said(right, blind) == (
        "no better by more than chance than answering by the frequencies of the training targets (0.5000)"
    )
    assert said(blind, blind) == said(right, right) == said(blind, right) == ""


def test_answers_are_the_models_for_each_part_of_the_evidence(monkeypatch: pytest.MonkeyPatch):
    def data_of(rows: list[list[float]]) -> TaskDataset:
        return TaskDataset(rows, None, lambda inputs: {"image": np.array(inputs)}, TASK)

    monkeypatch.setattr(
        "tlzoo.adaptation.verdict.outputs", lambda model, data: {"logits": data.arrays(range(len(data)))["image"]}
    )
    target, heldout, labelled = data_of([[4, 0], [3, 0], [0, 2], [1, 0]]), data_of([[0, 1]]), data_of([[5, 6]])
    model: Any = SimpleNamespace(task=TASK)
    found = answers_of(model, Evidence(target, heldout, labelled, [], 0))
    assert found.target["logits"].tolist() == target.inputs  # type: ignore[union-attr]
    assert found.shares == {"a": 0.75, "b": 0.25}
    assert found.heldout["logits"].tolist() == [[0, 1]]  # type: ignore[union-attr]
    assert found.labelled is not None
    assert found.labelled["logits"].tolist() == [[5, 6]]  # type: ignore[union-attr]
    assert answers_of(model, Evidence(target, heldout, None, [], 0)).labelled is None


def test_notes_are_on_harm_and_on_few_samples_of_either_kind():
    def facts(verdict: str) -> dict[str, Any]:
        metrics = {f"source_metrics_{when}": {"accuracy": at} for when, at in (("before", 0.9), ("after", 0.5))}
        return {"source_change": {"verdict": verdict}, **metrics}

    def said(verdict: str, heldout: int, labelled: int | None) -> list[str]:
        few = None if labelled is None else SimpleNamespace(without_copies=lambda: range(labelled))
        data: Any = SimpleNamespace(heldout=SimpleNamespace(without_copies=lambda: range(heldout)), labelled=few)
        return list(notes(TASK, facts(verdict), data))

    assert said("worse", 500, None)[0] == (
        "Warning: the adapted model is worse than before on the source by more than chance: accuracy goes from 0.9000 "
        "to 0.5000. Keep the old run for data like the source's."
    )
    assert said("better", 500, None) == said("chance", 500, None) == [""]
    assert said("chance", 500, 500) == ["", ""]
    of_source, of_target = said("chance", 3, 4)
    assert of_source.startswith("3 ")
    assert of_target.startswith("4 labelled target samples are too few")
