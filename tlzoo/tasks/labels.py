"""What the tasks with labels share."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from tlzoo.errors import DataError

_INVISIBLE = re.compile("[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""What nobody sees, joiners aside: in some scripts and in emoji these change what is seen."""
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def plain_label(text: str) -> str:
    """A label as it is compared: composed (NFC), without characters that nobody sees, with single blanks."""
    return " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFC", text)).split())


def is_number(text: str) -> bool:
    """Whether a text is a number as data files write it: `2`, `-0.5`, `1e3`."""
    return _NUMBER.fullmatch(text) is not None


def in_order(labels: Iterable[str]) -> list[str]:
    """The different labels, sorted: by value where all are numbers, so that 10 follows 2, else as texts."""
    found = set(labels)
    return sorted(found, key=lambda label: (float(label), label)) if all(map(is_number, found)) else sorted(found)


def means_numbers(labels: Sequence[str]) -> bool:
    """Whether labels are rather measured values than classes: numbers with decimals, or of more than 20 values."""
    found = set(labels)
    if len(found) < 3 or not all(map(is_number, found)):
        return False
    whole = all(float(label).is_integer() for label in found)
    return not whole or (len(found) > 20 and len(found) > len(labels) / 4)


def class_numbers(known: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    """The number of each known label, also as `plain_label` has it; raises DataError naming those of `labels` that are
    not known."""
    numbers = {plain_label(label): number for number, label in enumerate(known)}
    numbers |= {label: number for number, label in enumerate(known)}
    if unknown := in_order(label for label in labels if label not in numbers):
        names = ", ".join(repr(label) for label in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        raise DataError(f"Labels not in the training data: {names}.", hint=f"Known labels: {', '.join(known[:20])}.")
    return numbers


def check_two_classes(labels: Sequence[str], place: Path) -> None:
    """Raise DataError where there are no two classes to tell apart."""
    known = sorted(set(labels))
    if len(known) < 2:
        only = ", ".join(map(repr, known))
        raise DataError(f"{place} has only one class, {only}.", hint="Add samples of another class.")


def label_shares(labels: Sequence[str], counts: Sequence[float]) -> dict[str, float]:
    """Shares by label from counts, the largest first, labels of none left out."""
    whole = float(sum(counts)) or 1.0
    pairs = sorted(zip(labels, counts, strict=True), key=lambda pair: -pair[1])
    return {label: round(float(count) / whole, 4) for label, count in pairs if count}


def count_found(labels: Sequence[str], found: np.ndarray, there: np.ndarray) -> dict[str, tuple[int, int]]:
    """By label, in how many samples it is `found`, and in how many it is `there`, of bools [N, C] each; labels that are
    nowhere are left out."""
    counts = zip(labels, found.sum(axis=0).tolist(), there.sum(axis=0).tolist(), strict=True)
    return {label: (hits, count) for label, hits, count in counts if count}


def top_scores(scores: dict[str, float], top_k: int | None) -> dict[str, float]:
    """The `top_k` largest scores, the largest first; all in their order without."""
    if top_k is None:
        return scores
    best = sorted(scores, key=scores.__getitem__, reverse=True)[:top_k]
    return {label: scores[label] for label in best}
