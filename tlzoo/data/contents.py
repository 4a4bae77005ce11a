"""What is odd about labelled samples: copies, contents with several labels, labels that look alike, small classes."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable

from tlzoo.data.samples import Samples, TrainTestSamples, content_digests
from tlzoo.io.inputs.report import ReadReport
from tlzoo.tasks.base import Task

FEW = 5
"""A class of fewer samples is named."""
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")


def describe_contents(collection: TrainTestSamples, task: Task, report: ReadReport) -> None:
    """Give `report` what the contents and labels of all parts are like.

    Raises InputError naming a file that cannot be read.
    """
    labels_of: dict[bytes, set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for part in filter(None, (collection.train, collection.test)):
        for at, digest in enumerate(content_digests(part.inputs, part.modality)):
            labels_of[digest].add("" if part.targets is None else repr(part.targets[at]))
        counts.update(_labels(part, task))
    report.copies = report.used - len(labels_of)
    report.contradicting = sum(len(labels) > 1 for labels in labels_of.values())
    report.alike = alike(counts)
    report.few = {label: count for label, count in sorted(counts.items()) if count < FEW}


def _labels(part: Samples, task: Task) -> Iterable[str]:
    return (label for target in part.targets or () for label in task.labels_in(target))


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
