"""The data that a run is adapted to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tlzoo.data import Samples
from tlzoo.io.inputs.report import ReadReport


@dataclass(frozen=True)
class TargetData:
    """What a run is adapted to: `unlabelled` samples of `target`, and `labelled` ones of `test` where it is given."""

    target: str | Path
    test: str | Path | None
    unlabelled: Samples
    report: ReadReport
    labelled: Samples | None
    test_report: ReadReport | None

    def reports(self) -> dict[str, ReadReport]:
        """What was read, by argument."""
        return {"target": self.report, **({"test": self.test_report} if self.test_report else {})}
