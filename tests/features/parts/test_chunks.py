"""Moments and standardised chunks of features, in memory and beyond it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tlzoo.features import chunks
from tlzoo.features.chunks import mean_and_scale, standardised_chunks

PIECES = [np.array([[1.0, 10], [3, 20]], np.float32), np.array([[5.0, 60]], np.float32)]


def test_moments_are_of_all_rows_of_all_pieces():
    mean, scale = mean_and_scale(*PIECES)
    assert (mean.dtype, scale.dtype) == (np.float64, np.float64)
    np.testing.assert_allclose(mean, [3, 30])
    np.testing.assert_allclose(scale, np.sqrt([8 / 3, (400 + 100 + 900) / 3]))
    for one, other in zip(mean_and_scale(np.concatenate(PIECES)), (mean, scale), strict=True):
        np.testing.assert_allclose(one, other)


@pytest.mark.parametrize(
    ("rows", "scale"),
    [
        ([[1.0, 0], [1.0, 2]], [1.0, 1.0]),  # the first does not vary
        ([[0.0, 0], [2e-6, 2]], [1e-6, 1.0]),
        ([[0.0, 0], [1e-7, 2]], [1.0, 1.0]),  # less than rounding beside the largest
        ([[1e6, 0], [1e6 + 1, 2]], [1.0, 1.0]),  # half, less than rounding of its mean
        ([[1e6, 0], [1e6 + 4, 2]], [2.0, 1.0]),
        ([[-1e6, 0], [-1e6 - 1, 2]], [1.0, 1.0]),
        ([[5.0, 5]], [1.0, 1.0]),
    ],
)
def test_a_feature_that_varies_by_no_more_than_rounding_keeps_scale_1(rows: list[list[float]], scale: list[float]):
    np.testing.assert_allclose(mean_and_scale(np.array(rows))[1], scale)


def passed(*, kind: torch.dtype = torch.float64) -> list[tuple[int, list[list[float]]]]:
    """The chunks of two passes, which are alike."""
    go = standardised_chunks(PIECES, np.array([1.0, 10]), np.array([2.0, 5]), kind)
    first, second = ([(begin, rows.clone()) for begin, rows in go()] for _ in range(2))
    assert all(torch.equal(one, other) for (_, one), (_, other) in zip(first, second, strict=True))
    assert all(rows.dtype == kind for _, rows in first)
    return [(begin, rows.tolist()) for begin, rows in first]


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_in_memory_they_are_one_chunk_whatever_the_pieces(kind: torch.dtype, monkeypatch: pytest.MonkeyPatch):
    for size in (1, 2, 1024):
        monkeypatch.setattr(chunks, "CHUNK", size)
        assert passed(kind=kind) == [(0, [[0.0, 0.0], [1.0, 2.0], [2.0, 10.0]])]


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize(("size", "begins"), [(1, [0, 1, 2]), (2, [0, 2]), (1024, [0, 2])])
def test_beyond_it_they_are_chunks_of_each_piece(
    kind: torch.dtype, size: int, begins: list[int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(chunks, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(chunks, "CHUNK", size)
    found = passed(kind=kind)
    assert [begin for begin, _ in found] == begins
    assert [row for _, rows in found for row in rows] == [[0.0, 0.0], [1.0, 2.0], [2.0, 10.0]]


@pytest.mark.parametrize(
    ("kind", "limit", "whole"),
    [
        (torch.float32, 24, True),  # 3 rows of 2 numbers of 4 bytes
        (torch.float32, 23, False),
        (torch.float64, 48, True),
        (torch.float64, 47, False),
    ],
)
def test_the_limit_is_in_bytes_of_the_type(kind: torch.dtype, limit: int, whole: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chunks, "IN_MEMORY_BYTES", limit)
    assert (len(passed(kind=kind)) == 1) is whole
