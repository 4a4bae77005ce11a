"""Losses at a temperature, the error over bins, and when a temperature is worth having."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from tlzoo.tasks.calibration import binned_error, fit_temperature, logistic_loss, multinomial_loss


def test_losses_are_those_of_the_shares():
    logits = np.array([[2 * log(3), 0.0], [0.0, 2 * log(4)], [2000.0, 0.0]], np.float32)
    found = multinomial_loss(logits, np.array([0, 0, 1]))(2.0)
    assert found == pytest.approx([-log(3 / 4), -log(1 / 5), 1000.0])
    targets = np.array([[1, 0], [1, 1], [0, 0]], np.float32)
    found = logistic_loss(logits, targets)(2.0)
    assert found == pytest.approx([-log(3 / 4) - log(1 / 2), -log(1 / 2) - log(4 / 5), 1000 + log(2)])


def test_the_error_is_the_gap_in_each_of_fifteen_bins():
    assert binned_error(np.array([1.0, 0.95]), np.array([1.0, 1.0])) == pytest.approx(0.025)
    assert binned_error(np.array([0.0, 0.05]), np.array([0.0, 1.0])) == pytest.approx(0.95 / 2)
    assert binned_error(np.array([0.01, 0.08]), np.array([1.0, 0.0])) == pytest.approx((0.99 + 0.08) / 2)
    assert binned_error(np.array([0.5, 0.52]), np.array([1.0, 0.0])) == pytest.approx(0.02 / 2)
    assert binned_error(np.array([0.5, 0.54]), np.array([1.0, 0.0])) == pytest.approx((0.5 + 0.54) / 2)


def sure(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are sure of the first class, which is right every other time."""
    return np.tile(np.array([[6.0, 0.0]]), (count, 1)), np.arange(count) % 2


@pytest.mark.parametrize(("count", "changed"), [(0, False), (19, False), (20, True), (200, True)])
def test_of_fewer_than_twenty_samples_it_is_one(count: int, changed: bool):
    assert (fit_temperature(multinomial_loss(*sure(count))) > 1) is changed


def test_words_of_one_text_count_as_one():
    loss = multinomial_loss(*sure(60))
    assert fit_temperature(loss, np.arange(60) // 4) == 1.0
    assert fit_temperature(loss, 7 * (np.arange(60) // 3)) > 2.0
    assert fit_temperature(loss, np.zeros(60, int)) == 1.0


def test_what_is_right_as_it_is_stays():
    logits = np.tile(np.array([[log(3), 0.0]]), (200, 1))
    assert fit_temperature(multinomial_loss(logits, (np.arange(200) % 4 == 0).astype(int))) == 1.0


def test_the_temperature_has_the_least_loss_with_its_prior():
    loss = multinomial_loss(*sure(40))
    grid = np.exp(np.linspace(log(0.05), log(20), 20001))
    costs = [float(loss(float(each)).sum()) + 0.5 * (log(each) / 0.5) ** 2 for each in grid]
    assert fit_temperature(loss) == pytest.approx(grid[int(np.argmin(costs))], rel=1e-3)
