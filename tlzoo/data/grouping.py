"""Samples that stay in one part: those of a group and copies of each other, dealt out so that labels keep their shares.

The parts are filled greedily, as by scikit-learn's StratifiedGroupKFold: what is most uneven in labels comes first, and
each goes where the parts then differ least in how much of their share of each label they have.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from tlzoo.data.samples import Samples
from tlzoo.errors import DataError, UsageError


def joined(*keys: Sequence[Hashable]) -> list[list[int]]:
    """The positions that are joined by an equal key of any of these sequences, directly or through others (union-find);
    in the order of the first of each."""
    count = len(keys[0])
    parent = list(range(count))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for each in keys:
        first: dict[Hashable, int] = {}
        for at, key in enumerate(each):
            one, other = root(first.setdefault(key, at)), root(at)
            parent[max(one, other)] = min(one, other)
    found: dict[int, list[int]] = defaultdict(list)
    for at in range(count):
        found[root(at)].append(at)
    return list(found.values())


def deal(
    units: Sequence[Sequence[int]],
    labels: Sequence[Sequence[Hashable]],
    shares: Sequence[float],
    generator: np.random.Generator,
    *,
    keep: bool = False,
) -> list[list[int]]:
    """Whole units dealt to parts of these shares; the positions in each part, sorted.

    `labels` are those of each position, whose shares are kept as well as whole units allow. With `keep` the first part
    keeps each label: no unit with all that is left of one goes elsewhere.
    """
    keys = {label: at for at, label in enumerate(dict.fromkeys(each for row in labels for each in row))}
    counts = np.zeros((len(units), len(keys) + 1))  # the last column counts samples
    for number, positions in enumerate(units):
        counts[number, -1] = len(positions)
        for label, times in Counter(each for at in positions for each in labels[at]).items():
            counts[number, keys[label]] = times
    total = counts.sum(0)
    size = np.asarray(shares)[:, None] * total / sum(shares)
    filled, left = np.zeros_like(size), total[:-1].copy()
    parts: list[list[int]] = [[] for _ in shares]
    order = generator.permutation(len(units))
    order = order[np.lexsort((-counts[order, -1], -counts[order].std(axis=1)))]
    for number in order.tolist():
        unit = counts[number]
        allowed = range(len(shares))
        if keep and (unit[:-1] > 0).any() and (left - unit[:-1])[unit[:-1] > 0].min() <= 0:
            allowed = range(1)
        best = min(allowed, key=lambda part: _unevenness(filled, size, unit, part))
        filled[best] += unit
        if best:
            left -= unit[:-1]
        parts[best] += units[number]
    return [sorted(part) for part in parts]


def _unevenness(filled: np.ndarray, size: np.ndarray, unit: np.ndarray, part: int) -> tuple[float, float]:
    """How much parts would differ in how full they are of each label; of equal ones the emptiest comes first."""
    after = filled.copy()
    after[part] += unit
    return round(float((after / size).std(axis=0).mean()), 12), float(filled[part, -1] / size[part, -1])


def split_groups(
    units: Sequence[Sequence[int]],
    labels: Sequence[Sequence[Hashable]],
    shares: Sequence[float],
    generator: np.random.Generator,
) -> list[list[int]]:
    """The positions in parts of about these shares, none empty, of which the first keeps each label.

    Raises DataError where there are fewer units than parts, or none can be spared.
    """
    if len(units) < len(shares):
        raise DataError(
            f"There are {len(units)} groups, where copies of a sample in several make these one; {len(shares)} are "
            "needed, one for each part.",
            hint="Add samples of other groups, or give the parts: `test`, `validation`.",
        )
    parts = deal(units, labels, shares, generator, keep=True)
    while [] in parts:
        parts[parts.index([])] = _spared(parts, units, labels)
    return parts


def _spared(parts: list[list[int]], units: Sequence[Sequence[int]], labels: Sequence[Sequence[Hashable]]) -> list[int]:
    """The smallest unit that a part can spare, taken out of it: another stays there, and each label in the first."""
    first = Counter(label for at in parts[0] for label in labels[at])
    free: list[tuple[int, int, int]] = []
    for number, unit in enumerate(units):
        here = next(part for part, positions in enumerate(parts) if unit[0] in positions)
        inside = Counter(label for at in unit for label in labels[at])
        if len(unit) < len(parts[here]) and (here or all(first[each] > count for each, count in inside.items())):
            free.append((len(unit), number, here))
    if not free:
        raise DataError(
            "No group can be held out: each has a label that no other group of training samples has.",
            hint="Add samples of each label in other groups, or give the parts: `test`, `validation`.",
        )
    _, number, here = min(free)
    parts[here] = [at for at in parts[here] if at not in units[number]]
    return list(units[number])


def group_counts(parts: Mapping[str, Samples]) -> dict[str, int]:
    """How many groups each part has; empty where none has any."""
    return {name: len(set(part.groups)) for name, part in parts.items() if part.groups}


def check_folds(folds: int, units: int, *, grouped: bool) -> None:
    """Raise UsageError for more folds than there are units that stay together."""
    if folds > units:
        raise UsageError(
            f"`folds={folds}` needs {folds} {'groups' if grouped else 'samples that differ'}; there are {units}.",
            hint=f"Give {units} or fewer." if units > 1 else "Leave it out.",
            parameter="folds",
        )


def check_apart(parts: Mapping[str, Samples]) -> None:
    """Raise DataError naming a group that is in two of the parts."""
    named = list(parts.items())
    for at, (name, part) in enumerate(named):
        for other_name, other in named[at + 1 :]:
            if both := sorted(set(part.groups) & set(other.groups)):
                here, there = part.groups.count(both[0]), other.groups.count(both[0])
                more = f"; {len(both)} groups are" if len(both) > 1 else ""
                raise DataError(
                    f"Group {both[0][:80]!r} is on both sides: {here} of its samples are in the {name} data and "
                    f"{there} in the {other_name} data{more}.",
                    hint="Keep each group in one part, or leave the groups out.",
                )
