"""The thresholds of an export's proof, as users give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from tlzoo.errors import UsageError
from tlzoo.options.checked import CheckedOptions, Range, field_names


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Thresholds(CheckedOptions):
    """The thresholds of an export's proof; those left out are the defaults of its precision.

    `difference` is the largest allowed difference of an output, as a share of the output's scale; `agreement` the
    smallest share of samples with the same answer; `drop` the largest loss of the task's headline metric, in points.
    """

    difference: Annotated[Annotated[float, Range(1e-12, 2.0)] | None, "Largest difference of an output"] = None
    agreement: Annotated[Annotated[float, Range(0.5, 1.0)] | None, "Smallest share of equal answers"] = None
    drop: Annotated[Annotated[float, Range(0.0, 10.0)] | None, "Largest drop of the metric, in points"] = None

    def over(self, defaults: dict[str, Any]) -> dict[str, Any]:
        """These, and the defaults of those that are left out."""
        given = {name: getattr(self, name) for name in field_names(Thresholds)}
        return {**defaults, **{name: value for name, value in given.items() if value is not None}}

    @classmethod
    def of(cls, given: object) -> Thresholds | None:
        """Thresholds, or a mapping of them, as thresholds; raises UsageError for anything else."""
        if given is None or isinstance(given, Thresholds):
            return given
        if not (isinstance(given, Mapping) and all(isinstance(name, str) for name in given)):
            raise UsageError(
                f"`thresholds` cannot be {given!r}.",
                hint="Give tlzoo.Thresholds(drop=1), or a mapping such as {'drop': 1}.",
                parameter="thresholds",
            )
        return cls(**given)
