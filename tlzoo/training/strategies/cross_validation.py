"""What a probe reaches on every sample in turn: features are there, and fits of few samples take no time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tlzoo.data import content_digests
from tlzoo.data.dataset import TaskDataset
from tlzoo.features.extract import Features
from tlzoo.progress import working
from tlzoo.tasks.heads import Objective
from tlzoo.tasks.intervals import FEW
from tlzoo.tasks.rows import OutputCollector, Outputs
from tlzoo.training.step_model import DatasetSplits
from tlzoo.training.strategies.probe_fit import apply_probe, fit_probe, labelled_features

FOLDS = 10
INNER = 5
"""Of a fold's training samples one in this many chooses the regularisation."""


@dataclass(frozen=True)
class CrossValidated:
    """All samples of a data set, and the `outputs` for each by a probe that had not seen it, one for each fold."""

    data: TaskDataset
    outputs: Outputs
    folds: int


def cross_validate(
    sets: DatasetSplits, features: Sequence[Features], objective: Objective, l2: float | None, seed: int
) -> CrossValidated | None:
    """Ten folds (Stone 1974) over training, validation and test samples, whose `features` come in this order.

    Folds hold each label in proportion, and copies of a sample are in one. Each is answered by a probe fitted as
    `--strategy probe` fits it, the regularisation chosen within the other folds. `None` where 20 samples or more are
    held out, where the test samples were given and not held out by tlzoo, or where there are too few to divide.
    """
    if sets.test.samples >= FEW or not sets.held_out:
        return None
    data = _join(sets)
    folds = None if data is None else _folds(data, seed)
    if data is None or folds is None:
        return None
    rows, ragged, output = _rows(features), features[0].lengths is not None, objective.output
    found = OutputCollector(data.task.outputs, len(data))
    with working("Cross-validating the probe"):
        for fold in folds:
            others = [at for at in range(len(data)) if at not in fold]
            chosen = np.random.default_rng([seed, 3]).permutation(others)
            held = max(1, len(chosen) // INNER)
            train, inner = (
                labelled_features(_take(rows, at, ragged), data.subset(at), objective)
                for at in (sorted(chosen[held:].tolist()), sorted(chosen[:held].tolist()))
            )
            probe = fit_probe(train, inner, objective, l2)
            answers = apply_probe(probe, _take(rows, sorted(fold), ragged), output)[output]
            for at, answer in zip(sorted(fold), answers, strict=True):
                found.put([at], {output: answer[None]})
    return CrossValidated(data, found.outputs(), len(folds))


def _join(sets: DatasetSplits) -> TaskDataset | None:
    """All samples as one data set; `None` where some of them are read in windows."""
    parts = (sets.train, sets.validation, sets.test)
    if any(part.windows is not None for part in parts):
        return None
    return replace(
        sets.train,
        inputs=[each for part in parts for each in part.inputs],
        targets=[each for part in parts for each in part.targets or ()],
    )


def _folds(data: TaskDataset, seed: int) -> list[set[int]] | None:
    """Positions of the samples of each fold; `None` where there are not two folds of samples that differ."""
    copies: Mapping[bytes | str, list[int]] = defaultdict(list)
    for at, digest in enumerate(content_digests(data.inputs, data.modality)):
        copies[digest].append(at)
    by_group: Mapping[Hashable, list[list[int]]] = defaultdict(list)
    for positions in copies.values():
        by_group[data.task.group(data.sample_targets[positions[0]])].append(positions)
    random, count = np.random.default_rng([seed, 4]), min(FOLDS, len(copies))
    if count < 2:
        return None
    folds: list[set[int]] = [set() for _ in range(count)]
    at = 0
    for group in sorted(by_group, key=str):
        for number in random.permutation(len(by_group[group])):
            folds[at % count].update(by_group[group][number])
            at += 1
    return folds


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
