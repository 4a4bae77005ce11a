"""A series file or array becomes an array of fixed shape. Geometry only: the graph does the arithmetic. No torch."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from tlzoo.errors import InputError, UsageError

Fit = Literal["resample", "pad"]
MOST_BYTES = 64 * 2**20
MOST_VALUES = 4_000_000
LONGEST, MOST_CHANNELS = 4096, 16
_HINT = "A series is a .csv with a column per channel and a row per time step, or a .npy array [T] or [T, C]."


@dataclass(frozen=True)
class Shape:
    """What the network takes: `channels`, `length` in time steps, and how a series of another length comes to it.

    `resample` interpolates linearly from its first to its last step, without a filter; `pad` takes the first steps of
    a longer series and puts each channel's mean behind a shorter one, which is zero once the graph has normalised it.
    """

    channels: int = 1
    length: int = 128
    fit: Fit = "resample"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Shape:
        """From the options of a specification; raises UsageError naming the one that cannot be."""
        known = {"channels": range(1, MOST_CHANNELS + 1), "length": range(8, LONGEST + 1), "fit": get_args(Fit)}
        for name, value in options.items():
            if name not in known:
                raise UsageError(f"Time series have no option {name!r}.", hint=f"They have: {', '.join(known)}")
            possible = known[name]
            if isinstance(value, bool) or value not in possible:
                said = f"{possible[0]} to {possible[-1]}" if isinstance(possible, range) else " or ".join(possible)
                raise UsageError(f"The option {name!r} of time series cannot be {value!r}.", hint=f"Give {said}.")
        return cls(**options)


@dataclass(frozen=True)
class SeriesPreprocessor:
    """From paths or arrays to what the network takes, and to what a forecast is relative to."""

    shape: Shape

    def __call__(self, inputs: Sequence[Any]) -> dict[str, np.ndarray]:
        """`series` float32 [N, C, T]; raises InputError naming the first bad input."""
        return stack(inputs, self.shape)

    def with_contexts(self, inputs: Sequence[Any]) -> tuple[dict[str, np.ndarray], list[tuple[float, float]]]:
        """The arrays, and of each first channel the last value and the standard deviation, 1 where that is 0."""
        whole = [read(item, self.shape.channels) for item in inputs]
        return stack(whole, self.shape), [_level(series[:, 0]) for series in whole]


def _level(series: np.ndarray) -> tuple[float, float]:
    last, spread = float(series[-1]), float(series.std())
    return last, spread if spread > 1e-9 * (1 + abs(last)) else 1.0


def stack(inputs: Sequence[Any], shape: Shape) -> dict[str, np.ndarray]:
    """`series` float32 [N, C, T] of N paths or arrays [T] or [T, C]; raises InputError naming the first bad one."""
    rows = np.empty((len(inputs), shape.channels, shape.length), np.float32)
    for row, item in zip(rows, inputs, strict=True):
        row[:] = fit_length(read(item, shape.channels), shape)
    return {"series": rows}


def read(item: Any, channels: int) -> np.ndarray:
    """One series float64 [T, C], finite and not empty. Raises InputError."""
    if isinstance(item, str | os.PathLike):
        path = Path(item)
        name, found = str(path), _from_file(path)
    else:
        name, found = "The array", _numbers("The array", item)
    if found.ndim == 1:
        found = found[:, None]
    if found.ndim != 2:
        raise InputError(f"{name} has {found.ndim} axes.", hint=_HINT)
    if not found.size:
        raise InputError(f"{name} is empty.", hint=_HINT)
    if found.size > MOST_VALUES:
        raise InputError(f"{name} has {found.size:,} values; {MOST_VALUES:,} are allowed.", hint="Cut it into pieces.")
    if found.shape[1] != channels:
        raise InputError(
            f"{name} has {found.shape[1]} channels, the model takes {channels}.",
            hint=f"Rows are time steps, columns are channels. To train for it: --preprocess channels={found.shape[1]}",
        )
    found = found.astype(np.float64)
    bad = np.argwhere(~(np.abs(found) <= np.finfo(np.float32).max))
    if len(bad):
        step, channel = (int(place) for place in bad[0])
        value = found[step, channel]
        too_large = abs(value) > np.finfo(np.float32).max and np.isfinite(value)
        raise InputError(
            f"{name} has {value:g} in step {step + 1}, channel {channel + 1}.",
            hint="Use a larger unit." if too_large else "Fill gaps first, for example by interpolation.",
        )
    return found


def fit_length(series: np.ndarray, shape: Shape) -> np.ndarray:
    """Of a series [T, C] the array float32 [C, length]."""
    steps, channels = series.shape
    if shape.fit == "resample":
        at = np.linspace(0, steps - 1, shape.length)
        columns = [np.interp(at, np.arange(steps), series[:, channel]) for channel in range(channels)]
        return np.stack(columns).astype(np.float32)
    kept = series[: shape.length]
    mean = kept.mean(axis=0, keepdims=True)
    return np.concatenate([kept, np.repeat(mean, shape.length - len(kept), axis=0)]).T.astype(np.float32)


def _numbers(name: str, item: Any) -> np.ndarray:
    try:
        found = np.asarray(item)
    except ValueError as cause:
        raise InputError(f"{name} has rows of different lengths.", hint=_HINT) from cause
    if found.dtype.kind not in "fiu":
        raise InputError(f"{name} holds {found.dtype}, not numbers.", hint=_HINT)
    return found


def _from_file(path: Path) -> np.ndarray:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(f"{path} has {size / 2**20:.0f} MiB; {MOST_BYTES // 2**20} are allowed.", hint="Cut it.")
        if path.suffix.lower() == ".npy":
            return _from_npy(path)
        return _from_csv(path)
    except (OSError, UnicodeDecodeError) as cause:
        reason = getattr(cause, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"{path} cannot be read: {reason}.", hint=_HINT) from cause


def _from_npy(path: Path) -> np.ndarray:
    try:
        # mapped: a header that promises more than the file holds is refused, not allocated
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, TypeError) as cause:
        raise InputError(f"{path} is not a complete .npy file of numbers.", hint=_HINT) from cause
    if not isinstance(found, np.ndarray):
        found.close()
        raise InputError(f"{path} is an .npz archive, not a .npy file.", hint=_HINT)
    return _numbers(str(path), found)


def _from_csv(path: Path) -> np.ndarray:
    with path.open(newline="", encoding="utf-8-sig") as file:
        start = file.read(4096)
        file.seek(0)
        delimiter = max(",;\t", key=start.count)
        rows: list[list[float]] = []
        try:
            for number, cells in enumerate(csv.reader(file, delimiter=delimiter, strict=True), start=1):
                if not any(cell.strip() for cell in cells):
                    continue
                values = _values(cells)
                if values is None and number == 1 and all(_value(cell) is None for cell in cells):
                    continue  # the header
                if values is None:
                    bad = next(cell for cell in cells if _value(cell) is None)
                    raise InputError(f"{path} has {bad[:40]!r}, which is not a number, in line {number}.", hint=_HINT)
                if rows and len(values) != len(rows[0]):
                    raise InputError(
                        f"{path} has {len(values)} cells in line {number} and {len(rows[0])} before.", hint=_HINT
                    )
                rows.append(values)
        except csv.Error as cause:
            raise InputError(f"{path} is not a table of numbers: {cause}.", hint=_HINT) from cause
    return np.array(rows, np.float64)


def _values(cells: list[str]) -> list[float] | None:
    values = [_value(cell) for cell in cells]
    return None if None in values else values  # type: ignore[return-value]


def _value(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
