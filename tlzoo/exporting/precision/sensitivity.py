"""Which nodes stay in float32, found by measurement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto

from tlzoo.progress import progress
from tlzoo.runtime.session import open_session, run_session

Build = Callable[[frozenset[str]], ModelProto]
Plan = tuple[Sequence[str], Build]

GOOD = 0.08
"""Error of the outputs, in their own spread, at which no further node is given back to float32."""
WHOLE, FEW = 128, 8
"""Samples that a candidate is compared on; that a single node is."""
MEASURED_BYTES = 4_000_000_000
FEWEST = 32
"""Single nodes are measured in graphs of so many bytes in all, and at least so many of them: a limit in seconds would
choose other nodes on a busy machine."""


@dataclass
class Search:
    """The search for the fewest nodes in float32, by the `error` of a model on so many samples."""

    error: Callable[[ModelProto, int], float]
    tried: list[tuple[tuple[float, float], tuple[str, ...], ModelProto]] = field(default_factory=list)

    def best(self, plans: Mapping[str, Plan]) -> tuple[ModelProto, tuple[str, ...]]:
        """The model of the plan with the least error when all is quantised, with the nodes that it needs in float32.

        Nodes are given back in the order of the error that each causes alone, until the model is good; where none is,
        the best one seen is the answer.
        """
        errors = {name: self.error(build(frozenset()), WHOLE) for name, (_, build) in plans.items()}
        names, build = plans[min(errors, key=lambda name: errors[name])]
        if self._good(build, ()):
            return self._answer()
        order = self._order(names, build)
        bad, count = 0, 1
        while count < max(2, len(order) // 2):
            if self._good(build, order[:count]):
                while count - bad > 1:
                    middle = (bad + count) // 2
                    bad, count = (bad, middle) if self._good(build, order[:middle]) else (middle, count)
                return self._answer()
            bad, count = count, count + max(1, count // 2)
        return self._answer()

    def _order(self, names: Sequence[str], build: Build) -> list[str]:
        """The nodes by the error that each causes alone, greatest first; those that are too many come last."""
        measured = [*names[::-1][:1], *names[:-1]]
        measured = measured[: max(FEWEST, MEASURED_BYTES // build(frozenset(names)).ByteSize())]
        alone: dict[str, float] = {}
        with progress("Nodes in int8", len(measured), "nodes") as advance:
            for name in measured:
                alone[name] = self.error(build(frozenset(names) - {name}), FEW)
                advance(1)
        return sorted(names, key=lambda name: -alone.get(name, 0.0))

    def _good(self, build: Build, kept: Sequence[str]) -> bool:
        proto = build(frozenset(kept))
        error = self.error(proto, WHOLE)
        good = error <= GOOD
        # a good model with fewer nodes in float32 comes before one with more, and any good one before the rest
        rank = (0.0, float(len(kept))) if good else (1.0, error)
        self.tried.append((rank, tuple(kept), proto))
        return good

    def _answer(self) -> tuple[ModelProto, tuple[str, ...]]:
        _, kept, proto = min(self.tried, key=lambda entry: entry[0])
        return proto, kept


def relative_error(
    proto: ModelProto, calibration: Sequence[Mapping[str, np.ndarray]], names: Sequence[str]
) -> Callable[[ModelProto, int], float]:
    """A measure of a model: root of the mean squared distance of its outputs `names` from those of `proto`, over the
    standard deviation of these; of several outputs the largest. Squared, since a range that is too narrow ruins few
    samples, but wholly."""
    arrays = {count: _last(calibration, count) for count in (WHOLE, FEW)}
    reference = {count: _outputs(proto, given, names) for count, given in arrays.items()}

    def error(candidate: ModelProto, count: int) -> float:
        found = _outputs(candidate, arrays[count], names)
        return max(_distance(one, other) for one, other in zip(found, reference[count], strict=True))

    return error


def _distance(given: np.ndarray, reference: np.ndarray) -> float:
    spread = max(float(reference.std()), 1e-6)
    distance = float(np.sqrt(np.square(given - reference).mean())) / spread
    return distance if np.isfinite(distance) else np.inf


def _last(calibration: Sequence[Mapping[str, np.ndarray]], count: int) -> list[dict[str, np.ndarray]]:
    """The last `count` samples: where there are enough, not those that ranges are read from."""
    chosen: list[dict[str, np.ndarray]] = []
    for arrays in reversed(calibration):
        if count <= 0:
            break
        chosen.append({name: array[-count:] for name, array in arrays.items()})
        count -= max(map(len, chosen[-1].values()))
    return chosen


def _outputs(proto: ModelProto, batches: Sequence[Mapping[str, np.ndarray]], names: Sequence[str]) -> list[np.ndarray]:
    """The numbers of each output for all batches, one after another: batches may differ in length."""
    session = open_session(proto.SerializeToString())
    results = [run_session(session, dict(arrays), names) for arrays in batches]
    return [
        np.concatenate([output.astype(np.float64).ravel() for output in each]) for each in zip(*results, strict=True)
    ]
