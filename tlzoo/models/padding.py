"""Whether padding reaches a network's answers: a text beside a longer one is to get the outputs that it gets alone.

Some networks let it (ConvBERT's convolutions, YOSO's hashes): their answers change with the texts that share a batch.
"""

from __future__ import annotations

import numpy as np
import torch

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import TrainingError
from tlzoo.models.model import TaskModel, as_tuple
from tlzoo.preprocess import row_lengths
from tlzoo.preprocess.prefetch import Arrays
from tlzoo.specs import TextSpec

FEW = 4
TOLERANCE = 1e-3
"""Largest difference as a share of the outputs' size; other sums of float32 stay below 1e-5."""


def pad_rows(arrays: Arrays, more: int, pad_id: int) -> Arrays:
    """Rows [N, L] as [N, L + more]: padding's own token, no attention to it."""
    pads = {"input_ids": pad_id}
    return {name: np.pad(rows, ((0, 0), (0, more)), constant_values=pads.get(name, 0)) for name, rows in arrays.items()}


def beside_a_longer_text(arrays: Arrays, spec: TextSpec) -> tuple[list[Arrays], Arrays] | None:
    """The shortest text of some, a quarter of `max_length` at most, and one twice as long or longer: each alone, and
    both in one batch. `None` where the arrays are not those of texts, or one token is all there may be.
    """
    lengths = row_lengths(arrays)
    if lengths is None or any(rows.ndim != 2 for rows in arrays.values()) or not lengths.any() or spec.max_length < 2:
        return None
    at = int(np.where(lengths > 0, lengths, lengths.max() + 1).argmin())
    size = min(int(lengths[at]), max(1, spec.max_length // 4))
    short = {name: rows[at : at + 1, :size] for name, rows in arrays.items()}
    more = min(spec.max_length - size, max(8, size))
    long = {name: np.pad(rows, ((0, 0), (0, more)), mode="wrap") for name, rows in short.items()}
    padded = pad_rows(short, more, spec.pad_id)
    return [short, long], {name: np.concatenate([padded[name], long[name]]) for name in short}


@torch.no_grad()
def check_padding(model: TaskModel, data: TaskDataset) -> None:
    """Raise TrainingError where the backbone's values for a text change by more than rounding beside a longer one.

    Tried with the shortest of the first few texts; the model is left in eval mode.
    """
    spec = model.parts.preprocess
    if not isinstance(spec, TextSpec):
        return
    if (found := beside_a_longer_text(data.arrays(range(min(FEW, len(data)))), spec)) is None:
        return
    [short, _], together = found
    model.eval()
    alone, beside = (_features(model, each) for each in (short, together))
    for one, other in zip(alone, beside, strict=True):
        there = other[:1, : one.shape[1]] if one.ndim == 3 else other[:1]
        apart = float((one - there).abs().max() / one.abs().max().clamp_min(1e-12))
        if not apart <= TOLERANCE:
            raise TrainingError(
                f"{model.checkpoint.id} lets padding into its answers: a text beside a longer one changes them by "
                f"{apart:.1%}, so they would depend on which texts share a batch.",
                hint="Choose another checkpoint, see: tlzoo models",
            )


def _features(model: TaskModel, arrays: Arrays) -> tuple[torch.Tensor, ...]:
    made = model.backbone(*(torch.from_numpy(np.ascontiguousarray(rows)) for rows in arrays.values()))
    return tuple(made.values()) if isinstance(made, dict) else as_tuple(made)
