"""Features larger than memory: their moments, and passes over them in standardised chunks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

CHUNK = 1024
IN_MEMORY_BYTES = 64 * 2**20

RowChunks = Callable[[], Iterator[tuple[int, torch.Tensor]]]
"""Each call is one pass: where a chunk begins, and its rows [n, D], which the next chunk may overwrite."""


def mean_and_scale(*pieces: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale [D] in float64 of all rows, each counted by its weight where `weights` [N] has them.

    A feature that varies by no more than rounding keeps scale 1.
    """
    count = sum(len(piece) for piece in pieces) if weights is None else weights.sum(dtype=np.float64)
    mean, squares = np.zeros(pieces[0].shape[1]), np.zeros(pieces[0].shape[1])
    for begin, rows in _chunks(pieces):
        mean += rows.sum(0, dtype=np.float64) if weights is None else weights[begin : begin + len(rows)] @ rows
    mean /= count
    for begin, rows in _chunks(pieces):
        away = rows - mean
        by = away if weights is None else away * weights[begin : begin + len(rows), None]
        squares += np.einsum("nd,nd->d", by, away)
    scale = np.sqrt(squares / count)
    rounding = np.maximum(1e-7 * scale.max(), 1e-6 * np.abs(mean))
    return mean, np.where(scale > rounding, scale, 1.0)


def standardised_chunks(
    pieces: Sequence[np.ndarray], mean: np.ndarray, scale: np.ndarray, dtype: torch.dtype
) -> RowChunks:
    """Passes over the rows of all pieces, less `mean` and divided by `scale`, in `dtype`.

    Up to `IN_MEMORY_BYTES` they are computed once; beyond, at every pass, in a buffer of one chunk.
    """
    kind = np.float32 if dtype == torch.float32 else np.float64
    centre, factor = mean.astype(kind), (1 / scale).astype(kind)
    count, width = sum(len(piece) for piece in pieces), len(mean)

    def fill(rows: np.ndarray, out: np.ndarray) -> None:
        np.subtract(rows, centre, out=out, casting="same_kind")
        np.multiply(out, factor, out=out)

    if count * width * np.dtype(kind).itemsize <= IN_MEMORY_BYTES:
        whole = np.empty((count, width), dtype=kind)
        for begin, rows in _chunks(pieces):
            fill(rows, whole[begin : begin + len(rows)])
        tensor = torch.from_numpy(whole)
        return lambda: iter([(0, tensor)])

    def one_pass() -> Iterator[tuple[int, torch.Tensor]]:
        buffer = np.empty((CHUNK, width), dtype=kind)
        for begin, rows in _chunks(pieces):
            fill(rows, buffer[: len(rows)])
            yield begin, torch.from_numpy(buffer[: len(rows)])

    return one_pass


def _chunks(pieces: Sequence[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
    begin = 0
    for piece in pieces:
        for at in range(0, len(piece), CHUNK):
            rows = piece[at : at + CHUNK]
            yield begin, rows
            begin += len(rows)
