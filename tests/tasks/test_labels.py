"""What the tasks with labels share: numbers, shares, recalls and the largest scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tlzoo.errors import DataError
from tlzoo.tasks.labels import (
    check_two_classes,
    class_numbers,
    count_found,
    in_order,
    label_shares,
    means_numbers,
    plain_label,
    top_scores,
)


def test_known_labels_are_numbered_in_their_order():
    assert class_numbers(["b", "a"], ["a", "a", "b"]) == {"b": 0, "a": 1}
    assert class_numbers([], []) == {}


def test_labels_of_older_runs_are_known_as_they_are_compared_now():
    assert class_numbers(["cafe\u0301", "a\u200b"], ["caf\u00e9", "a"])["caf\u00e9"] == 0
    assert class_numbers(["caf\u00e9", "cafe\u0301"], ["cafe\u0301"])["cafe\u0301"] == 1


@pytest.mark.parametrize(
    ("label", "plain"),
    [
        ("cafe\u0301", "caf\u00e9"),
        (" a\u200bb\ufeff ", "ab"),
        ("new\u00a0 york", "new york"),
        ("\u200e", ""),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
        ("Good", "Good"),
        ("1.0", "1.0"),
    ],
)
def test_labels_are_compared_as_they_are_seen(label: str, plain: str):
    assert plain_label(label) == plain


@pytest.mark.parametrize(
    ("labels", "ordered"),
    [
        (["10", "2", "0", "1", "2"], ["0", "1", "2", "10"]),
        (["1.0", "1", "-3", "1e1"], ["-3", "1", "1.0", "1e1"]),
        (["10", "2", "a"], ["10", "2", "a"]),
        (["nan", "2", "10"], ["10", "2", "nan"]),
        ([], []),
    ],
)
def test_numbers_are_in_the_order_of_their_values(labels: list[str], ordered: list[str]):
    assert in_order(labels) == ordered


@pytest.mark.parametrize(
    ("labels", "measured"),
    [
        (["0.42", "0.5", "1.7"], True),
        ([str(at) for at in range(40)], True),
        (["0", "1", "2", "10"] * 5, False),
        (["0.0", "1.0"] * 5, False),
        ([str(at % 30) for at in range(300)], False),
        (["0.5", "a", "b"], False),
    ],
)
def test_many_numbers_are_rather_values_than_classes(labels: list[str], measured: bool):
    assert means_numbers(labels) == measured


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        (["a", "z"], "'z'"),
        (["z", "y", "z"], "'y', 'z'"),
        (list("zyxwv"), "'v', 'w', 'x', 'y', 'z'"),
        (list("zyxwvu"), "'u', 'v', 'w', 'x', 'y', ..."),
    ],
)
def test_unknown_labels_are_named_and_no_more_than_five(labels: list[str], named: str):
    with pytest.raises(DataError) as error:
        class_numbers(["a", "b"], labels)
    assert error.value.message == f"Labels not in the training data: {named}."
    assert error.value.hint == "Known labels: a, b."


def test_no_more_than_twenty_known_labels_are_named():
    known = [f"l{number}" for number in range(21)]
    with pytest.raises(DataError) as error:
        class_numbers(known, ["z"])
    assert error.value.hint == f"Known labels: {', '.join(known[:20])}."


def test_two_classes_are_enough():
    check_two_classes(["a", "b", "a"], Path("d.csv"))


@pytest.mark.parametrize(("labels", "only"), [(["a", "a"], "'a'"), ([], "")])
def test_one_class_is_not(labels: list[str], only: str):
    with pytest.raises(DataError) as error:
        check_two_classes(labels, Path("d.csv"))
    assert error.value.message == f"d.csv has only one class, {only}."
    assert error.value.hint == "Add samples of another class."


def test_shares_are_of_the_whole_the_largest_first_and_those_of_none_left_out():
    shares = label_shares(("a", "b", "c", "d"), [1, 0, 4, 1])
    assert list(shares.items()) == [("c", 0.6667), ("a", 0.1667), ("d", 0.1667)]
    assert label_shares(("a", "b"), [0, 0]) == {}
    assert label_shares((), []) == {}
    with pytest.raises(ValueError, match="zip"):
        label_shares(("a",), [1, 2])


def test_recalls_count_what_is_found_of_what_is_there():
    found = np.array([[True, False, False], [True, True, False], [False, False, False]])
    there = np.array([[True, False, False], [True, True, False], [True, True, False]])
    assert count_found(("a", "b", "c"), found, there) == {"a": (2, 3), "b": (1, 2)}
    with pytest.raises(ValueError, match="zip"):
        count_found(("a", "b"), found, there)


def test_the_largest_scores_come_first_those_alike_in_their_order():
    scores = {"a": 0.2, "b": 0.5, "c": 0.2, "d": 0.1}
    assert list(top_scores(scores, None).items()) == list(scores.items())
    assert list(top_scores(scores, 2).items()) == [("b", 0.5), ("a", 0.2)]
    assert list(top_scores(scores, 9)) == ["b", "a", "c", "d"]
    assert top_scores(scores, 0) == {}
