"""Samples that cannot be read or decoded: all of them are found once one has been, and named or left out together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tlzoo.data.samples import Samples, TrainTestSamples
from tlzoo.errors import DataError, InputError, TlzooError
from tlzoo.io.cores import available_cores
from tlzoo.io.inputs.report import ReadReport, Skip, broken_error
from tlzoo.io.texts import utf8_name
from tlzoo.preprocess import Preprocessor
from tlzoo.preprocess.prefetch import prefetch_map
from tlzoo.progress import progress, say

Value = TypeVar("Value")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Reading(Generic[Value]):
    """What was read: `parts` are the samples of it, `reports` say what was left out."""

    value: Value
    parts: Sequence[Samples]
    reports: Sequence[ReadReport]


def tolerate(
    share: float,
    read: Callable[[Skip], Reading[Value]],
    use: Callable[[Value], Result],
    preprocessor: Callable[[], Preprocessor],
) -> Result:
    """What `use` makes of what is read. Samples that cannot be read or decoded are left out up to a `share` of all;
    beyond it DataError names all of them."""
    found = read(tolerance(share, preprocessor))
    try:
        return use(found.value)
    except InputError as error:
        skip = without_broken(error, found.parts, found.reports, share, preprocessor)
    return use(read(skip).value)


def tolerance(share: float, preprocessor: Callable[[], Preprocessor] | None = None) -> Skip:
    """Leave out up to a share of what cannot be read; beyond it the error names what cannot be decoded, too."""

    def undecodable(collection: TrainTestSamples) -> Mapping[str, DataError]:
        return {} if preprocessor is None else find_broken(collection.all_parts(), preprocessor())

    return Skip(share=share, offered=True, undecodable=undecodable)


def without_broken(
    error: TlzooError,
    parts: Sequence[Samples],
    reports: Sequence[ReadReport],
    share: float,
    preprocessor: Callable[[], Preprocessor],
) -> Skip:
    """What to leave out, once one sample of these could not be decoded; raises an error about all such where they are
    too many, and the `error` itself where it is about something else."""
    known = {name: each for report in reports for name, each in report.broken.items()}
    found = find_broken(parts, preprocessor())
    if not found:
        raise error
    count = len(known) + sum(map(len, parts))
    if len(known) + len(found) > share * count:
        raise broken_error(known | found, count, offered=True) from error
    said = frozenset(line for report in reports for line in report.lines())
    one, many = "1 sample that cannot be decoded", f"{len(found):,} samples that cannot be decoded"
    say(f"Read again, without {one if len(found) == 1 else many}:")
    return Skip({utf8_name(name): each.message for name, each in (known | found).items()}, 1.0, said=said)


def find_broken(parts: Sequence[Samples], preprocessor: Preprocessor) -> dict[str, DataError]:
    """What cannot be prepared, by the samples' names; each is tried alone, in as many threads as there are cores."""
    whole = [(part, at) for part in parts for at in range(len(part))]

    def attempt(place: tuple[Samples, int]) -> tuple[str, InputError] | None:
        part, at = place
        try:
            preprocessor([part.inputs[at]])
        except InputError as error:
            message = re.sub(r"^Input 0\b", lambda _: part.name(at), error.message)
            return part.name(at), InputError(message, hint=error.hint)
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
