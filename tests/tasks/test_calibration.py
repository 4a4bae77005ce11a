"""Temperature and calibration error, on logits whose calibration is known."""

from __future__ import annotations

import numpy as np
import pytest

from tlzoo.tasks import make_task
from tlzoo.tasks.base import DecodeOptions
from tlzoo.tasks.calibration import fit_temperature, multinomial_loss
from tlzoo.tasks.probabilities import softmax

SINGLE = make_task("text-classification", ("a", "b", "c"))
SEVERAL = make_task("text-multilabel", ("a", "b", "c"))


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Logits [count, 3], and labels drawn with the very probabilities that the logits say."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, 3))
    shares = softmax(logits)
    return logits, [SINGLE.labels[at] for at in (shares.cumsum(axis=1) < random.random((count, 1))).sum(axis=1)]


def cells(there: np.ndarray) -> list[str]:
    """Rows of 0 and 1 as the cells of several labels."""
    return [";".join(label for label, one in zip(SEVERAL.labels, row, strict=True) if one) for row in there]


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_what_logits_were_multiplied_by(factor: float):
    logits, targets = drawn(5000)
    assert SINGLE.temperature({"logits": factor * logits}, targets) == pytest.approx(factor, rel=0.06)


def test_the_temperature_of_several_labels_undoes_it_too():
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (3000, 3))
    targets = cells(random.random(logits.shape) < 1 / (1 + np.exp(-logits)))
    assert SEVERAL.temperature({"logits": 3 * logits}, targets) == pytest.approx(3, rel=0.06)


def test_calibration_error_falls_to_sampling_noise_at_the_fitted_temperature():
    logits, targets = drawn(5000)
    temperature = SINGLE.temperature({"logits": 4 * logits}, targets)
    held, held_targets = drawn(5000, seed=1)
    assert SINGLE.calibration_error({"logits": 4 * held}, held_targets) > 0.15
    assert SINGLE.calibration_error({"logits": 4 * held}, held_targets, temperature=temperature) < 0.02


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    logits = np.log([[0.8, 0.1, 0.1]] * 10)
    targets = ["a"] * 5 + ["b"] * 5
    assert SINGLE.calibration_error({"logits": logits}, targets) == pytest.approx(0.3, abs=1e-6)


def test_of_several_labels_every_label_counts():
    logits = np.full((4, 3), np.log(0.9 / 0.1))
    assert SEVERAL.calibration_error({"logits": logits}, ["a;b"] * 4) == pytest.approx(0.9 - 2 / 3, abs=1e-6)


@pytest.mark.parametrize("count", [1, 6, 19])
@pytest.mark.parametrize("factor", [0.2, 1.0, 8.0])
def test_few_samples_justify_no_temperature(count: int, factor: float):
    logits, targets = drawn(count)
    assert SINGLE.temperature({"logits": factor * logits}, targets) == 1.0
    assert SINGLE.temperature({"logits": np.tile([8.0, 0.0, 0.0], (count, 1))}, ["a"] * count) == 1.0


def test_many_words_of_few_texts_justify_no_temperature():
    logits, targets = drawn(400)
    loss = multinomial_loss(8.0 * logits, np.array([SINGLE.labels.index(target) for target in targets]))
    assert fit_temperature(loss, np.arange(400) % 200) != 1.0
    assert fit_temperature(loss, np.arange(400) % 19) == 1.0


def test_logits_that_are_calibrated_keep_their_temperature_and_others_get_one_where_it_is_sure():
    left = [SINGLE.temperature({"logits": drawn(120, seed)[0]}, drawn(120, seed)[1]) == 1.0 for seed in range(40)]
    assert np.mean(left) >= 0.9
    moved = [SINGLE.temperature({"logits": 5 * drawn(120, seed)[0]}, drawn(120, seed)[1]) for seed in range(10)]
    assert min(moved) > 3


def test_a_temperature_helps_on_samples_that_it_has_not_seen():
    worse = 0
    for seed in range(60):
        logits, targets = drawn(40, seed)
        temperature = SINGLE.temperature({"logits": 1.3 * logits}, targets)
        held, right = drawn(4000, seed + 1000)
        losses = [SINGLE.metrics({"logits": 1.3 * held / t}, right)["log_loss"] for t in (1.0, temperature)]
        worse += losses[1] > losses[0] + 1e-3
    assert worse <= 3


def test_labels_do_not_change():
    logits, targets = drawn(200)
    temperature = SINGLE.temperature({"logits": logits}, targets)
    answers = SINGLE.decode({"logits": logits}, [], DecodeOptions(temperature))
    assert [answer.label for answer in answers] == [SINGLE.labels[at] for at in logits.argmax(axis=1)]
    assert all(max(answer.scores, key=answer.scores.__getitem__) == answer.label for answer in answers)
