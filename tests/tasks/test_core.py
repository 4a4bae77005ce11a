"""What holds for every one of the core's tasks: intervals, weights of labels, what a split keeps, what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlzoo.errors import DataError, UsageError
from tlzoo.tasks import CORE, Prediction, Task, make_task
from tlzoo.tasks.intervals import bootstrap_interval, metric_interval

LABELS = ("a", "b", "c")
SINGLE, SEVERAL = make_task("text-classification", LABELS), make_task("text-multilabel", LABELS)
NUMBER = make_task("text-regression", ("score",))
COUNT = 60


def measured(task: Task) -> tuple[dict[str, np.ndarray], list[str]]:
    """Outputs that are right more often than not, and their targets."""
    random = np.random.default_rng(0)
    noise = random.normal(size=(COUNT, len(task.labels)))
    if task is NUMBER:
        values = random.normal(50, 10, COUNT)
        return {"logits": values[:, None] + 3 * noise}, [repr(value) for value in values.tolist()]
    there = random.random((COUNT, 3)) < 0.4 if task is SEVERAL else np.eye(3, dtype=bool)[random.integers(0, 3, COUNT)]
    rows = [";".join(label for label, one in zip(LABELS, row, strict=True) if one) for row in there]
    return {"logits": 2.0 * there - 1 + noise}, rows


@pytest.fixture(params=[SINGLE, SEVERAL, NUMBER], ids=lambda task: task.family)
def case(request: pytest.FixtureRequest) -> tuple[Task, dict[str, np.ndarray], list[str]]:
    """A task with outputs and targets."""
    return request.param, *measured(request.param)


def test_a_draw_of_samples_is_measured_as_if_they_were_all(case: Any):
    task, outputs, targets = case
    draws = [np.random.default_rng(seed).integers(0, COUNT, COUNT) for seed in range(20)]
    by_the_book = Task.resample(task, outputs, targets, [None] * COUNT, draws)
    assert task.resample(outputs, targets, [None] * COUNT, draws) == pytest.approx(by_the_book, rel=1e-6)
    assert len(set(by_the_book)) > 5


def test_the_interval_holds_the_metric_and_its_name(case: Any):
    task, outputs, targets = case
    value = task.metrics(outputs, targets)[task.headline]
    found = metric_interval(task, outputs, targets, [None] * COUNT, value, 0)
    assert (found["metric"], found["level"]) == (task.headline, 0.95)
    assert found["low"] < value < found["high"]
    assert found == metric_interval(task, outputs, targets, [None] * COUNT, value, 0)
    drawn = [bootstrap_interval(task, outputs, targets, [None] * COUNT, seed) for seed in (0, 1)]
    assert drawn[0] != drawn[1]
    assert all(low < value < high for low, high in drawn)


def test_every_metric_is_measured_and_the_headline_is_among_them(case: Any):
    task, outputs, targets = case
    assert set(task.metrics(outputs, targets)) == set(task.directions) >= {task.headline, task.monitor}
    assert task.samplewise(outputs, targets).shape == (COUNT,)


def test_a_model_agrees_with_itself_and_each_sample_that_moved_is_told(case: Any):
    task, outputs, _ = case
    found = task.agree(outputs, outputs, 0.0)
    assert found.same.tolist() == [True] * COUNT
    assert found.difference["logits"].tolist() == [0.0] * COUNT
    logits = outputs["logits"].copy()
    logits[7, 0] += 1e6
    moved = {"logits": logits}
    told = task.agree(moved, outputs, 1e-3)
    assert np.flatnonzero(told.difference["logits"]).tolist() == [7]
    assert told.scale == found.scale


def test_every_sample_has_an_answer_whose_fields_are_its_columns(case: Any):
    task, outputs, _ = case
    rows = task.decode(outputs)
    assert len(rows) == COUNT
    assert {type(row) for row in rows} == {task.prediction}
    assert all(tuple(row.as_row()) == task.prediction.columns() for row in rows)
    assert all(isinstance(text, str) for row in rows for text in row.as_line().values())


def test_an_answer_with_an_embedding_holds_it_in_its_row(case: Any):
    task, outputs, _ = case
    [first] = task.decode({"logits": outputs["logits"][:1]})
    held = type(first)(**vars(first) | {"input": "x", "embedding": np.array([0.5, 1.5], np.float32)})
    assert held.as_row() == {**first.as_row(), "input": "x", "embedding": [0.5, 1.5]}


def test_a_task_is_made_again_from_its_name_labels_and_settings(case: Any):
    task, _, targets = case
    assert make_task(task.name, task.labels, task.settings()) == task
    assert make_task(task.name).fit(targets, "score") == task


def test_balanced_weights_make_up_for_how_often_a_label_occurs_within_bounds():
    targets = ["a"] * 6 + ["b"] * 3 + ["c"]
    assert SINGLE.balance(targets) == pytest.approx([10 / 18, 10 / 9, 10 / 3])
    assert SEVERAL.balance(["a;b", "a", "a", ""]) == pytest.approx([1 / 3, 3, 4])
    assert SINGLE.balance(["a"] * 100_000 + ["b", "c"]) == pytest.approx([100_002 / 300_000, 100, 100])
    assert SEVERAL.balance(["a;b"] * 1000) == pytest.approx([0.01, 0.01, 100])
    with pytest.raises(UsageError, match="text-regression has no classes to weight"):
        NUMBER.balance(["1", "2"])


def test_what_splits_keep_and_what_labels_a_target_has():
    assert (SINGLE.group("a"), list(SINGLE.labels_in("a"))) == ("a", ["a"])
    assert (SEVERAL.group("a;b"), list(SEVERAL.labels_in(" a; b;"))) == (None, ["a", "b"])
    assert (NUMBER.group("1"), list(NUMBER.labels_in("1"))) == (None, [])


@pytest.mark.parametrize(
    ("family", "targets", "said"),
    [
        ("classification", ["a", "a"], "t.csv has only one class, 'a'"),
        ("multilabel", ["", ""], "t.csv has no label in any row"),
        ("regression", ["1", "1.0"], "t.csv has only one target value, 1"),
    ],
)
def test_training_targets_from_which_nothing_can_be_learnt_are_refused(family: str, targets: list[str], said: str):
    with pytest.raises(DataError) as error:
        make_task(f"text-{family}").check(targets, Path("t.csv"))
    assert said in error.value.message
    assert error.value.hint


def test_labels_that_a_task_does_not_have_are_refused_before_they_are_used():
    for task in (SINGLE, SEVERAL):
        task.check_known(["a", "b"])
        with pytest.raises(DataError, match="'z'"):
            task.check_known(["a", "z"])
    with pytest.raises(DataError, match="'tall' of sample 2"):
        NUMBER.check_known(["1", "tall"])


def test_every_family_names_itself():
    assert {family: task.family for family, task in CORE.items()} == {family: family for family in CORE}
    assert all(make_task(f"text-{family}").modality == "text" for family in CORE)


@dataclass(frozen=True)
class Answer(Prediction):
    """As a plugin's task may answer."""

    level: float
    steps: list[float]
    name: str


def test_an_answer_of_a_plugins_task_is_a_line_of_short_cells():
    answer = Answer(level=2 / 3, steps=[0.5, 1 / 3], name="up", input="a.csv")
    assert answer.as_line() == {"input": "a.csv", "level": "0.666667", "steps": "0.5;0.333333", "name": "up"}
    assert answer.as_row() == {"input": "a.csv", "level": 2 / 3, "steps": [0.5, 1 / 3], "name": "up"}


def test_answers_that_see_no_input_are_the_frequencies_of_training():
    targets = ["a"] * 6 + ["b"] * 3
    logits = SINGLE.prior_outputs(targets, 4)["logits"]
    assert logits.shape == (4, 3)
    assert np.exp(logits[0]) == pytest.approx([7 / 12, 4 / 12, 1 / 12])
    assert SINGLE.metrics({"logits": logits}, ["a", "b", "a", "c"], [None] * 4)["accuracy"] == 0.5
    several = SEVERAL.prior_outputs(["a;b", "a", "", "a"], 2)["logits"]
    assert 1 / (1 + np.exp(-several[0])) == pytest.approx([4 / 6, 2 / 6, 1 / 6])
    numbers = NUMBER.prior_outputs(["1", "2", "6"], 3)
    assert NUMBER.metrics(numbers, ["3", "3", "6"], [None] * 3)["rmse"] == pytest.approx(3**0.5)


def test_answer_shares_count_the_likeliest_labels():
    logits = np.array([[3.0, 0, 0], [2, 1, 0], [0, 0, 9], [1, 0, 0]])
    assert SINGLE.answer_shares({"logits": logits}) == {"a": 0.75, "c": 0.25}
    assert NUMBER.answer_shares({"logits": logits[:, :1]}, []) == {}
