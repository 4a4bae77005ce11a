"""Feature extraction: batches are prefetched, computed once, cached on disk and checked on reuse."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tlzoo.augment import make_augment, signature
from tlzoo.data import check_unchanged
from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import TrainingError
from tlzoo.features.prefix import Prefix, backbone_prefix
from tlzoo.features.store import Activations, ActivationsTooLarge, ActivationWriter, Layout, load_or_compute
from tlzoo.features.store_folders import store_root
from tlzoo.features.unique import UniqueSamples, deduplicate
from tlzoo.io.files import remove
from tlzoo.io.texts import input_name
from tlzoo.io.timings import Clock
from tlzoo.models.devices import select_device
from tlzoo.models.model import TaskModel
from tlzoo.options import Augment, Cache, StrategyOptions
from tlzoo.preprocess import row_lengths
from tlzoo.preprocess.prefetch import prefetch
from tlzoo.progress import progress, say

BATCH = 32
REUSE_TOLERANCE = 2e-3
"""Largest relative difference of cached values from the model's; float16 stays within 5e-4."""
VIEW_SEED = 0
"""Cached views draw from a seed of their own, so that runs of any seed share them."""
LONGER = Layout("tlzoo.longer", "int8", ())
"""Stored beside the activations: whether an input is longer than what was read of it, -1 where that is not known."""


@dataclass(frozen=True)
class Features:
    """`rows` float32: one per sample [N, ...], or with `lengths` int64 [N] those of every sample one after another."""

    rows: np.ndarray
    lengths: np.ndarray | None = None

    def subset(self, positions: range) -> Features:
        """Those of consecutive samples."""
        if self.lengths is None:
            return Features(self.rows[positions.start : positions.stop])
        ends = np.concatenate([[0], np.cumsum(self.lengths)])
        rows = self.rows[ends[positions.start] : ends[positions.stop]]
        return Features(rows, self.lengths[positions.start : positions.stop])


def extract(
    model: TaskModel,
    *datasets: TaskDataset,
    options: StrategyOptions | None = None,
    clock: Clock | None = None,
    join: Callable[[Prefix], None] | None = None,
) -> list[Features]:
    """The backbone's features for each data set, computed once per sample and cached between runs.

    `join` is called first, to wait for an extraction that may already be running, or to cancel it.
    Raises TrainingError naming a sample whose features are not finite, and where the cache cannot be written.
    """
    options, clock = options or StrategyOptions(), clock or Clock()
    prefix, unique = backbone_prefix(model, select_device(options.device)), deduplicate(*datasets)
    [layout] = prefix.layouts
    if join is not None:
        with clock.spent("features"):
            join(prefix)
    if options.caching.enabled:
        try:
            kept = extract_cached(prefix, unique, options.caching, clock)
            with clock.spent("cache"):
                found = [Features(*kept.rows(layout.name, rows)) for rows in unique.rows]
                kept.release()
            return found
        except ActivationsTooLarge as reason:
            say(f"{reason.message} Keeping them in memory instead.")
    held: list[np.ndarray] = [np.empty(0)] * len(unique)
    for positions, [array], lengths in iter_features(prefix, unique, clock):
        for at, position in enumerate(positions):
            held[position] = array[at] if layout.axis is None else array[at][: None if lengths is None else lengths[at]]
    unique.share_longer()
    return [_concatenate([held[row] for row in rows], layout) for rows in unique.rows]


def _concatenate(held: Sequence[np.ndarray], layout: Layout) -> Features:
    if layout.axis is None:
        return Features(np.stack(held).astype(np.float32, copy=False))
    lengths = np.array([len(each) for each in held], dtype=np.int64)
    return Features(np.concatenate(held).astype(np.float32, copy=False), lengths)


def extract_cached(
    prefix: Prefix,
    unique: UniqueSamples,
    cache: Cache,
    clock: Clock,
    augment: Augment | None = None,
    before_batch: Callable[[], None] = lambda: None,
) -> Activations:
    """The prefix's activations for unique samples, cached or computed now; with `augment`, for each view of a sample.

    View v of sample i is row `i * views + v`. Raises ActivationsTooLarge above the cache limit, TrainingError where
    the disk is full or an array is not finite.
    """
    views = augment or Augment()
    each = max(1, views.views)
    layouts = [*(_stored_layout(layout, cache.precision) for layout in prefix.layouts), LONGER]

    def compute(writer: ActivationWriter) -> None:
        for view in range(each):
            for positions, arrays, lengths in iter_features(prefix, unique, clock, views.policy, view):
                before_batch()
                named = {layout.name: array for layout, array in zip(prefix.layouts, arrays, strict=True)}
                named[LONGER.name] = np.array([unique.data.longer().get(at, -1) for at in positions], np.int8)
                with clock.spent("cache"):
                    writer.put([at * each + view for at in positions], named, lengths)
        check_unchanged(unique.data.inputs, unique.data.modality, unique.contents)  # else other contents' are kept

    key = store_key(prefix, unique, cache.precision, views)
    with clock.spent("cache"):
        found = load_or_compute(key, layouts, len(unique) * each, compute, limit_gb=cache.gb)
        if found.reused and not _matches_model(found, prefix, unique, views.policy, each):
            remove(store_root() / key)
            found = load_or_compute(key, layouts, len(unique) * each, compute, limit_gb=cache.gb)
        stored, _ = found.rows(LONGER.name, np.arange(len(unique)) * each)
    unique.data.note_longer({at: flag > 0 for at, flag in enumerate(stored.tolist()) if flag >= 0})
    unique.share_longer()
    return found


def stored_batch(kept: Activations, rows: Sequence[int]) -> dict[str, np.ndarray]:
    """The prefix's arrays in these rows of the store."""
    return {name: array for name, array in kept.batch(rows).items() if name != LONGER.name}


def _matches_model(kept: Activations, prefix: Prefix, unique: UniqueSamples, augment: str, each: int) -> bool:
    """Whether the model reproduces the cached values of three samples: detects changes that no key shows."""
    if prefix.eager is None:
        return True
    change = make_augment(unique.data.modality, augment, VIEW_SEED)
    for at in {0, len(unique) // 2, len(unique) - 1}:
        arrays = unique.data.arrays([at])
        now = prefix.eager(arrays if change is None else change(arrays, [at], 0))
        for one, other in zip(now, stored_batch(kept, [at * each]).values(), strict=True):
            one, other = one.astype(np.float64), other.astype(np.float64)
            if one.shape != other.shape or not np.abs(one - other).max() <= REUSE_TOLERANCE * max(
                1e-12, np.abs(one).max()
            ):
                return False
    return True


def store_key(prefix: Prefix, unique: UniqueSamples, precision: str, augment: Augment) -> str:
    """The store's key for the activations of this prefix on these samples."""
    drawn = f"{augment.views} {signature(unique.data.modality, augment.policy)} {VIEW_SEED}"
    text = f"{prefix.key} {unique.digest} {precision} {drawn}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def iter_features(
    prefix: Prefix, unique: UniqueSamples, clock: Clock, augment: str = "none", view: int = 0
) -> Iterator[tuple[list[int], Sequence[np.ndarray], np.ndarray | None]]:
    """Batches of one pass: positions, the prefix's arrays for them, and the length of each text.

    The next batch is decoded meanwhile. Raises TrainingError naming a sample whose arrays are not finite.
    """
    change = make_augment(unique.data.modality, augment, VIEW_SEED)

    def prepare(positions: list[int]) -> dict[str, np.ndarray]:
        arrays = unique.data.arrays(positions)
        return arrays if change is None else change(arrays, positions, view)

    with clock.spent("prepare"):
        run = prefix.open()
    batches = prefetch(prepare, order_by_length(unique.data), BATCH)
    with progress("Extracting features", len(unique)) as advance:
        for positions, given in clock.waiting(batches, "decode"):
            with clock.spent("features"):
                arrays = run(given)
            lengths = row_lengths(given)
            _check_finite(arrays, [unique.data.inputs[at] for at in positions], lengths)
            yield positions, arrays, lengths
            advance(len(positions))


def extract_batch(prefix: Prefix, data: TaskDataset, positions: Sequence[int]) -> dict[str, np.ndarray]:
    """The prefix's arrays for these samples, computed now in one batch at full precision."""
    return {
        layout.name: array
        for layout, array in zip(prefix.layouts, prefix.open()(data.arrays(list(positions))), strict=True)
    }


def _stored_layout(layout: Layout, precision: str) -> Layout:
    return replace(layout, dtype="float16") if (layout.dtype, precision) == ("float32", "fp16") else layout


def _check_finite(arrays: Sequence[np.ndarray], inputs: Sequence[object], lengths: np.ndarray | None) -> None:
    for array in arrays:
        if not np.issubdtype(array.dtype, np.floating) or np.isfinite(array).all():
            continue
        for row, (values, given) in enumerate(zip(array, inputs, strict=True)):
            held = values[: lengths[row]] if lengths is not None and values.ndim else values
            if not np.isfinite(held).all():
                raise TrainingError(
                    f"The backbone returns NaN or infinite features for {input_name(given, 200)!r}.",
                    hint="Remove this sample, or choose another checkpoint.",
                )


def order_by_length(data: TaskDataset) -> Sequence[int]:
    """Positions such that texts of similar length share a batch; other inputs keep their order."""
    if data.modality != "text":
        return range(len(data))
    return [int(i) for i in np.argsort([text_length(text) for text in data.inputs], kind="stable")]


def text_length(text: object) -> int:
    """How long a text is, or several of one sample together."""
    return sum(map(len, text)) if isinstance(text, tuple) else len(str(text))
