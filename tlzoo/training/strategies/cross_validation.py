"""What a probe reaches on every sample in turn: features are there, and fits of few samples take no time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tlzoo.data.dataset import TaskDataset
from tlzoo.data.grouping import check_folds, deal, joined
from tlzoo.data.splits import strata
from tlzoo.features.extract import Features
from tlzoo.progress import working
from tlzoo.tasks.heads import Objective
from tlzoo.tasks.intervals import FEW
from tlzoo.tasks.rows import OutputCollector, Outputs
from tlzoo.tasks.windows import Window
from tlzoo.training.step_model import DatasetSplits
from tlzoo.training.strategies.probe_fit import apply_probe, fit_probe, labelled_features
from tlzoo.training.strategies.ridge import Labelled

FOLDS = 10
INNER = 5
"""Of a fold's training samples one in this many chooses the regularisation."""


@dataclass(frozen=True)
class FoldPlan:
    """The samples that are cross-validated, and the positions of those of each fold."""

    data: TaskDataset
    folds: Sequence[frozenset[int]]


@dataclass(frozen=True)
class CrossValidated:
    """The samples that were cross-validated, and the `outputs` for each by a probe that had not seen it, one for each
    fold; `fold_of` has the number of each sample's, from 0."""

    data: TaskDataset
    outputs: Outputs
    folds: int
    fold_of: Sequence[int] = ()


def plan_folds(sets: DatasetSplits, folds: int | None, seed: int) -> FoldPlan | None:
    """Folds (Stone 1974) over training and validation samples, and over test samples that tlzoo held out.

    Folds hold each label in proportion; copies of a sample are in one, and so are samples of a group. Without a number
    of folds they are ten where fewer than 20 samples were held out by tlzoo, fewer where there are too few samples that
    differ; `None` elsewhere. Raises UsageError for more folds than there are samples that differ, or groups.
    """
    if folds is None and (sets.test.samples >= FEW or not sets.held_out):
        return None
    data = _join((sets.train, sets.validation, sets.test) if sets.held_out else (sets.train, sets.validation))
    units = _units(data)
    if folds is not None:
        check_folds(folds, len(units), grouped=data.groups is not None)
    count = folds or min(FOLDS, len(units))
    return None if count < 2 else FoldPlan(data, _folds(data, units, count, seed))


def cross_validate(
    plan: FoldPlan, features: Sequence[Features], objective: Objective, l2: float | None, seed: int
) -> CrossValidated:
    """The answer for each sample of a probe fitted without its fold, as `--strategy probe` fits it, the regularisation
    chosen within the other folds. The parts' `features` come in the order of the samples; there may be more.
    """
    data = plan.data
    rows, ragged, output = _rows(features), features[0].lengths is not None, objective.output
    found, fold_of = OutputCollector(data.task.outputs, len(data)), [0] * data.samples
    with working("Cross-validating the probe"):
        for number, fold in enumerate(plan.folds):
            others = [at for at in range(data.samples) if at not in fold]
            chosen = _inner(data, others, np.random.default_rng([seed, 3]))
            train, inner = (_labelled(rows, ragged, data, at, objective) for at in chosen)
            probe, places = fit_probe(train, inner, objective, l2), data.places(sorted(fold))
            answers = apply_probe(probe, _take(rows, places, ragged), output)[output]
            for at, answer in zip(places, answers, strict=True):
                found.put([at], {output: answer[None]})
            for at in fold:
                fold_of[at] = number
    return CrossValidated(data, found.outputs(), len(plan.folds), fold_of)


def _join(parts: Sequence[TaskDataset]) -> TaskDataset:
    """The samples of all parts as one data set."""
    whole = replace(
        parts[0],
        inputs=[each for part in parts for each in part.inputs],
        targets=[each for part in parts for each in part.targets or ()],
        weights=_all_of([part.weights for part in parts]),
        groups=_all_of([part.groups for part in parts]),
    )
    if all(part.windows is None for part in parts):
        return whole
    windows = [each for part in parts for each in part.windows or [[Window(given, 0)] for given in part.inputs]]
    return replace(whole, windows=windows, whole=[each for part in parts for each in part.sample_targets])


def _all_of(parts: Sequence[Sequence[Any] | None]) -> list[Any] | None:
    """What all parts have of each sample; `None` where one has nothing, as test samples have no weights that count."""
    return None if None in parts else [each for part in parts for each in part or ()]


def _units(data: TaskDataset) -> list[list[int]]:
    """The positions of samples that stay in one fold: copies, and those of a group."""
    return joined(data.contents(), *([] if data.groups is None else [data.groups]))


def _folds(data: TaskDataset, units: Sequence[list[int]], count: int, seed: int) -> list[frozenset[int]]:
    """Positions of the samples of each fold."""
    random = np.random.default_rng([seed, 4])
    if data.groups is not None:
        parts = deal(units, strata(data.task, data.sample_targets), [1 / count] * count, random)
        return _none_empty(parts, units)
    by_label: Mapping[Hashable, list[list[int]]] = defaultdict(list)
    for positions in units:
        by_label[data.task.group(data.sample_targets[positions[0]])].append(positions)
    folds: list[set[int]] = [set() for _ in range(count)]
    at = 0
    for label in sorted(by_label, key=str):
        for number in random.permutation(len(by_label[label])):
            folds[at % count].update(by_label[label][number])
            at += 1
    return [frozenset(fold) for fold in folds]


def _none_empty(parts: Sequence[list[int]], units: Sequence[list[int]]) -> list[frozenset[int]]:
    """The folds, an empty one with the smallest group of one that has several."""
    folds = [set(part) for part in parts]
    for fold in folds:
        if not fold:
            inside = [[each for each in units if each[0] in other] for other in folds]
            moved = min((each for those in inside if len(those) > 1 for each in those), key=len)
            for other in folds:
                other.difference_update(moved)
            fold.update(moved)
    return [frozenset(fold) for fold in folds]


def inner_split(data: TaskDataset, features: Features, objective: Objective, seed: int) -> tuple[Labelled, Labelled]:
    """Features and targets of samples to fit on, and of a fifth, of other groups, to choose the regularisation."""
    rows, ragged = _rows([features]), features.lengths is not None
    train, inner = _inner(data, range(data.samples), np.random.default_rng([seed, 1]))
    return _labelled(rows, ragged, data, train, objective), _labelled(rows, ragged, data, inner, objective)


def _labelled(
    rows: Sequence[np.ndarray], ragged: bool, data: TaskDataset, samples: Sequence[int], objective: Objective
) -> Labelled:
    return labelled_features(_take(rows, data.places(samples), ragged), data.subset(samples), objective)


def _inner(data: TaskDataset, others: Sequence[int], random: np.random.Generator) -> tuple[list[int], list[int]]:
    """Of the samples outside a fold those to fit on, and those that choose the regularisation, of other groups."""
    if data.groups is None:
        chosen = random.permutation(others)
        held = max(1, len(chosen) // INNER)
        return sorted(chosen[held:].tolist()) or list(others), sorted(chosen[:held].tolist())
    some = data.subset(others)
    parts = deal(_units(some), strata(data.task, some.sample_targets), (1 - 1 / INNER, 1 / INNER), random, keep=True)
    train, inner = ([others[at] for at in part] for part in parts)
    return train or list(others), inner or list(others)


def _rows(features: Sequence[Features]) -> list[np.ndarray]:
    """The features of each sample, of ragged ones all of its rows."""
    found: list[np.ndarray] = []
    for part in features:
        if part.lengths is None:
            found += [row[None] for row in part.rows]
        else:
            found += np.split(part.rows, np.cumsum(part.lengths)[:-1])
    return found


def _take(rows: Sequence[np.ndarray], positions: Sequence[int], ragged: bool) -> Features:
    """The features of these samples."""
    chosen = [rows[at] for at in positions]
    return Features(np.concatenate(chosen), np.array([len(row) for row in chosen]) if ragged else None)
