"""Cross-validated figures of a probe where few samples are held out."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlzoo
from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import UsageError
from tlzoo.features.extract import Features
from tlzoo.models.heads import probe_objective
from tlzoo.tasks import make_task
from tlzoo.tasks.intervals import wilson_interval
from tlzoo.training.step_model import DatasetSplits
from tlzoo.training.strategies.cross_validation import CrossValidated, cross_validate, plan_folds

TASK = make_task("text-classification", ("a", "b"))


def parts(texts: list[str], labels: list[str], held_out: bool = True, test: int = 8) -> DatasetSplits:
    """The first of these for training, 8 for validation, the last for the test."""
    ends = [0, len(texts) - 8 - test, len(texts) - test, len(texts)]
    cut = [slice(*pair) for pair in itertools.pairwise(ends)]
    preprocessor: Any = None  # features are given
    train, validation, held = (TaskDataset(texts[at], labels[at], preprocessor, TASK) for at in cut)
    return DatasetSplits(train, validation, held, held_out)


def crossed(sets: DatasetSplits, vectors: np.ndarray, folds: int | None = None) -> CrossValidated | None:
    sizes = np.cumsum([sets.train.samples, sets.validation.samples])
    features = [Features(rows) for rows in np.split(vectors.astype(np.float32), sizes)]
    plan = plan_folds(sets, folds, 0)
    return None if plan is None else cross_validate(plan, features, probe_objective(TASK, {}), None, 0)


def test_each_sample_is_answered_by_a_probe_that_had_not_seen_it():
    """Labels that nothing in the features tells: a probe that had seen them would know each of them."""
    random = np.random.default_rng(0)
    texts, labels = [f"text {at}" for at in range(80)], ["a", "b"] * 40
    found = crossed(parts(texts, labels), random.normal(size=(80, 100)))
    assert found is not None
    assert (found.data.samples, found.folds) == (80, 10)
    assert found.data.metrics(found.outputs)["accuracy"] < 0.7


def test_copies_of_a_sample_are_in_one_fold():
    random = np.random.default_rng(0)
    texts, labels = [f"text {at % 40}" for at in range(80)], ["a", "b"] * 40
    found = crossed(parts(texts, labels), np.tile(random.normal(size=(40, 100)), (2, 1)))
    assert found is not None
    assert found.data.metrics(found.outputs)["accuracy"] < 0.7


def test_what_features_tell_is_found_in_the_order_of_the_samples():
    random = np.random.default_rng(0)
    texts, labels = [f"text {at}" for at in range(60)], [*("a" * 25), *("b" * 35)]
    vectors = random.normal(size=(60, 4)) + 3 * np.array([[label == "a"] for label in labels])
    found = crossed(parts(texts, labels), vectors)
    assert found is not None
    assert found.data.inputs == texts
    assert found.data.metrics(found.outputs)["accuracy"] > 0.95


@pytest.mark.parametrize(("held_out", "test"), [(False, 8), (True, 20)])
def test_a_given_test_set_and_twenty_samples_are_measured_alone(held_out: bool, test: int):
    texts, labels = [f"text {at}" for at in range(80)], ["a", "b"] * 40
    assert crossed(parts(texts, labels, held_out, test), np.ones((80, 4))) is None


@pytest.mark.parametrize(("held_out", "count"), [(True, 100), (False, 80)])
def test_folds_that_are_asked_for_have_all_samples_but_those_of_a_given_test_set(held_out: bool, count: int):
    random = np.random.default_rng(0)
    texts, labels = [f"text {at}" for at in range(100)], ["a", "b"] * 50
    found = crossed(parts(texts, labels, held_out, 20), random.normal(size=(100, 4)), 5)
    assert found is not None
    assert (found.data.samples, found.folds) == (count, 5)
    assert sorted(Counter(found.fold_of).values()) == [count // 5] * 5


def test_more_folds_than_groups_are_refused_with_their_number():
    texts, labels = [f"text {at}" for at in range(80)], ["a", "b"] * 40
    sets = parts(texts, labels)
    grouped = [replace(part, groups=["one", "two"] * (part.samples // 2)) for part in (sets.train, sets.validation)]
    with pytest.raises(UsageError, match="`folds=3` needs 3 groups; there are 2") as caught:
        plan_folds(DatasetSplits(*grouped, sets.test, False), 3, 0)
    assert caught.value.parameter == "folds"


def test_a_group_is_in_one_fold_and_its_label_is_not_known_from_its_other_samples():
    """Features that tell the group alone, labels that go by group at random: who knows the group knows the label."""
    random = np.random.default_rng(0)
    groups = [f"group {at % 40}" for at in range(200)]
    of_group = dict(zip(dict.fromkeys(groups), random.permutation(["a", "b"] * 20).tolist(), strict=True))
    places = {group: random.normal(size=60) for group in of_group}
    texts, labels = [f"text {at}" for at in range(200)], [of_group[each] for each in groups]
    vectors = np.array([places[each] for each in groups]) + random.normal(scale=0.01, size=(200, 60))
    sets = parts(texts, labels, test=40)
    known = crossed(sets, vectors, 5)
    assert known is not None
    assert known.data.metrics(known.outputs)["accuracy"] > 0.95
    at = np.cumsum([sets.train.samples, sets.validation.samples])
    grouped = [
        replace(part, groups=list(mine))
        for part, mine in zip((sets.train, sets.validation, sets.test), np.split(np.array(groups), at), strict=True)
    ]
    found = crossed(DatasetSplits(*grouped, True), vectors, 5)
    assert found is not None
    fold_of = dict(zip(groups, found.fold_of, strict=True))
    assert [fold_of[group] for group in groups] == list(found.fold_of)
    assert found.data.metrics(found.outputs)["accuracy"] < 0.75


def test_two_samples_alike_are_no_folds():
    texts, labels = ["the same"] * 24, ["a", "b"] * 12
    assert crossed(parts(texts, labels), np.ones((24, 4))) is None


@pytest.mark.parametrize("kind", ["text", "tagged"])
def test_a_run_keeps_its_figures_with_their_interval(kind: str, request: pytest.FixtureRequest, zoo: Any):
    run = request.getfixturevalue(f"{kind}_run")
    found = tlzoo.Run.load(run.path).cross_validation
    assert found is not None
    assert found["n"] == run.data.n_train + run.data.n_validation + run.data.n_test
    assert set(found["metrics"]) == set(run.metrics)
    if kind == "text":
        right = round(found["metrics"]["accuracy"] * found["n"])
        assert (found["interval"]["low"], found["interval"]["high"]) == wilson_interval(right, found["n"])


def test_the_command_says_them(command: Any, texts: Path, tmp_path: Path, zoo: Any):
    done = command("finetune", "nlp/test-bert", texts, "--out", tmp_path / "run")
    assert "Cross-validated, each of all 80 samples by a probe that had not seen it, 10 folds: accuracy" in done.out
