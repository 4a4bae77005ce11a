"""What a model gives for many samples: arrays by output's name, ragged outputs as a list of one array per sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Rows = np.ndarray | list[np.ndarray]
"""[N, ...], or N arrays whose sizes differ."""
Outputs = Mapping[str, Rows]
IGNORED = -100
"""A class number that is no target, as torch's losses take it."""


@dataclass(frozen=True)
class Output:
    """One output of the graph: what export names, the runtime checks, and Triton and the web page describe.

    `axes` begins with `batch`; a name is an axis that varies, a number one that does not. `dtype` is numpy's name.
    `labelled` says that the last axis has one place for each of the task's labels.
    """

    name: str
    axes: tuple[str | int, ...]
    dtype: str = "float32"
    labelled: bool = False

    @property
    def ragged(self) -> bool:
        """Whether samples may differ in size."""
        return any(isinstance(axis, str) for axis in self.axes[1:])


class OutputCollector:
    """Takes the outputs of batches in any order; `outputs()` gives them in the order of `count` samples."""

    def __init__(self, declared: Sequence[Output], count: int) -> None:
        self._ragged = {output.name for output in declared if output.ragged}
        self._axes = {output.name: output.axes for output in declared}
        self._count = count
        self._rows: dict[str, Rows] = {}

    def put(
        self,
        positions: Sequence[int],
        arrays: Mapping[str, np.ndarray],
        lengths: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        """Keep the outputs of the samples at these positions; of ragged axes no more than `lengths`, without padding.

        Floats are kept as float32.
        """
        for name, array in arrays.items():
            rows = array.astype(np.float32, copy=False) if np.issubdtype(array.dtype, np.floating) else array
            if name in self._ragged:
                kept = self._rows.setdefault(name, [np.empty(0, rows.dtype)] * self._count)
                for at, (position, row) in enumerate(zip(positions, rows, strict=True)):
                    kept[position] = self._trimmed(name, row, None if lengths is None else int(lengths[at]))
            else:
                if name not in self._rows:
                    self._rows[name] = np.zeros((self._count, *rows.shape[1:]), rows.dtype)
                self._rows[name][list(positions)] = rows  # type: ignore[call-overload]

    def extend(self, start: int, outputs: Outputs) -> None:
        """Keep the outputs of consecutive samples from number `start` on."""
        for name, rows in outputs.items():
            if isinstance(rows, list):
                for at, row in enumerate(rows, start=start):
                    self.put([at], {name: row[None]})
            else:
                self.put(range(start, start + len(rows)), {name: rows})

    def outputs(self) -> dict[str, Rows]:
        """What was put, by name."""
        empty = {name: np.zeros((0, *(a for a in axes[1:] if isinstance(a, int))), np.float32)
                 for name, axes in self._axes.items()} if not self._count else {}  # fmt: skip
        return {**empty, **self._rows}

    def _trimmed(self, name: str, row: np.ndarray, length: int | None) -> np.ndarray:
        if length is None:
            return row.copy()
        axes = self._axes[name][1:]
        kept = tuple(slice(None, length) if isinstance(axis, str) else slice(None) for axis in axes)
        return row[kept].copy()


def count(outputs: Outputs) -> int:
    """How many samples these are the outputs of."""
    return len(next(iter(outputs.values())))


def select(outputs: Outputs, positions: Sequence[int] | np.ndarray) -> dict[str, Rows]:
    """The outputs of the samples at these positions, in this order."""
    return {
        name: [rows[int(at)] for at in positions] if isinstance(rows, list) else rows[np.asarray(positions, dtype=int)]
        for name, rows in outputs.items()
    }


def finite(outputs: Outputs) -> np.ndarray:
    """Whether all numbers of a sample are finite, bool [N]."""
    good = np.ones(count(outputs), dtype=bool)
    for rows in outputs.values():
        if isinstance(rows, list):
            good &= np.array([_finite(row).all() for row in rows], dtype=bool)
        elif len(rows):
            good &= _finite(rows).reshape(len(rows), -1).all(axis=1)
    return good


def _finite(rows: np.ndarray) -> np.ndarray:
    result: np.ndarray = (
        np.isfinite(rows) if np.issubdtype(rows.dtype, np.floating) else np.ones(rows.shape, dtype=bool)
    )
    return result
