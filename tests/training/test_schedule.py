"""The learning-rate finder on losses written by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from tlzoo.training.schedule import FALLBACK, HIGHEST, LOWEST, SMOOTHING, STEPS, find_learning_rate

RATES = [10 ** (-6 + 5 * number / 59) for number in range(60)]


def tried(losses: Callable[[int], float]) -> tuple[float, list[float]]:
    """The rate that is found, and those that were tried."""
    rates: list[float] = []

    def step(rate: float) -> float:
        rates.append(rate)
        return losses(len(rates) - 1)

    return find_learning_rate(step), rates


def test_what_is_documented_is_what_is_done():
    assert (LOWEST, HIGHEST, STEPS, SMOOTHING, FALLBACK) == (1e-6, 1e-1, 60, 0.9, 1e-5)


def test_rates_rise_geometrically_and_a_tenth_of_the_best_is_found():
    found, rates = tried(lambda number: 1.0 - number / 100)  # falls to the end
    assert rates == pytest.approx(RATES)
    assert found == pytest.approx(1e-2)


@pytest.mark.parametrize(
    "flat", [lambda number: 1.0, lambda number: 1.0 + number / 50, lambda number: 1 - number / 4000]
)
def test_where_the_loss_never_fell_the_fallback_is_taken(flat: Callable[[int], float]):
    assert tried(flat)[0] == FALLBACK


def test_a_loss_that_fell_by_three_percent_fell():
    assert tried(lambda number: 1.0 if number < 3 else 0.969)[0] == pytest.approx(1e-2)


def by_hand(losses: list[float]) -> list[float]:
    """Their means, in which each further one back weighs nine tenths as much."""
    weights = [0.9**back for back in range(len(losses))]
    return [
        sum(w * loss for w, loss in zip(weights, losses[at::-1], strict=False)) / sum(weights[: at + 1])
        for at in range(len(losses))
    ]


def test_it_stops_where_the_smoothed_loss_is_above_four_times_its_least():
    losses = [1.0 - at / 50 if at < 30 else 6.0 for at in range(60)]
    smooth = by_hand(losses)
    least = smooth.index(min(smooth))
    found, rates = tried(losses.__getitem__)
    assert found == pytest.approx(RATES[least] / 10)
    assert len(rates) == 1 + next(at for at, each in enumerate(smooth) if each > 4 * min(smooth[: at + 1]))
    assert least == 29 < len(rates) < 60


@pytest.mark.parametrize("strange", [math.nan, math.inf])
def test_it_stops_at_what_is_no_number(strange: float):
    found, rates = tried(lambda number: strange if number == 20 else 1.0 - number / 50)
    assert len(rates) == 21
    assert found == pytest.approx(RATES[19] / 10)
    assert tried(lambda number: strange) == (FALLBACK, [pytest.approx(1e-6)])


def test_where_it_began_is_the_least_of_the_first_three():
    # after three it is 0.9 at least; later losses of 0.89 are less than 2 % below
    assert tried(lambda number: 2.0 if number == 0 else 0.9)[0] == pytest.approx(1e-2)
    assert tried(lambda number: (2.0, 0.1, 0.1)[number] if number < 3 else 1.0)[0] == FALLBACK


def test_the_third_step_still_belongs_to_where_it_began_and_the_fourth_does_not():
    fourth, third = ([1.0] * at + [0.5] + [math.nan] for at in (3, 2))
    assert tried(fourth.__getitem__)[0] == pytest.approx(RATES[3] / 10)
    assert tried(third.__getitem__)[0] == FALLBACK


def test_of_equal_losses_the_first_counts():
    equal = [0.0, 0.0, 0.0, -1.0, math.nan]
    assert tried([1.0, 1.0, 1.0, 0.0, math.nan].__getitem__)[0] == pytest.approx(RATES[3] / 10)
    assert tried(equal.__getitem__)[0] == pytest.approx(RATES[3] / 10)
    assert tried([0.0, 0.0, math.nan].__getitem__)[0] == FALLBACK
