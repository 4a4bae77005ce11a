"""Several labels per sample: every figure and answer against what is counted by hand."""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlzoo.errors import DataError
from tlzoo.tasks import make_task
from tlzoo.tasks.base import DecodeOptions, Output
from tlzoo.tasks.calibration import fit_temperature, logistic_loss
from tlzoo.tasks.multilabel.task import MultiLabelPrediction
from tlzoo.tasks.row import Row

TASK: Any = make_task("text-multilabel", ("a", "b", "c"))
LOGITS = {"logits": np.array([[2, -1, -1], [1, 1, -2], [-1, 0, -1], [-3, -1, -1]], np.float32)}
TARGETS = ["a", "a;b", "a", ""]


def row(*cell: Any) -> Row:
    return Row(Path("d.csv"), "line 2", {"label": cell[0]} if cell else {}, ("label",))


@pytest.mark.parametrize(
    ("cell", "target"),
    [
        ("a;b", "a;b"),
        (" b ; a;;b ", "b;a"),
        ("", ""),
        ("  ", ""),
        (None, ""),
        (float("nan"), ""),
        (7, "7"),
        (0.5, "0.5"),
        (["a", " b "], "a;b"),
        ([], ""),
        ('["a", "b"]', "a;b"),
        ([1], "1"),
        ([0], "0"),
        ([1, 2], "1;2"),
        (["1", "0"], "1;0"),
        (["a", 1], "a;1"),
    ],
)
def test_a_cell_holds_labels(cell: Any, target: str):
    assert TASK.read(row(cell)) == target


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        (row(), "File d.csv has no 'label' in line 2.", "Write an empty list where a sample has no label."),
        (
            row([1, 0]),
            "File d.csv has a list of zeros and ones where labels are expected in line 2.",
            'Write the labels that are there, such as ["red", "round"], or red;round. '
            "Name the label of each position: `columns={'label_names': 'NAME,NAME'}`",
        ),
        (
            row(["x", "a;b"]),
            "File d.csv has the label 'a;b' in line 2, which contains ';'.",
            "That character separates labels: rename the label.",
        ),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(given: Row, message: str, hint: str):
    with pytest.raises(DataError) as error:
        TASK.read(given)
    assert (error.value.message, error.value.hint) == (message, hint)


def test_there_is_something_to_learn_from_samples_that_differ():
    TASK.check(["a;b", "a"], Path("d.csv"))
    TASK.check(["a", ""], Path("d.csv"))
    with pytest.raises(DataError) as error:
        TASK.check(["", ""], Path("d.csv"))
    assert error.value.message == "d.csv has no label in any row."
    with pytest.raises(DataError) as error:
        TASK.check(["a;b", "b;a"], Path("d.csv"))
    assert error.value.message == "Every sample of d.csv has the same labels, a;b: there is nothing to learn."


def test_labels_are_sorted_and_each_once():
    fitted = TASK.fit(["z;b", "", "a;z"], "column")
    assert (fitted.name, fitted.labels, type(fitted)) == ("text-multilabel", ("a", "b", "z"), type(TASK))
    assert list(TASK.labels_in(" b;;a ")) == ["b", "a"]
    assert TASK.outputs == (Output("logits", ("batch", 3), labelled=True),)


def test_targets_become_zeros_and_ones():
    found = TASK.collate(["a;c", "", "b"])["labels"]
    assert found.dtype == np.float32
    assert found.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    with pytest.raises(DataError, match="Labels not in the training data: 'd'"):
        TASK.collate(["a;d"])


def test_rare_labels_weigh_more_within_bounds():
    assert TASK.balance(["a;b", "a", "a", "a"]) == pytest.approx([0.01, 3.0, 4.0])
    assert TASK.balance(["a"] * 300 + ["b"]) == pytest.approx([0.01, 100, 100])


def test_metrics_are_those_counted_by_hand():
    found = TASK.metrics(LOGITS, TARGETS)
    # a: 2 of 3 found; b: 1 found, 1 wrongly; c: never there, never said
    assert found["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found["micro_f1"] == pytest.approx(6 / 8)
    assert found["mean_average_precision"] == pytest.approx(1.0)
    there, wide = TASK.collate(TARGETS)["labels"], LOGITS["logits"].astype(float)
    shares = 1 / (1 + np.exp(-wide))
    assert found["log_loss"] == pytest.approx(-np.mean(there * np.log(shares) + (1 - there) * np.log(1 - shares)))
    swapped = TASK.metrics({"logits": LOGITS["logits"][:, [1, 0, 2]]}, TARGETS)
    assert swapped["mean_average_precision"] == pytest.approx(((1 + 1 + 3 / 4) / 3 + 1 / 2) / 2)


def test_where_no_label_is_there_or_said_all_is_found_and_nothing_precise():
    found = TASK.metrics({"logits": np.full((2, 3), -1.0)}, ["", ""])
    assert (found["macro_f1"], found["micro_f1"], found["mean_average_precision"]) == (1.0, 1.0, 0.0)
    wrong = TASK.metrics({"logits": np.array([[1.0, -1.0, -1.0]])}, [""])
    assert (wrong["macro_f1"], wrong["micro_f1"]) == (0.0, 0.0)


def test_what_sees_no_input_answers_by_the_odds():
    found = TASK.prior_outputs(["a", "a;b", "a"], 2)["logits"]
    assert found == pytest.approx(np.log([[4 / 1, 2 / 3, 1 / 4]] * 2))


def test_each_sample_has_its_f1():
    assert TASK.samplewise(LOGITS, TARGETS).tolist() == [1.0, 1.0, 0.0, 1.0]
    half = TASK.samplewise({"logits": np.array([[1.0, -1, -1], [1.0, 1.0, -1]])}, ["a;b", "a"])
    assert half == pytest.approx([2 / 3, 2 / 3])
    assert TASK.label_recalls(LOGITS, TARGETS) == {"a": (2, 3), "b": (1, 1)}
    assert TASK.label_recalls({"logits": np.array([[0.0, -1e-9, 0.0]])}, ["a;b"]) == {"a": (1, 1), "b": (0, 1)}
    draws = [np.array([0, 1]), np.array([2, 2]), np.array([3]), np.array([0, 2])]
    assert TASK.resample(LOGITS, TARGETS, [], draws) == pytest.approx([1.0, 0.0, 1.0, (2 / 3 + 0) / 2])


def test_exported_answers_are_the_same_but_near_zero():
    right = {"logits": np.array([[8, -4, 1], [0, -8e-4, 1], [9e-4, 1, 1], [1, 1, 1], [1, 1, 1]], np.float64)}
    mine = {"logits": np.array([[8, 0, 1], [-1, 0, 1], [-1, 1, 1], [0, 2, 3], [1, np.nan, 1]], np.float64)}
    found = TASK.agree(mine, right, 1.0)  # near is 1e-4 of the scale, 8
    assert found.scale == {"logits": 8.0}
    assert found.difference["logits"].tolist() == [4.0, 1.0, 1.0009, 2.0, np.inf]
    assert found.same.tolist() == [False, True, False, True, False]
    assert TASK.agree(mine, right, 1e-5).same.tolist() == [False, False, False, True, False]
    nothing = {"logits": np.zeros((1, 3))}
    assert TASK.agree(nothing, nothing, 1e-4).scale == {"logits": 1e-12}
    missed = {"logits": np.array([[np.inf, 1, 1]])}
    assert TASK.agree(missed, {"logits": np.ones((1, 3))}, 1.0).same.tolist() == [False]


def test_answers_hold_the_labels_from_a_half_on():
    logits = {"logits": np.array([[0, log(3), -log(3)], [-1, -1, -1]], np.float32)}
    one, two = TASK.decode(logits)
    assert (one.labels, two.labels) == (["a", "b"], [])
    assert one.scores == pytest.approx({"a": 0.5, "b": 0.75, "c": 0.25})
    for threshold, labels in ((0.5, ["a", "b"]), (0.51, ["b"]), (0.2, ["a", "b", "c"]), (0.9, [])):
        assert TASK.decode(logits, options=DecodeOptions(threshold=threshold))[0].labels == labels
    [top, _] = TASK.decode(logits, options=DecodeOptions(top_k=1))
    assert (top.labels, list(top.scores)) == (["a", "b"], ["b"])
    [hot, _] = TASK.decode({"logits": 2 * logits["logits"]}, [], DecodeOptions(2.0))
    assert hot.scores == pytest.approx({"a": 0.5, "b": 0.75, "c": 0.25})


def test_a_line_has_a_score_for_each_label_or_a_dash():
    assert MultiLabelPrediction(["a", "b"], {"b": 0.75, "c": 0.9}, input="x").as_line() == {
        "input": "x",
        "labels": "a;b",
        "scores": "-;0.7500",
    }


def test_too_few_samples_leave_the_temperature_at_one_and_sure_mistakes_raise_it():
    assert TASK.temperature(LOGITS, TARGETS) == 1.0
    sure = {"logits": np.array([[9.0, -9.0, -9.0]] * 100, np.float32)}
    found = TASK.temperature(sure, ["a", "b", "c", ""] * 25)
    assert found == fit_temperature(logistic_loss(sure["logits"], TASK.collate(["a", "b", "c", ""] * 25)["labels"]))
    assert 5 < found <= 20


def test_each_labels_confidence_is_compared_with_how_often_it_is_there():
    logits = {"logits": np.array([[log(4), -log(4), -log(4)]] * 4, np.float32)}
    targets = ["a", "a", "b", ""]
    found = TASK.calibration_error(logits, targets)
    assert found == pytest.approx((4 * 0.8 - 2 + 8 * 0.2 - 1) / 12)
    assert TASK.calibration_error({"logits": 3 * logits["logits"]}, targets, (), 3.0) == pytest.approx(found)
