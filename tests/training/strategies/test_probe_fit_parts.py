"""A probe on parts of samples, such as the tokens of texts: those that have a target count, each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import DataError
from tlzoo.features.extract import Features
from tlzoo.tasks import Output, Task
from tlzoo.tasks.heads import Objective, weighted_cross_entropy
from tlzoo.tasks.rows import IGNORED
from tlzoo.training.strategies import probe_fit
from tlzoo.training.strategies.probe_fit import FittedProbe, apply_probe, fit_probe, labelled_features

OBJECTIVE = Objective("signs", 2, output="scores", loss=weighted_cross_entropy(None))


@dataclass(frozen=True)
class Signs(Task):
    """The sign of each part of a sample: `+`, `-`, or `?` where it is not known."""

    contextual: ClassVar[bool] = True

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Two scores for each part."""
        return (Output("scores", ("batch", "parts", 2)),)

    def collate(self, targets: Sequence[str], contexts: Sequence[Any] = ()) -> dict[str, np.ndarray]:
        """`signs` [N, longest]."""
        rows = np.full((len(targets), max(map(len, targets))), IGNORED)
        for row, target in zip(rows, targets, strict=True):
            row[: len(target)] = [{"+": 1, "-": 0, "?": IGNORED}[sign] for sign in target]
        return {"signs": rows}


def dataset(*targets: str) -> TaskDataset:
    return TaskDataset(targets, targets, lambda inputs: {}, Signs("text-signs"))


def features(data: TaskDataset) -> Features:
    """Numbered rows, as many as a sample has parts."""
    lengths = np.array([len(target) for target in data.inputs])
    return Features(np.arange(2 * lengths.sum(), dtype=np.float32).reshape(-1, 2), lengths)


@pytest.mark.parametrize("collated", [1, 2, 4096])
def test_parts_with_a_target_are_found_beside_their_features(monkeypatch: pytest.MonkeyPatch, collated: int):
    monkeypatch.setattr(probe_fit, "COLLATED", collated)
    data = dataset("+?-", "", "?", "-+++", "+")
    rows, targets, _ = labelled_features(features(data), data, OBJECTIVE)
    assert targets.tolist() == [1, 0, 0, 1, 1, 1, 1]
    assert (rows[:, 0] / 2).tolist() == [0, 2, 4, 5, 6, 7, 8]
    rows, targets, _ = labelled_features(features(data), data, OBJECTIVE, range(2, 4))
    assert (targets.tolist(), (rows[:, 0] / 2).tolist()) == ([0, 1, 1, 1], [4, 5, 6, 7])


def test_samples_without_a_target_in_any_part_are_refused():
    data = dataset("??", "?", "+")
    with pytest.raises(DataError, match="None of the samples has a target"):
        labelled_features(features(data), data, OBJECTIVE, range(2))


def test_a_probes_output_has_each_sample_by_itself():
    probe = FittedProbe(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0.5, -0.5]), 0.0, {})
    found = apply_probe(probe, features(dataset("+-", "", "+")), "scores")
    assert [row.tolist() for row in found["scores"]] == [[[0.5, 0.5], [2.5, 2.5]], [], [[4.5, 4.5]]]
    [last] = apply_probe(probe, features(dataset("+")), "scores")["scores"]
    assert last.tolist() == [[0.5, 0.5]]
    plain = apply_probe(probe, Features(np.ones((3, 2), np.float32)), "scores")
    np.testing.assert_array_equal(plain["scores"], [[1.5, 0.5]] * 3)


def test_a_probe_on_parts_learns_what_each_part_says_of_itself():
    random = np.random.default_rng(0)
    made = []
    for _ in range(2):
        lengths = random.integers(1, 9, 60)
        rows = random.normal(size=(int(lengths.sum()), 3)).astype(np.float32)
        signs = np.where(random.random(len(rows)) < 0.2, "?", np.where(rows[:, 1] > 0, "+", "-"))
        cuts = np.cumsum(lengths)[:-1]
        data = dataset(*("".join(part) for part in np.split(signs, cuts)))
        made.append((data, Features(rows, lengths), np.split(rows[:, 1] > 0, cuts)))
    pairs = [labelled_features(found, data, OBJECTIVE) for data, found, _ in made]
    assert len(pairs[0][0]) < len(made[0][1].rows)
    probe = fit_probe(pairs[0], pairs[1], OBJECTIVE)
    scores = apply_probe(probe, made[1][1], "scores")["scores"]
    right = [row.argmax(axis=1) == there for row, there in zip(scores, made[1][2], strict=True)]
    assert np.concatenate(right).mean() > 0.95
    assert probe.temperature is None
