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


SQUARE = [np.array(row, np.float32) for row in ([3, 0], [0, 3], [-3, 0], [0, -3])]


def test_each_problem_in_its_own_words():
    turned = [row[::-1] for row in SQUARE]
    assert embeddings_problem(SQUARE, SQUARE, "fp32") == ""
    assert (
        embeddings_problem([row[:1] for row in SQUARE], SQUARE, "fp32") == "have other shapes than the trained model's"
    )
    assert embeddings_problem([*SQUARE[:3], SQUARE[3] + np.inf], SQUARE, "fp32") == "have NaN or infinity"
    assert embeddings_problem(turned, SQUARE, "int8") == (
        "point elsewhere than the trained model's: a cosine of 0.0000 (0.9 required)"
    )
    far = [row + 100 for row in SQUARE]
    assert embeddings_problem([far[1], far[0], *far[2:]], far, "int8") == (
        "are nearest to their own of the trained model for 50% of samples (90% required)"
    )
    assert embeddings_problem([far[1], far[0], *far[2:]], far, "int8", neighbours=False) == ""


@pytest.mark.parametrize(
    ("precision", "raw_input", "least"),
    [("fp32", False, 0.99999), ("fp16", False, 0.999), ("int8", False, 0.9), ("fp32", True, 0.9), ("int8", True, 0.9)],
)
def test_the_cosine_of_each_precision(precision: str, raw_input: bool, least: float):
    for off, right in ((0.9, True), (1.1, False)):
        angle = np.arccos(least) * off
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turned = [turn @ row for row in SQUARE]
        assert (embeddings_problem(turned, SQUARE, precision, raw_input) == "") is right  # type: ignore[arg-type]


def test_vectors_without_length_are_right_where_both_are():
    none, some = np.zeros(2, np.float32), np.ones(2, np.float32)
    assert embeddings_problem([none], [none], "fp32") == ""
    for one, other in ((none, some), (some, none)):
        assert "a cosine of 0.0000" in embeddings_problem([one], [other], "int8")


def test_what_is_alike_in_the_reference_is_as_near_and_groups_are_of_64():
    assert embeddings_problem(SQUARE[:1], SQUARE[:1], "int8") == ""
    same = [SQUARE[0]] * 3 + [SQUARE[2]]
    assert embeddings_problem(same, same, "int8") == ""
    far = [row + 100 for row in SQUARE] * 16  # a group
    swapped = [far[1], far[0], *far[2:], *far]
    assert embeddings_problem(swapped, far * 2, "int8") == ""  # 2 of 128
    eight = [far[1], far[0], *far[2:4]] * 7 + far[28:]  # 14 of 64 are wrong, 11 % of all
    assert embeddings_problem([*eight, *far], far * 2, "int8").startswith("are nearest to their own of the trained")
    six = [far[1], far[0], *far[2:4]] * 6 + far[24:]
    assert embeddings_problem([*six, *far], far * 2, "int8") == ""
