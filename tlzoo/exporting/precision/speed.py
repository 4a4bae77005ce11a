"""Which of several models is the fastest here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto

from tlzoo.runtime.session import open_session, run_session
from tlzoo.runtime.timing import time_interleaved

BATCH = 32


def rank_by_speed(
    candidates: Mapping[str, ModelProto], arrays: Mapping[str, np.ndarray], *, batch: int = BATCH, seconds: float = 2.0
) -> dict[str, float]:
    """Seconds that each model takes for one batch, the median of calls in turn; the fastest comes first.

    `arrays` are samples as the graph takes them, repeated or cut to `batch` of them.
    """
    inputs = {name: np.resize(array, (batch, *array.shape[1:])) for name, array in arrays.items()}
    sessions = {name: open_session(proto.SerializeToString()) for name, proto in candidates.items()}
    runs = {name: lambda session=session: run_session(session, inputs) for name, session in sessions.items()}
    medians = {name: float(np.median(times)) for name, times in time_interleaved(runs, seconds=seconds).items()}
    return dict(sorted(medians.items(), key=lambda entry: entry[1]))
