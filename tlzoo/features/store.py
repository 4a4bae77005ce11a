"""The activation store: activations of the frozen prefix on disk, memory-mapped, shared between runs, bounded.

<cache>/activations/<key>/meta.json                  what is in it, and the checksums of the three small files below
                          <n>.bin                    the n-th layout: [count, *shape], or the rows of texts as they came
                          starts.bin, lengths.bin    int64 [count]: where each sample's rows begin, how many they are
                          checksums.bin              uint32 [layouts, count]: the CRC-32 of every sample
                          used                       its time is the last use

An entry appears by one rename after everything in it is on the disk. When it is opened, all sizes are checked and, up
to 256 MB, every sample's checksum; of a larger entry a thousand samples spread over it, at most 64 MB, because reading
all of it would cost more than it saves. A damaged entry is removed and computed again.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import sys
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from tlzoo.errors import TrainingError
from tlzoo.features.store_folders import (
    GB,
    check_room,
    commit,
    evict,
    format_gb,
    in_progress,
    on_disk,
    staging_dir,
    store_root,
)
from tlzoo.io.disk import sync, write_errors
from tlzoo.io.files import remove, sweep_folder, write_json
from tlzoo.weights import cache

__all__ = ["ActivationWriter", "Activations", "ActivationsTooLarge", "Layout", "evict", "load_or_compute"]

VERSION = 1
_CHECKED_WHOLE = 256_000_000
_CHECKED_PART = 64_000_000
_RELEASE_EVERY = 64_000_000
_SMALL = ("starts.bin", "lengths.bin", "checksums.bin")


@dataclass(frozen=True)
class Layout:
    """One array per sample: its name, numpy's name of its dtype, and the shape of one sample.

    At most one axis is `None`: the ragged one, such as a text's length. All ragged layouts of an entry share it.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    @property
    def axis(self) -> int | None:
        """The ragged axis of one sample."""
        return self.shape.index(None) if None in self.shape else None

    @property
    def nbytes(self) -> int:
        """Bytes of one sample, or of one row along the ragged axis."""
        return prod(side for side in self.shape if side is not None) * np.dtype(self.dtype).itemsize


class ActivationsTooLarge(TrainingError):
    """The activations exceed the store's limit; train without caching."""


def load_or_compute(
    key: str, layouts: Sequence[Layout], count: int, compute: Callable[[ActivationWriter], None], *, limit_gb: float
) -> Activations:
    """The activations under `key`, a name of letters, digits, `_` and `-`: those on disk, or what `compute` writes now.

    One process computes while the others wait for it. Afterwards other entries are evicted, least recently used
    first, until the store is under `limit_gb` (of 10^9 bytes). Raises ActivationsTooLarge when this entry alone is
    above it, TrainingError when it cannot be written, RuntimeError when `compute` leaves a sample out.
    """
    if not re.fullmatch(r"[\w-]+", key):
        raise ValueError(f"{key!r} is not a valid key")
    sweep_folder(store_root())
    found = _load_or_compute(key, layouts, count, compute, limit_gb)
    evict(limit_gb, keep=key)
    return found


class ActivationWriter:
    """Writes the samples of one entry, in any order, each once."""

    def __init__(self, folder: Path, key: str, layouts: Sequence[Layout], count: int, limit: int) -> None:
        self.count, self._key = count, key
        self._folder, self._layouts, self._limit = folder, layouts, limit
        self._written = np.zeros(count, dtype=bool)
        self._starts, self._lengths = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        self._checksums = np.zeros((len(layouts), count), dtype=np.uint32)
        self._rows = 0
        self._files: list[IO[bytes]] = []
        self._check_limit()
        with self._on_disk():
            for number in range(len(layouts)):
                self._files.append((folder / f"{number}.bin").open("wb", buffering=0))

    def put(
        self, positions: Sequence[int], arrays: Mapping[str, np.ndarray], lengths: np.ndarray | None = None
    ) -> None:
        """Write n samples: `arrays[name]` is [n, *shape], its ragged axis padded to the longest of them.

        `lengths`, int64 [n], says how much of the ragged axis each sample keeps, all of it if `None`. Raises
        ValueError or TypeError for arrays that do not fit the layouts, ValueError for a position written before,
        ActivationsTooLarge once the entry outgrows the limit, TrainingError for a full disk or beyond float16's range.
        """
        chosen = np.asarray(positions, dtype=np.int64)
        self._check_new(chosen)
        taken = {layout.name: _cast(layout, arrays[layout.name], len(chosen)) for layout in self._layouts}
        mask = self._mask(taken, chosen, lengths)
        self._written[chosen] = True
        self._check_limit()
        with self._on_disk():
            for number, layout in enumerate(self._layouts):
                array = taken[layout.name]
                if layout.axis is None:
                    self._put_fixed(number, chosen, array)
                elif mask is not None:
                    self._put_ragged(number, chosen, np.moveaxis(array, layout.axis + 1, 1)[mask])

    def _check_new(self, chosen: np.ndarray) -> None:
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < self.count:
            raise ValueError(f"positions from 0 to {self.count - 1} exist, not {chosen.min()} to {chosen.max()}")
        if len(np.unique(chosen)) < len(chosen) or self._written[chosen].any():
            raise ValueError("a position is written twice")

    def _mask(
        self, arrays: Mapping[str, np.ndarray], chosen: np.ndarray, lengths: np.ndarray | None
    ) -> np.ndarray | None:
        """bool [n, longest]: what of the ragged axis is kept, `None` without one; the rows' places are noted."""
        widths = {arrays[layout.name].shape[layout.axis + 1] for layout in self._layouts if layout.axis is not None}
        if not widths:
            return None
        if len(widths) > 1:
            raise ValueError(f"the ragged axes differ in length: {sorted(widths)}")
        [width] = widths
        kept = np.full(len(chosen), width) if lengths is None else np.asarray(lengths, dtype=np.int64)
        if kept.shape != chosen.shape or (kept < 0).any() or (kept > width).any():
            raise ValueError(f"lengths must be {len(chosen)} numbers from 0 to {width}")
        self._lengths[chosen] = kept
        self._starts[chosen] = self._rows + np.cumsum(kept) - kept
        self._rows += int(kept.sum())
        mask: np.ndarray = np.arange(width) < kept[:, None]
        return mask

    def _put_fixed(self, number: int, chosen: np.ndarray, array: np.ndarray) -> None:
        file, size = self._files[number], self._layouts[number].nbytes
        for run in np.split(np.arange(len(chosen)), np.flatnonzero(np.diff(chosen) != 1) + 1):
            if len(run):
                file.seek(int(chosen[run[0]]) * size)
                _write(file, array[run[0] : run[-1] + 1])
        self._checksums[number, chosen] = [zlib.crc32(_bytes(sample)) for sample in array]

    def _put_ragged(self, number: int, chosen: np.ndarray, rows: np.ndarray) -> None:
        _write(self._files[number], rows)
        ends = np.cumsum(self._lengths[chosen])
        samples = np.split(rows, ends[:-1])
        self._checksums[number, chosen] = [zlib.crc32(_bytes(sample)) for sample in samples]

    def _nbytes(self, rows: float) -> int:
        """The bytes of the whole entry were its ragged axes `rows` long altogether."""
        return int(sum(each.nbytes * (self.count if each.axis is None else rows) for each in self._layouts))

    def _estimate(self) -> int:
        return self._nbytes(self._rows * self.count / max(1, int(self._written.sum())))

    def _on_disk(self) -> AbstractContextManager[None]:
        return on_disk(self._estimate(), self._folder, self._key)

    def _check_limit(self) -> None:
        if self._nbytes(self._rows) > self._limit:
            needed, allowed = format_gb(self._estimate()), format_gb(self._limit)
            raise ActivationsTooLarge(
                f"The activations need about {needed}; the cache limit is {allowed}.",
                hint="Raise `cache_gb`, halve the size with `cache_precision='fp16'`, or use `cache=False`.",
                parameter="cache_gb",
            )

    def _sync(self) -> None:
        """Everything on the disk, `meta.json` last."""
        if missing := np.flatnonzero(~self._written).tolist():
            raise RuntimeError(f"{len(missing)} of {self.count} samples were not computed, the first is {missing[0]}")
        arrays: tuple[np.ndarray, ...] = (self._starts, self._lengths, self._checksums)
        small = dict(zip(_SMALL, arrays, strict=True))
        with self._on_disk():
            for name, array in small.items():
                self._files.append((self._folder / name).open("wb", buffering=0))
                _write(self._files[-1], array)
            for file in self._files:
                sync(Path(file.name))
            checksums = {name: zlib.crc32(_bytes(array)) for name, array in small.items()}
            document = _description(self._layouts, self.count) | {"crc32": checksums}
            write_json(self._folder / "meta.json", document)
        self.close()

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


class Activations:
    """The samples of one entry, memory-mapped; it keeps working when the entry is evicted meanwhile."""

    def __init__(self, folder: Path, layouts: Sequence[Layout], count: int, *, reused: bool) -> None:
        """Raises OSError or ValueError for a damaged entry."""
        self.count, self.reused = count, reused
        starts, lengths, checksums = (np.fromfile(folder / name, dtype=_small_dtype(name)) for name in _SMALL)
        self._starts, self._lengths = starts.reshape(count), lengths.reshape(count)
        self._checksums = checksums.reshape(len(layouts), count)
        self._layouts = layouts
        self._maps = [_map(folder / f"{number}.bin") for number in range(len(layouts))]
        self.nbytes = sum(len(mapped) for mapped in self._maps)
        rows = int(self._lengths.sum())
        self._arrays = {
            layout.name: np.frombuffer(mapped, dtype=layout.dtype).reshape(_stored_shape(layout, count, rows))
            for layout, mapped in zip(layouts, self._maps, strict=True)
        }
        self._touched = 0

    def batch(self, positions: Sequence[int]) -> dict[str, np.ndarray]:
        """Copies of these samples, [n, *shape], the ragged axis padded with zeros to the longest of them."""
        chosen = np.asarray(positions, dtype=np.int64)
        stacked = {layout.name: self._stacked(layout, chosen) for layout in self._layouts}
        self._touched += sum(array.nbytes for array in stacked.values())
        if self._touched > _RELEASE_EVERY:
            self.release()
        return stacked

    def lengths(self) -> np.ndarray | None:
        """The ragged axis's length of each sample, int64 [count]; `None` when all shapes are fixed."""
        return None if all(layout.axis is None for layout in self._layouts) else self._lengths

    def rows(self, name: str, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Copies of these samples in float32: [n, *shape] and `None`, or of a ragged layout whose ragged axis comes
        first the rows of all of them one after another, and how many each has, int64 [n]."""
        layout = next(layout for layout in self._layouts if layout.name == name)
        if layout.axis is None:
            return self._arrays[name][positions].astype(np.float32), None
        lengths = self._lengths[positions]
        starts = np.repeat(self._starts[positions] - (np.cumsum(lengths) - lengths), lengths)
        return self._arrays[name][starts + np.arange(len(starts))].astype(np.float32), lengths

    def release(self) -> None:
        """Give the resident pages back, so that memory does not grow with the data; they are read again when needed."""
        self._touched = 0
        if hasattr(mmap, "MADV_DONTNEED"):
            for mapped in self._maps:
                if isinstance(mapped, mmap.mmap):
                    mapped.madvise(mmap.MADV_DONTNEED)

    def _stacked(self, layout: Layout, chosen: np.ndarray) -> np.ndarray:
        stored = self._arrays[layout.name]
        if layout.axis is None:
            return stored.take(chosen, axis=0)
        starts, lengths = self._starts[chosen], self._lengths[chosen]
        longest = int(lengths.max(initial=0))
        padded = np.zeros((len(chosen), *(longest if side is None else side for side in layout.shape)), layout.dtype)
        for sample, start, length in zip(
            np.moveaxis(padded, layout.axis + 1, 1), starts.tolist(), lengths.tolist(), strict=True
        ):
            sample[:length] = stored[start : start + length]
        return padded

    def _checksums_match(self) -> bool:
        """Whether the samples have the bytes that were written: all of them, or of a large entry some."""
        each = max(1, self.nbytes // max(1, self.count))
        some = min(self.count, 1000, max(2, _CHECKED_PART // each))
        chosen = (
            range(self.count) if self.nbytes <= _CHECKED_WHOLE else np.linspace(0, self.count - 1, some).astype(int)
        )
        for layout, checksums in zip(self._layouts, self._checksums, strict=True):
            stored = self._arrays[layout.name]
            for position in chosen:
                first = self._starts[position]
                rows = slice(first, first + self._lengths[position])
                if zlib.crc32(_bytes(stored[position if layout.axis is None else rows])) != checksums[position]:
                    return False
        self.release()
        return True


def _open_entry(key: str, layouts: Sequence[Layout], count: int, *, reused: bool) -> Activations | None:
    """The entry if it is there and whole, its time of use set to now."""
    folder = store_root() / key
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        small = {name: zlib.crc32((folder / name).read_bytes()) for name in _SMALL}
        if meta != _description(layouts, count) | {"crc32": small}:
            return None
        found = Activations(folder, layouts, count, reused=reused)
    except (OSError, ValueError):
        return None
    if reused and not found._checksums_match():
        return None
    with suppress(OSError):  # a read-only cache can be read all the same
        os.utime(folder / "used", ns=(time.time_ns(), time.time_ns()))
    return found


def _load_or_compute(
    key: str, layouts: Sequence[Layout], count: int, compute: Callable[[ActivationWriter], None], limit_gb: float
) -> Activations:
    while True:
        if found := _open_entry(key, layouts, count, reused=True):
            return found
        with cache.download_lock(f"activations/{key}"):
            if found := _open_entry(key, layouts, count, reused=True):
                return found
            if not in_progress(key):
                remove(store_root() / key)  # torn, or of other layouts
                return _compute_entry(key, layouts, count, compute, limit_gb)
        time.sleep(0.2)  # the file lock ends after ten minutes; the other process may compute for hours


def _compute_entry(
    key: str, layouts: Sequence[Layout], count: int, compute: Callable[[ActivationWriter], None], limit_gb: float
) -> Activations:
    with staging_dir(key) as part, closing(ActivationWriter(part, key, layouts, count, int(limit_gb * GB))) as writer:
        check_room(writer._estimate())
        compute(writer)
        writer._sync()
        if not _open_entry(key, layouts, count, reused=True):  # without locks another process may have been faster
            with on_disk(writer._estimate(), part, key):
                commit(part, store_root() / key)
    if found := _open_entry(key, layouts, count, reused=False):
        return found
    raise TrainingError(
        f"The activations {store_root() / key} were removed by another process right after they were written.",
        hint="Give all processes that share it the same `cache_gb`, or use `cache=False`.",
        parameter="cache_gb",
    )


def _cast(layout: Layout, array: np.ndarray, n: int) -> np.ndarray:
    """[n, *shape] in the layout's dtype. Raises ValueError for another shape, TypeError for another kind."""
    expected = (n, *layout.shape)
    if len(expected) != array.ndim or any(s not in (None, t) for s, t in zip(expected, array.shape, strict=True)):
        raise ValueError(f"{layout.name} must be {expected}, not {array.shape}")
    with np.errstate(over="ignore"):
        cast = array.astype(layout.dtype, casting="same_kind", copy=False)
    narrowed = cast.dtype == np.float16 and array.dtype != np.float16
    if narrowed and np.isinf(cast).sum() != np.isinf(array).sum():
        raise TrainingError(
            f"The activations {layout.name} reach {np.nanmax(np.abs(array)):.3g}, over float16's maximum of 65504.",
            hint="Use `cache_precision='fp32'`.",
            parameter="cache_precision",
        )
    return cast


def _bytes(array: np.ndarray) -> Any:
    """The array's bytes, uint8 [n], copied only where they do not lie together."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _write(file: IO[bytes], array: np.ndarray) -> None:
    """All bytes of the array; an unbuffered write may take fewer than it is given."""
    left = memoryview(_bytes(array))
    with write_errors(Path(file.name)):
        while left.nbytes:
            left = left[file.write(left) :]


def _map(path: Path) -> mmap.mmap | bytes:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""


def _stored_shape(layout: Layout, count: int, rows: int) -> tuple[int, ...]:
    return (count if layout.axis is None else rows, *(side for side in layout.shape if side is not None))


def _small_dtype(name: str) -> type[np.generic]:
    return np.uint32 if name == "checksums.bin" else np.int64


def _description(layouts: Sequence[Layout], count: int) -> dict[str, Any]:
    arrays = [{"name": each.name, "dtype": each.dtype, "shape": list(each.shape)} for each in layouts]
    return {"version": VERSION, "byteorder": sys.byteorder, "count": count, "layouts": arrays}
