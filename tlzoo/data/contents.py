"""What is odd about labelled samples: copies, contents with several labels, labels that look alike, small classes."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tlzoo.data.sample_columns import check_merged
from tlzoo.data.samples import RawInput, Samples, TrainTestSamples, content_digests
from tlzoo.errors import DataError
from tlzoo.io.inputs.report import TEST_PART, TRAINING_PART, ReadReport
from tlzoo.io.texts import input_name, listed_names
from tlzoo.tasks.base import Target, Task
from tlzoo.tasks.labels import in_order, is_number

_MISSING = ("nan", "none", "null", "na", "n/a", "#n/a", "<na>", "nil", "undefined")
FEW = 5
"""A class of fewer samples is named."""
_ROW = re.compile(r", (line|row) [0-9]+$")
"""What is behind the file in a sample's name."""
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")


def describe_contents(collection: TrainTestSamples, task: Task, report: ReadReport) -> None:
    """Give `report` what the contents and labels of all parts are like.

    Raises InputError naming a file that cannot be read.
    """
    labels_of: dict[bytes, set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for part in collection.all_parts():
        for at, digest in enumerate(content_digests(part.inputs, part.modality)):
            labels_of[digest].add("" if part.targets is None else repr(part.targets[at]))
        counts.update(_labels(part, task))
    report.copies = report.used - len(labels_of)
    report.contradicting = sum(len(labels) > 1 for labels in labels_of.values())
    report.alike = alike(counts)
    report.few = {label: counts[label] for label in in_order(counts) if counts[label] < FEW}
    decimals = all(map(is_number, counts)) and not all(label.lstrip("+-").isdigit() for label in counts)
    report.numbers = in_order(counts) if decimals else []
    groups = Counter(group for part in collection.all_parts() for group in part.groups)
    report.missing_like, report.missing_groups = _missing_like(counts), _missing_like(groups)
    report.alike_groups = alike(groups)


def _missing_like(counts: Mapping[str, int]) -> dict[str, int]:
    """The names that may stand for a missing one, each with its count."""
    return {name: counts[name] for name in in_order(counts) if name.lower() in _MISSING}


def keep_part(collection: TrainTestSamples, task: Task, report: ReadReport, *, test: bool) -> Samples:
    """The part for testing where there is one and `test` asks for it, else that for training; the other is counted."""
    kept, other, reason = collection.train, collection.test, TEST_PART
    if test and collection.test is not None:
        kept, other, reason = collection.test, collection.train, TRAINING_PART
    if other is not None:
        for at in range(len(other)):
            report.leave_out(reason, _ROW.sub("", other.name(at)))
        left = TrainTestSamples(kept, None, None if test else collection.validation)
        report.used = sum(map(len, left.all_parts()))
        describe_contents(left, task, report)
    return kept


def merge_rows(samples: Samples, path: Path, task: Task, report: ReadReport) -> Samples:
    """Samples of a table, those with the same input merged into one where the task can, for several labels.

    Raises DataError for a file that has different targets otherwise.
    """
    if samples.targets is None:
        return samples
    targets: dict[RawInput, list[Target]] = defaultdict(list)
    for given, target in zip(samples.inputs, samples.targets, strict=True):
        targets[given].append(target)
    merged = {given: task.merge_targets(found) for given, found in targets.items() if len(found) > 1}
    if all(target is None for target in merged.values()):
        _check_one_target(targets, path, samples.modality)
        return samples
    check_merged(samples, path)
    report.merged += len(samples) - len(targets)
    first = {given: at for at, given in reversed(list(enumerate(samples.inputs)))}
    whole = tuple(merged.get(given) or found[0] for given, found in targets.items())
    return replace(samples.subset(first[given] for given in targets), targets=whole)


def _check_one_target(targets: Mapping[RawInput, Sequence[Target]], path: Path, modality: str) -> None:
    """Raise DataError for files with different targets; the same text may have been labelled twice."""
    differing = [(given, found) for given, found in targets.items() if any(each != found[0] for each in found)]
    if differing and modality != "text":
        given, found = differing[0]
        more = f"; {len(differing)} files have several" if len(differing) > 1 else ""
        raise DataError(
            f"File {path} gives {input_name(given)!r} different targets: {listed_names(list(map(str, found)))}{more}.",
            hint=f"For several labels of one, choose `task='{modality}-multilabel'`; else keep one row of each.",
        )


def _labels(part: Samples, task: Task) -> Iterable[str]:
    return (label for target in part.targets or () for label in task.labels_in(target))


def unseen_labels(train: Samples, other: Samples, task: Task) -> str:
    """The labels that only `other` has, for people; empty where there are none."""
    known, there = (
        {label for target in samples.targets or () for label in task.labels_in(target)} for samples in (train, other)
    )
    unseen = sorted(there - known)
    return listed_names(unseen, 5)


def alike(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """The labels that differ in case, in blanks, in how a letter or a number is written, or in what nobody sees."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in sorted(set(labels)):
        groups[_seen(label)].append(label)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _seen(label: str) -> str:
    """A label as somebody sees it who looks for its meaning alone."""
    plain = " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFKC", label)).casefold().split())
    try:
        return repr(float(plain))
    except ValueError:
        return plain
