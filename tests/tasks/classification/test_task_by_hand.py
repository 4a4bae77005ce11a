"""One label per sample: every figure and answer against what is counted by hand."""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlzoo.errors import DataError
from tlzoo.tasks import make_task
from tlzoo.tasks.base import DecodeOptions, Output
from tlzoo.tasks.classification.task import LabelPrediction
from tlzoo.tasks.row import Row

TASK: Any = make_task("text-classification", ("a", "b", "c"))
LOGITS = {"logits": np.array([[3, 0, 0], [0, 2, 1], [0, 1, 0], [4, 1, 0]], np.float32)}
TARGETS = ["a", "b", "a", "c"]


def test_the_output_has_a_place_for_each_label():
    assert TASK.outputs == (Output("logits", ("batch", 3), labelled=True),)


def test_a_label_is_read_without_blanks_around_it():
    assert TASK.read(Row(Path("d.csv"), "line 2", {"label": " a b "}, ("label",))) == "a b"


def test_classes_are_two_or_more_and_sorted():
    TASK.check(["b", "a"], Path("d.csv"))
    with pytest.raises(DataError, match=r"^d\.csv has only one class, 'b'\."):
        TASK.check(["b", "b"], Path("d.csv"))
    fitted = TASK.fit(["z", "b", "z", "a"], "column")
    assert (fitted.name, fitted.labels, type(fitted)) == ("text-classification", ("a", "b", "z"), type(TASK))


def test_a_target_is_its_own_group_and_label():
    assert TASK.group("a") == "a"
    assert tuple(TASK.labels_in("a")) == ("a",)


def test_targets_become_numbers():
    found = TASK.collate(["c", "a", "c"])["labels"]
    assert (found.tolist(), found.dtype) == ([2, 0, 2], np.int64)


def test_rare_classes_weigh_more_within_bounds():
    assert TASK.balance(["a", "a", "a", "b", "b", "c"]) == pytest.approx([2 / 3, 1.0, 2.0])
    assert TASK.balance(["a", "a", "b", "b", "b", "b"]) == pytest.approx([1.0, 0.5, 2.0])
    assert TASK.balance(["a"] * 600 + ["b"]) == pytest.approx([601 / 1800, 100, 100])
    wide: Any = make_task("text-classification", tuple(f"l{at:03}" for at in range(200)))
    assert wide.balance(["l000"] * 300)[0] == 0.01


def test_metrics_are_those_counted_by_hand():
    found = TASK.metrics(LOGITS, TARGETS)
    shares = np.exp(LOGITS["logits"].astype(float))
    shares /= shares.sum(axis=1, keepdims=True)
    assert found["accuracy"] == 0.5
    assert found["macro_f1"] == pytest.approx((0.5 + 2 / 3 + 0) / 3)
    assert found["log_loss"] == pytest.approx(
        -np.mean([log(shares[0, 0]), log(shares[1, 1]), log(shares[2, 0]), log(shares[3, 2])])
    )
    assert TASK.metrics({"logits": LOGITS["logits"][:2]}, TARGETS[:2])["log_loss"] == pytest.approx(
        -np.mean([log(shares[0, 0]), log(shares[1, 1])])
    )


def test_what_sees_no_input_answers_by_shares_of_classes():
    found = TASK.prior_outputs(["a", "a", "b"], 2)["logits"]
    assert found == pytest.approx(np.log([[3 / 6, 2 / 6, 1 / 6]] * 2))


def test_each_sample_is_right_or_wrong():
    found = TASK.samplewise(LOGITS, TARGETS)
    assert (found.tolist(), found.dtype) == ([1.0, 1.0, 0.0, 0.0], np.float64)
    assert TASK.label_recalls(LOGITS, TARGETS) == {"a": (1, 2), "b": (1, 1), "c": (0, 1)}
    draws = [np.array([0, 0, 2, 3]), np.array([1]), np.array([2, 3])]
    assert TASK.resample(LOGITS, TARGETS, [], draws) == [0.5, 1.0, 0.0]


def test_the_likeliest_labels_are_counted():
    assert TASK.answer_shares(LOGITS) == {"a": 0.5, "b": 0.5}
    assert TASK.answer_shares({"logits": LOGITS["logits"][:3]}) == {"b": 0.6667, "a": 0.3333}


def test_exported_answers_are_the_same_but_for_ties():
    right = {"logits": np.array([[0, 8, 4], [6, 6, 0], [2, 2 - 5e-4, 2], [2, 2 - 3e-4, -4]], np.float64)}
    mine = {"logits": np.array([[0, 3, 4], [0, 9, 0], [0, 1, 0], [0, 1, 0]], np.float64)}
    found = TASK.agree(mine, right, 1.0)  # the tie is 1e-4 of the scale, 4: those within 4e-4
    assert found.scale == {"logits": 4.0}
    assert found.difference["logits"].tolist() == [5.0, 6.0, 2.0, 4.0]
    assert found.same.tolist() == [False, True, False, True]
    strict = TASK.agree(mine, right, 1e-5)
    assert strict.same.tolist() == [False, True, False, False]
    nothing = {"logits": np.ones((1, 3))}
    assert TASK.agree(nothing, nothing, 1e-4).scale == {"logits": 1e-12}


def test_answers_hold_the_likeliest_label_and_the_probabilities():
    logits = {"logits": np.log(np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]], np.float32))}
    one, two = TASK.decode(logits)
    assert (one.label, two.label) == ("a", "c")
    assert (one.score, two.score) == pytest.approx((0.5, 0.8))
    assert one.scores == pytest.approx({"a": 0.5, "b": 0.3, "c": 0.2})
    [top, _] = TASK.decode(logits, options=DecodeOptions(top_k=2))
    assert list(top.scores) == ["a", "b"]
    assert TASK.decode({"logits": np.zeros((0, 3), np.float32)}) == []


def test_a_threshold_leaves_the_label_out_below_it_alone():
    logits = {"logits": np.array([[0, 0, -1000]], np.float32)}
    for threshold, label in ((0.5, "a"), (0.5001, None), (None, "a")):
        [found] = TASK.decode(logits, options=DecodeOptions(threshold=threshold))
        assert (found.label, found.score) == (label, 0.5)
    assert LabelPrediction(None, 0.5, {}, input="x").as_line() == {"input": "x", "label": "None", "score": "0.5000"}


def test_a_temperature_divides_logits():
    [found] = TASK.decode({"logits": np.array([[log(9) * 2, 0, -1000]], np.float32)}, [], DecodeOptions(2.0))
    assert found.score == pytest.approx(0.9)


def test_too_few_samples_leave_the_temperature_at_one_and_sure_mistakes_raise_it():
    assert TASK.temperature(LOGITS, TARGETS) == 1.0
    sure = {"logits": np.array([[9.0, 0.0, 0.0]] * 100, np.float32)}
    found = TASK.temperature(sure, ["a", "b"] * 40 + ["a"] * 20)
    assert 5 < found <= 20


def test_confidence_is_compared_with_how_often_it_is_right():
    logits = {"logits": np.array([[log(8), 0, 0]] * 4 + [[0, log(2), 0]] * 2, np.float32)}
    targets = ["a", "a", "a", "c", "b", "b"]
    assert TASK.calibration_error(logits, targets) == pytest.approx((4 * (0.8 - 0.75) + 2 * (1 - 0.5)) / 6)
    hot = {"logits": 3 * logits["logits"]}
    assert TASK.calibration_error(hot, targets, (), 3.0) == pytest.approx(TASK.calibration_error(logits, targets))
