"""The parts of a cross-validation: one data set of three, folds by label, and rows by sample."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tlzoo.data.dataset import TaskDataset
from tlzoo.features.extract import Features
from tlzoo.tasks import make_task
from tlzoo.tasks.windows import Window
from tlzoo.training.step_model import DatasetSplits
from tlzoo.training.strategies.cross_validation import FOLDS, INNER, _join, _rows, _take, plan_folds

TASK = make_task("text-classification", ("a", "b"))


def data_of(texts: list[str], labels: Any) -> TaskDataset:
    preprocessor: Any = None
    return TaskDataset(texts, labels, preprocessor, TASK)


def folds_of(data: TaskDataset, seed: int = 0) -> Any:
    """The folds of data that is cross-validated without being asked for it."""
    plan = plan_folds(DatasetSplits(data, data.subset([]), data.subset([]), True), None, seed)
    return None if plan is None else plan.folds


def test_ten_folds_and_a_fifth_within_them():
    assert (FOLDS, INNER) == (10, 5)


@pytest.mark.parametrize(("count", "folds"), [(2, 2), (3, 3), (9, 9), (10, 10), (11, 10), (40, 10)])
def test_each_sample_is_in_one_fold_and_folds_are_as_large(count: int, folds: int):
    found = folds_of(data_of([f"text {at}" for at in range(count)], (["a", "b"] * count)[:count]))
    assert found is not None
    assert len(found) == folds
    assert sorted(at for fold in found for at in fold) == list(range(count))
    assert max(map(len, found)) - min(map(len, found)) <= 1


def test_each_label_is_in_proportion_in_each_fold_and_the_seed_draws_them():
    labels = ["a"] * 70 + ["b"] * 30
    data = data_of([f"text {at}" for at in range(100)], labels)
    found = folds_of(data)
    assert found is not None
    assert [Counter(labels[at] for at in fold) for fold in found] == [{"a": 7, "b": 3}] * 10
    assert found == folds_of(data)
    assert found != folds_of(data, 1)


@pytest.mark.parametrize("texts", [["same"] * 9, ["one"], []])
def test_there_are_no_folds_of_samples_that_do_not_differ(texts: list[str]):
    assert folds_of(data_of(texts, ["a"] * len(texts))) is None


def test_copies_stay_together():
    found = folds_of(data_of(["x", "y", "x", "z", "y"], "aabba"))
    assert found is not None
    assert sorted(map(sorted, found)) == [[0, 2], [1, 4], [3]]


def test_all_parts_are_joined_in_their_order_with_windows_where_one_has_them():
    train, validation, test = data_of(["1", "2"], ("a", "b")), data_of(["3"], ["b"]), data_of(["4"], ["a"])
    joined = _join((train, validation, test))
    assert (joined.inputs, joined.targets, joined.windows) == (["1", "2", "3", "4"], ["a", "b", "b", "a"], None)
    windows = [[Window("3", 0), Window("5", 1)]]
    long = replace(validation, inputs=["3", "5"], targets=["b", "b"], windows=windows, whole=["b"])
    joined = _join((train, long, test))
    assert joined.windows == [[Window("1", 0)], [Window("2", 0)], *windows, [Window("4", 0)]]
    assert (joined.samples, joined.sample_targets) == (4, ["a", "b", "b", "a"])
    assert joined.inputs == ["1", "2", "3", "5", "4"]


def test_rows_of_each_sample_are_split_and_taken_again():
    plain = _rows([Features(np.array([[1.0], [2]])), Features(np.array([[3.0]]))])
    assert [row.tolist() for row in plain] == [[[1.0]], [[2.0]], [[3.0]]]
    ragged = _rows([
        Features(np.array([[1.0], [2], [3]]), np.array([2, 1])),
        Features(np.array([[4.0], [5]]), np.array([2])),
    ])  # fmt: skip
    assert [row.tolist() for row in ragged] == [[[1.0], [2.0]], [[3.0]], [[4.0], [5.0]]]
    taken = _take(ragged, [2, 0], True)
    assert taken.rows.tolist() == [[4.0], [5.0], [1.0], [2.0]]
    assert taken.lengths is not None
    assert taken.lengths.tolist() == [2, 2]
    taken = _take(plain, [2, 0], False)
    assert (taken.rows.tolist(), taken.lengths) == ([[3.0], [1.0]], None)
