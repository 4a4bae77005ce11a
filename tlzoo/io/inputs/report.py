"""The account of a reading: every file and row that is there is in one of its counts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tlzoo.errors import DataError
from tlzoo.io.texts import listed_names, utf8_name

_LISTED = 20
"""How many of the samples that cannot be read an error names."""
_SHOWN = 5
"""How many names and kinds a line gives; what is more is counted."""


class Reason(NamedTuple):
    """Why files are left out, as a noun for one of them and for several; `key` is its name in JSON."""

    key: str
    one: str
    several: str


HIDDEN = Reason("hidden", "hidden file", "hidden files")
OTHER_KIND = Reason("other_kind", "file of another kind", "files of other kinds")
LINK_INSIDE = Reason("link_inside", "link to a folder of the data itself", "links to folders of the data itself")
LINK_TWICE = Reason("link_twice", "link to a folder read already", "links to folders read already")
BESIDE = Reason("beside", "file beside the class folders", "files beside the class folders")
BESIDE_PARTS = Reason("beside_parts", "file beside the folders of parts", "files beside the folders of parts")
BESIDE_TABLE = Reason("beside_table", "file beside the tables", "files beside the tables")
TRAINING_PART = Reason("training_part", "sample of the training part", "samples of the training part")
TEST_PART = Reason("test_part", "sample of the test part", "samples of the test part")
UNREAD_PART = Reason("unread_part", "file of a part that is not read", "files of a part that is not read")
NEEDS_EXTRA = Reason("needs_extra", "file that an extra of tlzoo reads", "files that an extra of tlzoo reads")
SPECIAL = Reason("special", "device, pipe or socket", "devices, pipes or sockets")


@dataclass(frozen=True)
class Skip:
    """Samples to leave out: those in these `places`, for the reasons given, and others that cannot be read, together at
    most a `share`; whether that is `offered` to the user as an option. `undecodable` finds what cannot be decoded of
    samples that were read: an error names it beside what cannot be read. `said` are the lines of an account that were
    said before these were left out."""

    places: Mapping[str, str] = field(default_factory=dict)
    share: float = 0.0
    offered: bool = False
    undecodable: Callable[[Any], Mapping[str, DataError]] = lambda samples: {}
    said: frozenset[str] = frozenset()


NOTHING = Skip()


@dataclass(frozen=True)
class Overlap:
    """How many of the `samples` of a test part are `copies` of training samples, by their contents."""

    copies: int
    samples: int

    def line(self) -> str:
        """For people, with what it means and what to do."""
        verb = "has" if self.copies == 1 else "have"
        return (
            f"{self.copies} of {self.samples} test samples {verb} the content of a training sample, so the figures are "
            "not those of new ones. Hold out others, or keep copies in one part."
        )


@dataclass(frozen=True)
class CutCount:
    """Of `samples`, called so in `noun`, those `longer` than the `limit` of a `unit` that a model reads of each."""

    longer: int
    samples: int
    limit: float
    unit: str
    noun: str = "samples"

    def line(self) -> str:
        """For people: how many lose their ends."""
        verb = "is" if self.longer == 1 else "are"
        limit = f"{self.limit:g} {self.unit}"
        return f"{self.longer} of {self.samples} {self.noun} {verb} longer than {limit}; the rest is not read"

    def facts(self) -> Mapping[str, Any]:
        """As JSON has it."""
        return {"longer": self.longer, "limit": self.limit, "unit": self.unit}


@dataclass
class ReadReport:
    """What reading a data set took and what it left out, filled while it is read.

    `layout` says how the data was understood. `used` counts samples, `merged` rows that went into a sample of another.
    `left_out` counts files by reason and kind: an ending, such as ".md", or "" where there is none; `extras` would read
    some of them. `broken` has what cannot be read, by name: a file, or a row's place. `copies` counts samples with the
    content of an earlier one, `contradicting` contents with several labels; `alike` are labels that differ in little
    that anybody sees, and `alike_groups` such groups; `few` the samples of small classes. `overlap` is there where a
    test part was given, `cut` once samples are prepared for a model. `roles` are those whose columns were read.
    `spelled` has the ways in which each label is written, `missing_like` the samples of labels such as "nan",
    `missing_groups` those of groups, `numbers` the labels where all are numbers and some have decimals.
    """

    layout: str = ""
    used: int = 0
    merged: int = 0
    left_out: dict[Reason, Counter[str]] = field(default_factory=dict)
    broken: dict[str, DataError] = field(default_factory=dict)
    copies: int = 0
    contradicting: int = 0
    alike: list[tuple[str, ...]] = field(default_factory=list)
    few: dict[str, int] = field(default_factory=dict)
    alike_groups: list[tuple[str, ...]] = field(default_factory=list)
    extras: set[str] = field(default_factory=set)
    overlap: Overlap | None = None
    cut: CutCount | None = None
    roles: set[str] = field(default_factory=set)
    spelled: dict[str, set[str]] = field(default_factory=dict)
    missing_like: dict[str, int] = field(default_factory=dict)
    missing_groups: dict[str, int] = field(default_factory=dict)
    numbers: list[str] = field(default_factory=list)
    _first: dict[Reason, str] = field(default_factory=dict, repr=False)

    def leave_out(self, reason: Reason, path: str | os.PathLike[str], count: int = 1) -> None:
        """Count files that are not read; `path` is the first of them."""
        kind = utf8_name(os.path.splitext(os.fspath(path))[1].lower())
        self.left_out.setdefault(reason, Counter())[kind] += count
        self._first.setdefault(reason, os.fspath(path))

    def installation(self) -> str:
        """What to type to have read what is left out for want of an extra; empty where there is nothing."""
        return f"pip install 'tlzoo[{','.join(sorted(self.extras))}]'" if self.extras else ""

    def check_broken(self, skip: Skip = NOTHING, samples: Any = None) -> None:
        """Raise DataError, which lists what cannot be read, where that is more than may be left out: of the `samples`
        that were read what cannot be decoded, too."""
        count = self.used + len(self.broken)
        if len(self.broken) > skip.share * count or (self.broken and not self.used):
            also = {} if samples is None else skip.undecodable(samples)
            raise broken_error({**self.broken, **also}, count, skip.offered)

    def lines(self) -> Iterator[str]:
        """What was left out and what is odd, a line each, for people."""
        for reason, kinds in self.left_out.items():
            count = kinds.total()
            shown = [f"{number} {kind or 'without an ending'}" for kind, number in kinds.most_common(_SHOWN)]
            more = [f"{len(kinds) - _SHOWN} more kinds"] if len(kinds) > _SHOWN else []
            what, which = (reason.one, "") if count == 1 else (reason.several, f" ({', '.join([*shown, *more])})")
            install = f"; {self.installation()}" if reason == NEEDS_EXTRA else ""
            yield f"Left out: {count} {what}{which}, such as {self._first[reason]}{install}"

        if self.broken:
            first = next(iter(self.broken.values()))
            what = "sample" if len(self.broken) == 1 else "samples"
            yield f"Left out: {len(self.broken)} {what} that cannot be read, such as: {first.message}"
        if self.copies:
            verb = "has" if self.copies == 1 else "have"
            yield f"{self.copies} of {self.used} samples {verb} the content of another (copies)"
        if self.contradicting:
            what = "content has" if self.contradicting == 1 else "contents have"
            yield f"{self.contradicting} {what} several labels"
        for label, ways in list(self.respelled().items())[:_SHOWN]:
            yield f"Labels read as the same, {label!r}: {', '.join(map(ascii, ways))}"
        if self.numbers:
            numbers = listed_names(self.numbers, _SHOWN)
            yield f"Labels are numbers, and each is a class: {numbers}. To predict numbers, choose the task regression"
        for what, counts in (("Labels", self.missing_like), ("Groups", self.missing_groups)):
            if shown := [f"{name!r} of {count}" for name, count in list(counts.items())[:_SHOWN]]:
                yield f"{what} that may stand for a missing one: {', '.join(shown)} samples"
        for what, found in (("Labels", self.alike), ("Groups", self.alike_groups)):
            for names in found[:_SHOWN]:
                yield f"{what} that look alike: {listed_names(names)}"
            if len(found) > _SHOWN:
                yield f"{what} that look alike: {len(found) - _SHOWN} more"
        if self.few:
            shown = [f"{listed_names([label])} has {count}" for label, count in list(self.few.items())[:_SHOWN]]
            more = [f"and {len(self.few) - _SHOWN} more"] if len(self.few) > _SHOWN else []
            yield f"Classes of few samples: {', '.join([*shown, *more])}"
        if self.cut and self.cut.longer:
            yield self.cut.line()

    def respelled(self) -> dict[str, list[str]]:
        """The labels that are not always written as they are read, with the ways in which they are written."""
        written = {label: ways for label, ways in sorted(self.spelled.items()) if len(ways) > 1 or ways != {label}}
        blanks = {
            label for label, ways in written.items() if len(ways) == 1 and {way.strip() for way in ways} == {label}
        }
        return {label: sorted(ways) for label, ways in written.items() if label not in blanks}

    def facts(self) -> Mapping[str, Any]:
        """The counts as JSON has them."""
        return {
            "layout": self.layout,
            "used": self.used,
            "merged": self.merged,
            "left_out": {each.key: dict(sorted(kinds.items())) for each, kinds in sorted(self.left_out.items())},
            "copies": self.copies,
            "contradicting": self.contradicting,
            "alike": [list(labels) for labels in self.alike],
            "alike_groups": [list(groups) for groups in self.alike_groups],
            "respelled": self.respelled(),
            "missing_like": self.missing_like,
            "missing_groups": self.missing_groups,
            "numbers": self.numbers,
            "few": self.few,
            "overlap": self.overlap and self.overlap.copies,
            "cut": self.cut and self.cut.facts(),
            "broken": {utf8_name(name): utf8_name(error.message) for name, error in sorted(self.broken.items())},
        }


def broken_error(broken: Mapping[str, DataError], count: int, offered: bool = False) -> DataError:
    """The error about these of `count` samples, each with what is wrong with it."""
    first = next(iter(broken.values()))
    also = (
        f"{'' if first.hint.endswith('.') else '.'} Or leave such samples out: "
        f"`skip_broken={_rounded_up(len(broken) / count)}`"
        if offered and len(broken) < count
        else ""
    )
    if len(broken) == 1:
        about = first.parameter or ("skip_broken" if offered else "")
        return type(first)(first.message, hint=f"{first.hint}{also}", parameter=about)
    shown = [error.message.rstrip(".") for error in list(broken.values())[:_LISTED]]
    more = [f"and {len(broken) - _LISTED:,} more"] if len(broken) > _LISTED else []
    message = f"{len(broken):,} of {count:,} samples cannot be read: {'; '.join([*shown, *more])}."
    return DataError(message, hint=f"{first.hint}{also}", parameter="skip_broken" if offered else "")


def _rounded_up(share: float) -> float:
    """The share as a person would type it, no less."""
    return next(step for step in (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if step >= share)
