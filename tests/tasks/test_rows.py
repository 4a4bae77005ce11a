"""Outputs of many samples: collected from batches in any order, ragged ones without their padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlzoo.tasks.base import Output
from tlzoo.tasks.rows import OutputCollector, count, finite, select

WHOLE = Output("logits", ("batch", 3))
TAGS = Output("tags", ("batch", "tokens", 2), labelled=True)
SPANS = Output("spans", ("batch", "tokens", "tokens"))
NUMBERS = Output("numbers", ("batch", "tokens"), dtype="int64")


def test_an_output_is_ragged_where_a_later_axis_has_a_name():
    assert [output.ragged for output in (WHOLE, TAGS, SPANS, NUMBERS, Output("one", ("batch",)))] == [
        False,
        True,
        True,
        True,
        False,
    ]


@given(st.permutations(range(7)), st.integers(1, 4))
def test_batches_in_any_order_come_back_in_the_order_of_the_samples_without_padding(order: list[int], batch: int):
    lengths = np.array([3, 1, 5, 0, 2, 4, 1])
    whole = np.arange(21, dtype=np.float64).reshape(7, 3)
    tags = np.arange(70, dtype=np.float32).reshape(7, 5, 2)
    spans = np.arange(175, dtype=np.float32).reshape(7, 5, 5)
    numbers = np.arange(35).reshape(7, 5)
    rows = OutputCollector([WHOLE, TAGS, SPANS, NUMBERS], 7)
    for start in range(0, 7, batch):
        at = order[start : start + batch]
        longest = int(lengths[at].max())
        arrays = {
            "logits": whole[at],
            "tags": tags[at, :longest],
            "spans": spans[at, :longest, :longest],
            "numbers": numbers[at, :longest],
        }
        rows.put(at, arrays, lengths[at])
    found = rows.outputs()
    assert list(found) == ["logits", "tags", "spans", "numbers"]
    np.testing.assert_array_equal(found["logits"], whole)
    assert np.float32 == found["logits"].dtype
    for sample, length in enumerate(lengths):
        np.testing.assert_array_equal(found["tags"][sample], tags[sample, :length])
        np.testing.assert_array_equal(found["spans"][sample], spans[sample, :length, :length])
        np.testing.assert_array_equal(found["numbers"][sample], numbers[sample, :length])
    assert {np.dtype(np.int64)} == {row.dtype for row in found["numbers"]}
    assert count(found) == 7


def test_what_is_kept_of_a_batch_is_a_copy():
    rows, batch = OutputCollector([WHOLE, TAGS], 1), {"logits": np.ones((1, 3), np.float32), "tags": np.ones((1, 2, 2))}
    rows.put([0], batch)
    batch["logits"][:], batch["tags"][:] = 0, 0
    assert rows.outputs()["logits"].min() == rows.outputs()["tags"][0].min() == 1


def test_without_lengths_ragged_outputs_are_kept_as_long_as_they_come():
    rows = OutputCollector([TAGS], 2)
    rows.put([1], {"tags": np.zeros((1, 4, 2))})
    rows.put([0], {"tags": np.zeros((1, 2, 2))})
    assert [row.shape for row in rows.outputs()["tags"]] == [(2, 2), (4, 2)]


def test_no_samples_have_empty_outputs_of_the_declared_width():
    found = OutputCollector([WHOLE, TAGS], 0).outputs()
    assert {name: np.shape(rows) for name, rows in found.items()} == {"logits": (0, 3), "tags": (0, 2)}


def test_outputs_of_consecutive_samples_extend_what_was_kept():
    rows = OutputCollector([WHOLE, TAGS], 3)
    rows.extend(1, {"logits": np.ones((2, 3), np.float32), "tags": [np.ones((4, 2)), np.ones((1, 2))]})
    rows.extend(0, {"logits": np.zeros((1, 3), np.float32), "tags": [np.zeros((2, 2))]})
    found = rows.outputs()
    assert found["logits"][:, 0].tolist() == [0, 1, 1]
    assert [len(row) for row in found["tags"]] == [2, 4, 1]


def test_taking_keeps_the_order_asked_for_and_samples_asked_for_twice():
    outputs = {"logits": np.arange(6).reshape(3, 2), "tags": [np.zeros(1), np.zeros(2), np.zeros(3)]}
    found = select(outputs, np.array([2, 0, 2]))
    assert found["logits"][:, 0].tolist() == [4, 0, 4]
    assert [len(row) for row in found["tags"]] == [3, 1, 3]
    assert {name: len(rows) for name, rows in select(outputs, []).items()} == {"logits": 0, "tags": 0}


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
def test_a_sample_is_finite_where_all_its_outputs_are(strange: float):
    outputs = {
        "logits": np.array([[1.0, 2.0], [strange, 0.0], [0.0, 0.0], [1.0, 1.0]]),
        "tags": [np.zeros((2, 2)), np.zeros((1, 2)), np.array([[0.0, strange]]), np.zeros((0, 2))],
        "numbers": np.arange(4),
    }
    assert finite(outputs).tolist() == [True, False, False, True]
    assert finite({"numbers": [np.arange(3), np.arange(0)]}).tolist() == [True, True]
    assert finite({"logits": np.zeros((0, 3))}).tolist() == []
