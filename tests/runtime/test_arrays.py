"""What of a plugin's arrays does not fit a graph is told by name."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tlzoo.runtime.graph_signature import arrays_problem

IMAGE = SimpleNamespace(name="image", shape=["batch", 8, 8, 3], type="tensor(uint8)")
SOUND = SimpleNamespace(name="samples", shape=["batch", "time"], type="tensor(float)")


@pytest.mark.parametrize(
    ("given", "arrays", "said"),
    [
        (IMAGE, {"image": np.zeros((2, 8, 8, 3), np.uint8)}, ""),
        (SOUND, {"samples": np.zeros((2, 8), np.float32)}, ""),
        (IMAGE, {"other": np.zeros((2, 8, 8, 3), np.uint8)}, "there is no 'image' among 'other'"),
        (IMAGE, {}, "there is no 'image' among no arrays"),
        (IMAGE, {"image": np.zeros((2, 8, 8), np.uint8)}, "'image' has 3 axes, not 4"),
        (SOUND, {"samples": np.zeros((2, 8))}, "'samples' is float64, not tensor(float)"),
    ],
)
def test_arrays_that_do_not_fit_a_graph_are_told(given: object, arrays: dict[str, np.ndarray], said: str):
    assert arrays_problem([given], arrays) == said
