"""How long padded rows are: the last place under the mask, and one."""

from __future__ import annotations

import numpy as np
import pytest

from tlzoo.preprocess import row_lengths, with_contexts


@pytest.mark.parametrize(
    ("mask", "lengths"),
    [
        ([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]], [3, 1, 4]),
        ([[1, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 1]], [3, 4, 4]),  # augmentation hides tokens amid the text
        ([[0, 0, 0, 0]], [0]),
    ],
)
def test_the_length_is_the_last_place_under_the_mask_and_one_whatever_holes_it_has(
    mask: list[list[int]], lengths: list[int]
):
    for dtype in (np.int64, np.int32, np.float32, np.bool_):
        found = row_lengths({"input_ids": np.zeros((1, 1)), "attention_mask": np.array(mask, dtype=dtype)})
        assert found is not None
        assert (found.tolist(), found.dtype) == (lengths, np.int64)


def test_arrays_without_a_mask_have_no_lengths():
    assert row_lengths({"image": np.zeros((2, 8, 8, 3))}) is None


def test_a_preprocessor_that_knows_nothing_of_its_inputs_has_no_contexts():
    class Knowing:
        def with_contexts(self, inputs: list[str]) -> tuple[dict[str, np.ndarray], list[int]]:
            return {"x": np.zeros(len(inputs))}, [len(text) for text in inputs]

    assert with_contexts(lambda inputs: {}, ["one", "three"]) == ({}, [None, None])
    assert with_contexts(Knowing(), ["one", "three"])[1] == [3, 5]  # type: ignore[arg-type]
