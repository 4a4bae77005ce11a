"""Which model is the fastest: all get the same batch, the median counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tlzoo.exporting.precision import speed
from tlzoo.exporting.precision.speed import BATCH, rank_by_speed


class Model:
    def __init__(self, name: str) -> None:
        self.name = name

    def SerializeToString(self) -> str:
        return self.name


@pytest.mark.parametrize("batch", [None, 2, 7])
def test_samples_are_repeated_or_cut_and_the_median_of_each_ranks(batch: int | None, monkeypatch: pytest.MonkeyPatch):
    ran: list[tuple[str, list[int], list[int]]] = []
    limits: list[Any] = []

    def run(session: str, inputs: Mapping[str, np.ndarray]) -> None:
        assert inputs["y"].shape[1:] == (2, 2)
        ran.append((session, inputs["x"].ravel().tolist(), inputs["y"][:, 0, 0].tolist()))

    def time(runs: Mapping[str, Callable[[], object]], **given: Any) -> dict[str, list[float]]:
        limits.append(given)
        for each in runs.values():
            each()
        return {"one": [3.0, 1.0, 9.0], "two": [2.0, 2.0, 2.5], "three": [1.0, 4.0, 5.0]}

    monkeypatch.setattr(speed, "open_session", lambda content: content)
    monkeypatch.setattr(speed, "run_session", run)
    monkeypatch.setattr(speed, "ENOUGH", 17)
    monkeypatch.setattr(speed, "time_interleaved", time)
    x, y = np.arange(3)[:, None], np.arange(12).reshape(3, 2, 2)
    models: Any = {name: Model(name) for name in ("one", "two", "three")}
    given = {} if batch is None else {"batch": batch, "seconds": 0.5}
    found = rank_by_speed(models, {"x": x, "y": y}, **given)  # type: ignore[arg-type]
    size = batch or BATCH
    assert list(found.items()) == [("two", 2.0), ("one", 3.0), ("three", 4.0)]
    assert ran == [
        (name, [at % 3 for at in range(size)], [4 * (at % 3) for at in range(size)]) for name in ("one", "two", "three")
    ]
    assert limits == [{"seconds": 2.0 if batch is None else 0.5, "most": 17}]
    assert BATCH == 32
