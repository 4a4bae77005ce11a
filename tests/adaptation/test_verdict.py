"""What an adaptation did is judged: targets of one label, collapsed answers and harm are refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tlzoo.adaptation.verdict import Answers, one_label_note, verdict
from tlzoo.errors import TrainingError
from tlzoo.tasks import make_task

TASK = make_task("image-classification", ("a", "b", "c"))
EVEN = {"a": 0.34, "b": 0.33, "c": 0.33}


def answers(numbers: list[int], labelled: list[int] | None = None) -> Answers:
    logits = 4.0 * np.eye(3)[numbers]
    shares = TASK.answer_shares({"logits": logits}, ())
    return Answers({"logits": logits}, shares, None if labelled is None else {"logits": 4.0 * np.eye(3)[labelled]})


def target(count: int, labels: list[str] | None = None) -> Any:
    labels = labels or ["a"] * count
    return SimpleNamespace(
        samples=count,
        sample_targets=labels,
        merge_outputs=lambda outputs: (outputs, [None] * count),
        metrics=lambda outputs: TASK.metrics(outputs, labels),
    )


def test_of_a_target_that_may_hold_one_label_it_is_said_and_of_a_mixed_one_nothing():
    assert one_label_note(answers([0, 1, 2] * 10), EVEN, 30) == ""
    assert one_label_note(answers([0] * 26 + [1] * 4), EVEN, 30) == ""
    assert "93% of the 30 target samples are answered 'b'" in one_label_note(answers([1] * 28 + [0] * 2), EVEN, 30)


def test_where_training_was_one_sided_too_or_samples_are_few_nothing_is_said():
    assert one_label_note(answers([1] * 30), {"b": 0.9, "a": 0.1}, 30) == ""
    assert one_label_note(answers([1] * 6), EVEN, 6) == ""


def test_answers_that_collapse_are_refused():
    with pytest.raises(TrainingError, match=r"answers 'c' for 97% .* it has collapsed"):
        verdict(TASK, answers([0, 1, 2] * 10), answers([2] * 29 + [0]), target(30), None)


def test_the_facts_are_what_changed_and_how_often_each_label_is_answered():
    facts = verdict(TASK, answers([0, 1, 2] * 10), answers([0, 1, 1] * 10), target(30), None)
    assert facts["changed"] == pytest.approx(1 / 3)
    assert facts["answers_before"] == {"a": pytest.approx(1 / 3, abs=1e-4), "b": 0.3333, "c": 0.3333}
    assert facts["answers_after"] == {"b": 0.6667, "a": 0.3333}


def test_harm_on_labelled_target_data_is_refused_and_no_harm_is_measured():
    right = [0, 1, 2] * 10
    labels = [TASK.labels[at] for at in right]
    wrong = [0] * 12 + right[12:]
    before, after = answers(right, right), answers(right, wrong)
    with pytest.raises(TrainingError, match=r"accuracy on the 30 labelled target samples goes from 1\.0000 to 0\.7"):
        verdict(TASK, before, after, target(30), target(30, labels))
    facts = verdict(TASK, after, before, target(30), target(30, labels))
    assert facts["target_metrics_after"]["accuracy"] == 1.0 > facts["target_metrics_before"]["accuracy"]
    slightly = answers(right, [1, *right[1:]])
    assert verdict(TASK, before, slightly, target(30), target(30, labels))["target_metrics_after"]["accuracy"] < 1
