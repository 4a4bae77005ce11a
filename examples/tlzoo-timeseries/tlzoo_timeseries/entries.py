"""Entries of checkpoints that registry.json does not list: other numbers of the same kernels. No torch."""

from __future__ import annotations

import re

from tlzoo import registry
from tlzoo.errors import UsageError
from tlzoo.plugin import Checkpoint, StageRecord

from tlzoo_timeseries.kernels import DILATIONS, LENGTH, PER_DILATION

MOST = PER_DILATION * len(DILATIONS)


def first_kernels(id: str) -> Checkpoint | None:
    """The entry of `timeseries/rocket-<n>`, made after the listed one with all kernels; `None` for another id.

    Raises UsageError for a number that the file cannot give in equal parts to its dilations.
    """
    found = re.fullmatch(r"timeseries/rocket-([1-9][0-9]{0,8})", id)
    if found is None:
        return None
    count = int(found[1])
    if count > MOST or count % len(DILATIONS):
        raise UsageError(
            f"{id} does not exist: {MOST:,} kernels are divided equally over {len(DILATIONS)} dilations.",
            hint=f"Give a multiple of {len(DILATIONS)} up to {MOST}, such as timeseries/rocket-500.",
        )
    whole = registry.get(f"timeseries/rocket-{MOST}")
    each = count // len(DILATIONS) * (LENGTH + 1)
    return whole.model_copy(
        update={
            "id": id,
            "config": {"kernels": count},
            "parameters": len(DILATIONS) * each,
            "feature_dim": 2 * count,
            "stages": tuple(StageRecord(name=stage.name, parameters=each) for stage in whole.stages),
        }
    )
