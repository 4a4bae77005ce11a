"""Intervals that the number of samples decides, and paired tests that hold at small ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tlzoo.tasks import make_task
from tlzoo.tasks.intervals import beats, few_samples_note, metric_interval, paired_difference, wilson_interval

SINGLE = make_task("text-classification", ("a", "b"))
SEVERAL = make_task("text-multilabel", ("a", "b"))
NUMBER = make_task("text-regression")


@pytest.mark.parametrize(("right", "count"), [(6, 6), (0, 6), (3, 6), (1, 1), (480, 500), (19, 20)])
def test_the_interval_of_a_share_is_wilsons(right: int, count: int):
    known = stats.binomtest(right, count).proportion_ci(method="wilson")
    assert wilson_interval(right, count) == pytest.approx((known.low, known.high), abs=1e-9)


def interval(task, outputs, targets) -> tuple[float, float]:
    metrics = task.metrics(outputs, targets, [None] * len(targets))
    found = metric_interval(task, outputs, targets, [None] * len(targets), metrics[task.headline], 0)
    assert found["low"] <= metrics[task.headline] <= found["high"]
    return found["low"], found["high"]


def test_six_of_six_right_are_at_least_three_fifths():
    logits = np.tile([3.0, -3.0], (6, 1))
    assert interval(SINGLE, {"logits": logits}, ["a"] * 6) == pytest.approx((0.6097, 1.0), abs=1e-4)


@pytest.mark.parametrize("count", [5, 6, 40])
def test_no_interval_has_width_zero(count: int):
    perfect = interval(SEVERAL, {"logits": np.tile([3.0, -3.0], (count, 1))}, ["a"] * count)
    assert perfect[0] <= 1 - 0.5 / count
    assert perfect[1] == 1.0
    numbers = [float(at) for at in range(count)]
    off = interval(NUMBER, {"logits": np.array(numbers, dtype=np.float32)[:, None] + 1}, numbers)
    assert off[1] - off[0] >= 0.99 / count


def test_the_share_of_right_answers_is_narrower_the_more_there_are():
    few = interval(SINGLE, {"logits": np.tile([3.0, -3.0], (10, 1))}, ["a"] * 9 + ["b"])
    many = interval(SINGLE, {"logits": np.tile([3.0, -3.0], (1000, 1))}, ["a"] * 900 + ["b"] * 100)
    assert many[1] - many[0] < (few[1] - few[0]) / 5


def test_of_few_samples_it_is_said_how_little_they_prove():
    assert few_samples_note(SINGLE, 6) == (
        "6 held-out samples are too few for a reliable figure: "
        "even 6 of 6 right would have a 95% interval of 61% to 100%. Hold out 20 or more."
    )
    assert few_samples_note(NUMBER, 6) == "6 held-out samples are too few for a reliable figure. Hold out 20 or more."
    assert few_samples_note(NUMBER, 1) == "1 held-out sample is too few for any rmse. Hold out 20 or more."
    assert few_samples_note(SINGLE, 20) == ""
    said = few_samples_note(NUMBER, 3, "labelled target", "Label")
    assert said == "3 labelled target samples are too few for any rmse. Label 20 or more."


def numbers(errors: list[float]) -> tuple[dict[str, np.ndarray], list[float]]:
    """Answers of a regression that are off by these errors, and the targets."""
    targets = [float(at) for at in range(len(errors))]
    return {
        "logits": np.array(targets, dtype=np.float32)[:, None] + np.array(errors, dtype=np.float32)[:, None]
    }, targets


@pytest.mark.parametrize("count", [1, 2, 4])
def test_of_a_handful_of_numbers_nothing_but_the_range_of_the_metric_is_known(count: int):
    outputs, targets = numbers([0.0002] * count)
    value = NUMBER.metrics(outputs, targets)["rmse"]
    found = metric_interval(NUMBER, outputs, targets, [None] * count, value, 0)
    assert (found["low"], found["high"]) == (0.0, None)


def test_errors_of_0_and_1_do_not_make_a_share_of_an_rmse():
    for errors in ([1.0] * 30, [0.0] * 30, [1.0, 0.0] * 15):
        low, high = interval(NUMBER, *numbers(errors))
        share = wilson_interval(sum(errors), 30)
        assert (low, high) != pytest.approx(share, abs=1e-6)
    half = 0.5 / 30 * float(np.std(range(30)))  # where all errors are alike, what the next may be is not known
    assert interval(NUMBER, *numbers([1.0] * 30)) == pytest.approx((1 - half, 1 + half), abs=1e-6)
    assert interval(NUMBER, *numbers([0.0] * 30)) == pytest.approx((0, half), abs=1e-6)


@pytest.mark.parametrize("count", [1, 3, 30, 40])
def test_a_share_of_0_is_as_uncertain_as_one_of_1(count: int):
    """Also where each sample's score is no 0 or 1 whose mean is the metric."""
    right = {"logits": np.tile([3.0, -3.0], (count, 1))}
    wrong = {"logits": np.tile([-3.0, 3.0], (count, 1))}
    low, _ = interval(SEVERAL, right, ["a"] * count)
    assert low == pytest.approx(wilson_interval(count, count)[0])
    assert interval(SEVERAL, wrong, ["a"] * count) == pytest.approx((0, 1 - low))
    empty = {"logits": np.full((count, 2), -3.0)}
    some = ["a"] * (count - count // 2) + [""] * (count // 2)
    assert SEVERAL.samplewise(empty, some).mean() == pytest.approx(count // 2 / count)
    assert interval(SEVERAL, empty, some) == pytest.approx((0, 1 - low))


def test_a_metric_of_no_declared_range_is_no_share(monkeypatch: pytest.MonkeyPatch):
    logits, targets = np.tile([3.0, -3.0], (6, 1)), ["a"] * 6
    monkeypatch.setattr(type(SINGLE), "ranges", {})
    assert interval(SINGLE, {"logits": logits}, targets) == pytest.approx((1 - 0.5 / 6, 1 + 0.5 / 6))
    assert metric_interval(SINGLE, {"logits": logits[:1]}, ["a"], [None], 1.0, 0)["low"] is None


@pytest.mark.parametrize(
    ("won", "lost"), [(2, 0), (4, 0), (5, 0), (5, 1), (7, 1), (8, 1), (10, 2), (12, 3), (30, 20), (40, 20), (0, 3)]
)
def test_of_right_and_wrong_answers_the_paired_test_is_mcnemars(won: int, lost: int):
    one, other = np.zeros(200), np.zeros(200)
    one[:won] = other[won : won + lost] = 1
    chance = stats.binomtest(won, won + lost, alternative="greater").pvalue
    assert abs(chance - 0.05) > 0.004  # else drawing decides
    assert beats(one, other) == (chance <= 0.05)


def test_two_of_48_samples_are_chance_and_so_is_no_difference():
    one = np.ones(48)
    other = one.copy()
    other[:2] = 0
    assert not beats(one, other)
    assert not beats(one, one)
    assert not beats(other, one)


def test_what_is_equal_beats_the_other_as_seldom_as_it_says():
    random = np.random.default_rng(3)
    found = [beats(random.normal(size=12), random.normal(size=12)) for _ in range(400)]
    assert 0.02 <= np.mean(found) <= 0.085


def answers(right: np.ndarray) -> dict[str, np.ndarray]:
    """Logits that answer `a` for the right ones and `b` for the others."""
    return {"logits": np.where(right[:, None], [2.0, -2.0], [-2.0, 2.0])}


def compared(run: list[int], other: list[int]):
    one, two = (answers(np.array(each, dtype=bool)) for each in (run, other))
    return paired_difference(SINGLE, one, two, ["a"] * len(run), [None] * len(run), 0)


def test_of_a_pair_of_models_the_difference_has_an_interval_and_a_verdict():
    better = compared([1] * 90 + [0] * 10, [1] * 70 + [0] * 30)
    assert better.verdict == "better"
    assert better.value == pytest.approx(0.2)
    assert 0 < better.low < better.value < better.high
    worse = compared([1] * 70 + [0] * 30, [1] * 90 + [0] * 10)
    assert worse.verdict == "worse"
    assert (worse.low, worse.high) == pytest.approx((-better.high, -better.low))


@pytest.mark.parametrize("count", [1, 3, 20])
def test_a_difference_of_shares_is_at_most_1(count: int):
    assert compared([1] * count, [0] * count).high == 1.0
    assert compared([0] * count, [1] * count).low == -1.0


@pytest.mark.parametrize("count", [1, 4])
def test_a_difference_between_a_handful_of_numbers_is_chance_without_a_bound(count: int):
    (near, targets), (far, _) = numbers([0.1] * count), numbers([5.0] * count)
    found = paired_difference(NUMBER, near, far, targets, [None] * count, 0)
    assert (found.low, found.high, found.verdict) == (None, None, "chance")


@pytest.mark.parametrize(
    ("run", "other"), [([1] * 6, [0] * 4 + [1] * 2), ([1] * 50, [1] * 50), ([1, 0] * 30, [0, 1] * 30)]
)
def test_where_the_paired_test_leaves_a_difference_to_chance_the_interval_holds_zero(run: list[int], other: list[int]):
    found = compared(run, other)
    assert found.verdict == "chance"
    assert found.low <= 0 <= found.high
    assert found.low < found.high


def test_the_pairs_count_and_not_the_two_figures_apart():
    """Of 200 samples eight more are right: by chance where the others change too, not where they stay."""
    stays = compared([1] * 108 + [0] * 92, [1] * 100 + [0] * 100)
    changes = compared([0] * 46 + [1] * 108 + [0] * 46, [1] * 100 + [0] * 100)
    assert stays.value == changes.value == pytest.approx(0.04)
    assert (stays.verdict, changes.verdict) == ("better", "chance")


def test_of_a_metric_that_is_to_fall_less_is_better():
    targets = [float(at % 7) for at in range(60)]
    near = {"logits": np.array(targets, dtype=np.float32)[:, None] + np.tile([[0.1], [-0.2]], (30, 1))}
    far = {"logits": np.array(targets, dtype=np.float32)[:, None] + np.tile([[1.0], [-0.8]], (30, 1))}
    found = paired_difference(NUMBER, near, far, targets, [None] * 60, 0)
    assert (found.verdict, found.value < found.high < 0) == ("better", True)
    assert paired_difference(NUMBER, far, near, targets, [None] * 60, 0).verdict == "worse"
