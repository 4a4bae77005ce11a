"""Which of several models is the fastest here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto

from tlzoo.runtime.session import open_session, run_session
from tlzoo.runtime.timing import time_interleaved

BATCH = 32
ENOUGH = 100
"""Calls after which a median moves no more: a small network has had them long before the seconds are over."""


def rank_by_speed(
    candidates: Mapping[str, ModelProto], arrays: Mapping[str, np.ndarray], *, batch: int = BATCH, seconds: float = 2.0
) -> dict[str, float]:
    """Seconds that each model takes for one batch, the median of calls in turn, at most 100 of each; the fastest first.

    `arrays` are samples as the graph takes them, repeated or cut to `batch` of them.
    """
    inputs = {name: np.resize(array, (batch, *array.shape[1:])) for name, array in arrays.items()}
    sessions = {name: open_session(proto.SerializeToString()) for name, proto in candidates.items()}
    runs = {name: lambda session=session: run_session(session, inputs) for name, session in sessions.items()}
    times = time_interleaved(runs, seconds=seconds, most=ENOUGH)
    medians = {name: float(np.median(calls)) for name, calls in times.items()}
    return dict(sorted(medians.items(), key=lambda entry: entry[1]))
