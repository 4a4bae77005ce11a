"""How far an exported file's outputs are from the model's, in numbers, and softmax and sigmoid of large logits."""

from __future__ import annotations

import numpy as np
import pytest

from tlzoo.tasks.agreement import agreement, differences, largest_magnitude, single_output
from tlzoo.tasks.probabilities import sigmoid, softmax
from tlzoo.tasks.rows import Output


def test_the_largest_difference_of_each_sample_counts():
    one = np.array([[1, 2], [3, 4], [np.nan, 0], [np.inf, 0]], np.float32)
    other = np.array([[1, 2.5], [1, 4], [0, 0], [0, 0]], np.float32)
    found = differences(one, other)
    assert found.dtype == np.float64
    assert found.tolist() == [0.5, 2.0, np.inf, np.inf]
    assert differences(other, one).tolist() == [0.5, 2.0, np.inf, np.inf]


def test_samples_of_other_shapes_differ_without_a_bound():
    rows = [np.zeros((2, 3)), np.zeros((1, 3)), np.zeros((0, 3)), np.ones(3)]
    others = [np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((0, 3)), np.zeros((1, 3))]
    assert differences(rows, others).tolist() == [0.0, np.inf, 0.0, np.inf]
    with pytest.raises(ValueError, match="zip"):
        differences(rows, others[:2])


def test_large_whole_numbers_are_subtracted_as_what_they_are():
    assert differences(np.array([[0]], np.uint8), np.array([[255]], np.uint8)).tolist() == [255.0]


def test_the_scale_is_the_largest_size_but_never_nothing():
    assert largest_magnitude(np.array([[1.0, -3.0], [2.0, 0.0]])) == 3.0
    assert largest_magnitude([np.zeros((0, 2)), np.array([[0.5]])]) == 0.5
    for nothing in (np.zeros((2, 2)), [], [np.zeros(0)]):
        assert largest_magnitude(nothing) == 1e-12


OUTPUTS = (Output("f", ("batch", 2)), Output("n", ("batch",), "int64"))
REFERENCE = {"f": np.array([[0.0, 10.0], [0.0, 0.0], [1.0, 1.0]], np.float32), "n": np.array([1, 2, 3])}


def test_floats_agree_within_the_tolerance_and_whole_numbers_only_if_equal():
    exported = {"f": REFERENCE["f"] + np.array([[1.0], [1.5], [0.0]], np.float32), "n": np.array([1, 2, 4])}
    scales, found, same = agreement(OUTPUTS, exported, REFERENCE, 0.1)
    assert scales == {"f": 10.0, "n": 1.0}
    assert found["f"].tolist() == [1.0, 1.5, 0.0]
    assert found["n"].tolist() == [0.0, 0.0, 0.0]
    assert same.tolist() == [True, False, False]
    assert agreement(OUTPUTS, REFERENCE, REFERENCE, 0.0)[2].tolist() == [True] * 3


def test_a_single_output_has_the_scale_that_is_given():
    scale, found = single_output("f", {"f": REFERENCE["f"] + 2}, REFERENCE, 7.0)
    assert scale == {"f": 7.0}
    assert found["f"].tolist() == [2.0, 2.0, 2.0]


def test_shares_sum_to_one_however_large_the_logits():
    assert softmax(np.array([0.0, np.log(3)], np.float32)) == pytest.approx([0.25, 0.75])
    wide = softmax(np.array([[[1e4, 1e4, -1e4]]]))
    assert wide.shape == (1, 1, 3)
    assert wide.tolist() == [[[0.5, 0.5, 0.0]]]
    assert softmax(np.array([[1, 1], [5, 5]], np.int64)).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert softmax(np.zeros(2, np.float32)).dtype == np.float64


def test_the_logistic_function_takes_logits_of_any_size():
    assert sigmoid(np.array([0.0, np.log(3), -np.log(3)])) == pytest.approx([0.5, 0.75, 0.25])
    assert sigmoid(np.array([-1e4, 1e4], np.float32)).tolist() == [0.0, 1.0]
    assert sigmoid(np.array([-30.0], np.float32))[0] == pytest.approx(np.exp(-30), rel=1e-9)
    assert sigmoid(np.zeros(1, np.float32)).dtype == np.float64
