"""Which preprocessor a specification has, what it knows of inputs, and how long padded rows are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tlzoo.errors import ArtifactError
from tlzoo.preprocess import make_preprocessor, row_lengths, with_contexts


@pytest.mark.parametrize(
    ("mask", "lengths"),
    [
        ([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]], [2, 4, 1]),
        ([[1, 0, 1, 0], [0, 0, 0, 1]], [3, 4]),  # holes
        ([[0, 0, 0]], [0]),
        ([[2, -1, 0]], [2]),
    ],
)
def test_a_row_ends_behind_its_last_place_under_the_mask(mask: list[list[int]], lengths: list[int]):
    found = row_lengths({"attention_mask": np.array(mask), "input_ids": np.zeros(1)})
    assert found is not None
    assert (found.tolist(), found.dtype) == (lengths, np.int64)


def test_without_a_mask_rows_have_no_lengths():
    assert row_lengths({"image": np.ones((2, 3))}) is None
    empty = row_lengths({"attention_mask": np.ones((0, 4), np.int64)})
    assert empty is not None
    assert empty.tolist() == []


def test_contexts_are_those_of_a_preprocessor_that_has_them():
    def plain(inputs: Any) -> dict[str, np.ndarray]:
        return {"x": np.array(inputs)}

    arrays, contexts = with_contexts(plain, [1, 2, 3])
    assert arrays["x"].tolist() == [1, 2, 3]
    assert contexts == [None] * 3
    knowing: Any = SimpleNamespace(with_contexts=lambda inputs: ({"y": inputs}, ["a", "b"]))
    assert with_contexts(knowing, [1, 2]) == ({"y": [1, 2]}, ["a", "b"])


def test_a_plugins_kind_needs_the_plugin():
    spec: Any = SimpleNamespace(kind="plugin", plugin="video")
    with pytest.raises(ArtifactError) as caught:
        make_preprocessor(spec)
    assert caught.value.message == "Preprocessing of kind 'plugin' needs the plugin 'video'."
    assert caught.value.hint == "Install it: tlzoo plugins install tlzoo-video"


def test_each_modality_has_its_own(picture_run: Any, text_run: Any, recording_run: Any):
    names = [type(make_preprocessor(run.preprocess)).__name__ for run in (picture_run, text_run, recording_run)]
    assert names == ["ImagePreprocessor", "TextPreprocessor", "AudioPreprocessor"]
