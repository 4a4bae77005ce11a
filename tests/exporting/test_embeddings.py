"""Embeddings of a lower precision: rounding passes, and what is not the model's embeddings does not."""

from __future__ import annotations

import numpy as np
import pytest

from tlzoo.exporting.embeddings import embeddings_problem

RANDOM = np.random.default_rng(0)
SPREAD = RANDOM.normal(size=(32, 48)).astype(np.float32)
ALIKE = (SPREAD + 6).astype(np.float32)
"""All in one cone, as after a ReLU: the cosine of any two is above 0.95."""


def rounded(rows: np.ndarray, levels: int) -> np.ndarray:
    step = np.abs(rows).max() / levels
    return (np.round(rows / step) * step).astype(np.float32)


@pytest.mark.parametrize("reference", [SPREAD, ALIKE])
def test_rounding_passes(reference: np.ndarray):
    assert embeddings_problem(reference, reference, "fp32") == ""
    assert embeddings_problem(reference.astype(np.float16).astype(np.float32), reference, "fp16") == ""
    assert embeddings_problem(rounded(reference, 127), reference, "int8") == ""


@pytest.mark.parametrize("reference", [SPREAD, ALIKE])
@pytest.mark.parametrize(
    "planted",
    [
        lambda rows: np.zeros_like(rows),
        lambda rows: np.roll(rows, 1, axis=0),
        lambda rows: np.random.default_rng(5).normal(size=rows.shape).astype(np.float32),
        lambda rows: np.tile(rows.mean(axis=0), (len(rows), 1)),
        lambda rows: -rows,
        lambda rows: rows[:, ::-1],
        lambda rows: np.where(np.arange(rows.shape[0])[:, None] == 3, np.nan, rows),
        lambda rows: rows[:, :-1],
    ],
    ids=["zeros", "shuffled", "random", "mean", "negative", "mirrored", "nan", "shape"],
)
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_what_are_not_the_models_embeddings_is_refused(reference: np.ndarray, planted, precision):
    assert embeddings_problem(list(planted(reference)), list(reference), precision) != ""


def test_sequences_are_compared_whole_and_of_their_own_length():
    sequences = [RANDOM.normal(size=(length, 16)).astype(np.float32) for length in range(3, 20)]
    assert embeddings_problem([rounded(each, 127) for each in sequences], sequences, "int8") == ""
    turned = [each[::-1] for each in sequences]
    assert "point elsewhere" in embeddings_problem(turned, sequences, "int8")


def test_samples_that_are_the_same_may_stand_for_each_other():
    twice = np.concatenate([SPREAD, SPREAD])
    assert embeddings_problem(list(np.roll(twice, 32, axis=0)), list(twice), "int8") == ""
