"""Samples that cannot be decoded: all of them are found once one has been, and named together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tlzoo.data.samples import Samples
from tlzoo.errors import DataError, InputError
from tlzoo.io.cores import available_cores
from tlzoo.io.inputs.report import Skip
from tlzoo.preprocess import Preprocessor
from tlzoo.preprocess.prefetch import prefetch_map
from tlzoo.progress import progress


def find_broken(parts: Sequence[Samples], preprocessor: Preprocessor) -> dict[str, DataError]:
    """What cannot be prepared, by the samples' names; each is tried alone, in as many threads as there are cores."""
    whole = [(part, at) for part in parts for at in range(len(part))]

    def attempt(place: tuple[Samples, int]) -> tuple[str, InputError] | None:
        part, at = place
        try:
            preprocessor([part.inputs[at]])
        except InputError as error:
            return part.name(at), error
        return None

    found: dict[str, DataError] = {}
    with progress("Looking for others that cannot be read", len(whole)) as advance:
        for each in prefetch_map(whole, attempt, available_cores()):
            found.update([each] if each else [])
            advance(1)
    return found


def recorded(reports: Mapping[str, Mapping[str, Any]]) -> Skip:
    """What a run's reading left out as it could not be read."""
    return Skip({place: str(why) for facts in reports.values() for place, why in facts.get("broken", {}).items()}, 1.0)
