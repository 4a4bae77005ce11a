"""What an adaptation did is judged: targets of one label, collapsed answers, and harm to source and target."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tlzoo.adaptation.verdict import Answers, Evidence, moved_note, notes, one_label_note, verdict
from tlzoo.errors import TrainingError
from tlzoo.tasks import make_task

TASK = make_task("image-classification", ("a", "b", "c"))
NUMBER = make_task("image-regression", ["price"])
NO_BASELINE: Any = type("NoBaseline", (type(TASK),), {"prior_outputs": lambda *given: None})(TASK.name, TASK.labels)
EVEN = {"a": 0.34, "b": 0.33, "c": 0.33}
RIGHT = [0, 1, 2] * 10


def logits(numbers: Sequence[int]) -> dict[str, np.ndarray]:
    return {"logits": 4.0 * np.eye(3)[list(numbers)]}


def answers(numbers: list[int], labelled: list[int] | None = None, heldout: list[int] = RIGHT) -> Answers:
    shares = TASK.answer_shares(logits(numbers), ())
    return Answers(logits(numbers), shares, logits(heldout), None if labelled is None else logits(labelled))


def samples(targets: Sequence[str], task: Any = TASK, distinct: int | None = None) -> Any:
    return SimpleNamespace(
        samples=len(targets),
        sample_targets=targets,
        distinct=lambda: len(targets) if distinct is None else distinct,
        merge_outputs=lambda outputs: (outputs, [None] * len(targets)),
        independent=lambda outputs: (outputs, targets, [None] * len(targets)),
        independent_groups=lambda: None,
        without_copies=lambda: list(range(len(targets))),
        metrics=lambda outputs: task.metrics(outputs, targets, [None] * len(targets)),
    )


def named(numbers: Sequence[int]) -> list[str]:
    return [TASK.labels[at] for at in numbers]


def evidence(count: int = 30, labels: list[str] | None = None, distinct: int | None = None) -> Evidence:
    """`count` target samples, the right answers of held-out samples, and labelled target data where given."""
    labelled = None if labels is None else samples(labels)
    return Evidence(samples(["a"] * count, TASK, distinct), samples(named(RIGHT)), labelled, named(RIGHT), 0)


def test_of_a_target_that_may_hold_one_label_it_is_said_and_of_a_mixed_one_nothing():
    assert one_label_note(answers([0, 1, 2] * 10), EVEN, 30) == ""
    assert one_label_note(answers([0] * 26 + [1] * 4), EVEN, 30) == ""
    assert "93% of the 30 target samples are answered 'b'" in one_label_note(answers([1] * 28 + [0] * 2), EVEN, 30)


def test_answers_that_came_nearer_to_the_training_labels_are_told_and_others_are_not():
    before, after = {"a": 0.8, "b": 0.1, "c": 0.1}, {"a": 0.5, "b": 0.25, "c": 0.25}
    said = moved_note(before, after, EVEN)
    assert "the answers 'a' from 80% to 50% of the target, towards the 34% of the training data" in said
    assert moved_note(after, before, EVEN) == ""  # away from the training labels
    assert moved_note(before, {**before, "a": 0.75, "b": 0.15}, EVEN) == ""  # by little
    assert moved_note(before, after, {}) == moved_note({}, after, EVEN) == ""


def test_where_training_was_one_sided_too_or_samples_are_few_nothing_is_said():
    assert one_label_note(answers([1] * 30), {"b": 0.9, "a": 0.1}, 30) == ""
    assert one_label_note(answers([1] * 6), EVEN, 6) == ""


def test_answers_that_collapse_are_refused():
    with pytest.raises(TrainingError, match=r"answers 'c' for 97% .* it has collapsed"):
        verdict(TASK, answers([0, 1, 2] * 10), answers([2] * 29 + [0]), evidence())


def test_answers_that_nearly_all_change_to_one_label_are_refused():
    with pytest.raises(TrainingError, match=r"answers 'b' for 100% .* 100% of the answers changed: it has collapsed"):
        verdict(TASK, answers([0] * 30), answers([1] * 30), evidence())
    assert verdict(TASK, answers([1] * 30), answers([1] * 30), evidence())["changed"] == 0


def test_of_few_distinct_samples_the_shares_of_answers_are_not_judged():
    assert verdict(TASK, answers([0] * 30), answers([1] * 30), evidence(distinct=5))["changed"] == 1


def test_the_facts_are_what_changed_and_how_often_each_label_is_answered():
    facts = verdict(TASK, answers([0, 1, 2] * 10), answers([0, 1, 1] * 10), evidence())
    assert facts["changed"] == pytest.approx(1 / 3)
    assert facts["answers_before"] == {"a": pytest.approx(1 / 3, abs=1e-4), "b": 0.3333, "c": 0.3333}
    assert facts["answers_after"] == {"b": 0.6667, "a": 0.3333}


def test_harm_on_labelled_target_data_is_refused_and_no_harm_is_measured():
    wrong = [0] * 12 + RIGHT[12:]
    before, after, data = answers(RIGHT, RIGHT), answers(RIGHT, wrong), evidence(labels=named(RIGHT))
    with pytest.raises(TrainingError, match=r"accuracy goes from 1\.0000 to 0\.7333 on the 30 labelled target samples"):
        verdict(TASK, before, after, data)
    facts = verdict(TASK, after, before, data)
    assert facts["target_metrics_after"]["accuracy"] == 1.0 > facts["target_metrics_before"]["accuracy"]
    assert facts["target_change"]["verdict"] == "better"
    assert facts["target_change"]["difference"]["value"] == pytest.approx(8 / 30)
    assert facts["target_change"]["difference"]["low"] > 0
    facts = verdict(TASK, before, answers(RIGHT, [1, *RIGHT[1:]]), data)
    assert facts["target_change"]["verdict"] == "chance"
    assert facts["target_change"]["difference"]["low"] < 0 <= facts["target_change"]["difference"]["high"]


def test_of_three_labelled_samples_it_is_said_that_they_prove_little():
    data = evidence(labels=named([0, 1, 2]))
    facts = verdict(TASK, answers(RIGHT, [1, 2, 0]), answers(RIGHT, [0, 1, 2]), data)
    assert facts["target_change"]["verdict"] == "chance"
    (said,) = filter(None, notes(TASK, facts, data))
    assert said.startswith("3 labelled target samples are too few")


def test_a_source_worse_by_more_than_chance_is_said_and_by_chance_not():
    worse = [0] * 12 + RIGHT[12:]
    facts = verdict(TASK, answers(RIGHT), answers(RIGHT, heldout=worse), evidence())
    assert facts["source_change"]["verdict"] == "worse"
    assert facts["source_change"]["difference"]["value"] == pytest.approx(-8 / 30)
    (said,) = filter(None, notes(TASK, facts, evidence()))
    assert "worse than before on the source by more than chance: accuracy goes from 1.0000 to 0.7333" in said
    facts = verdict(TASK, answers(RIGHT), answers(RIGHT, heldout=[1, *RIGHT[1:]]), evidence())
    assert facts["source_change"]["verdict"] == "chance"
    assert not list(filter(None, notes(TASK, facts, evidence())))


def test_a_source_answered_no_better_than_without_input_is_refused():
    with pytest.raises(TrainingError, match=r"collapsed on the source: accuracy goes .* to 0\.3333 .*frequencies"):
        verdict(TASK, answers(RIGHT), answers(RIGHT, heldout=[0] * 30), evidence())
    useless = answers(RIGHT, heldout=[1, 2, 0] * 10)
    assert verdict(TASK, useless, useless, evidence())["source_change"]["verdict"] == "chance"


def test_a_collapse_on_the_source_is_outweighed_by_labels_of_the_target_alone():
    data = evidence(labels=named(RIGHT))
    collapsed = answers(RIGHT, RIGHT, heldout=[0] * 30)
    assert verdict(TASK, answers(RIGHT, [0] * 30), collapsed, data)["source_change"]["verdict"] == "worse"
    with pytest.raises(TrainingError, match="collapsed on the source"):
        verdict(TASK, answers(RIGHT, RIGHT), collapsed, data)


def test_numbers_no_nearer_than_the_mean_are_refused():
    targets = [str(at) for at in range(30)]
    data = Evidence(samples(targets, NUMBER), samples(targets, NUMBER), None, targets, 0)
    near, less, far = ({"logits": np.arange(30.0)[:, None] + by} for by in (0.5, 2.0, 20.0))
    before, worse, worst = (Answers(near, {}, each, None) for each in (near, less, far))
    with pytest.raises(TrainingError, match=r"rmse goes from 0\.5000 to 20\.0000 .*\(8\.6"):
        verdict(NUMBER, before, worst, data)
    facts = verdict(NUMBER, before, worse, data)
    assert facts["source_change"]["verdict"] == "worse"
    assert facts["source_change"]["difference"]["value"] == pytest.approx(1.5)


def test_without_a_baseline_more_than_half_of_the_metric_must_be_lost():
    wrong = [0, 0, 0] * 10
    with pytest.raises(TrainingError, match="less than half"):
        verdict(NO_BASELINE, answers(RIGHT), answers(RIGHT, heldout=wrong), evidence())
    half = RIGHT[:15] + [(at + 1) % 3 for at in RIGHT[15:]]
    facts = verdict(NO_BASELINE, answers(RIGHT), answers(RIGHT, heldout=half), evidence())
    assert facts["source_change"]["verdict"] == "worse"
