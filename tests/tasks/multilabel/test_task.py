import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, f1_score

from tlzoo.errors import DataError, UsageError
from tlzoo.tasks import make_task
from tlzoo.tasks.base import DecodeOptions

GENRES = make_task("text-multilabel", ["crime", "drama", "love"])
LOGITS = np.array([[2.0, -1.0, 3.0], [-2.0, 1.0, -0.5], [0.5, -3.0, -1.0], [-1.0, -1.0, -1.0]])
TARGETS = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0], [0, 0, 0]], dtype=np.float32)
CELLS = ["crime;love", "drama;love", "", ""]
tables = st.integers(1, 8).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.float32, (n, 3), elements=st.floats(-50, 50, width=32)),
        hnp.arrays(np.float32, (n, 3), elements=st.sampled_from([0.0, 1.0])),
    )
)


def cells(targets: np.ndarray) -> list[str]:
    """Rows of 0 and 1 as cells such as `a;b`."""
    return [";".join(label for label, there in zip(GENRES.labels, row, strict=True) if there) for row in targets]


def test_labels_of_cells_are_those_that_occur_anywhere_sorted():
    fitted = make_task("text-multilabel").fit(["love;crime", "", "drama", "crime"], "label")
    assert fitted == GENRES


def test_cells_become_rows_of_0_and_1_and_an_empty_cell_a_row_of_0():
    encoded = GENRES.collate(["love;crime", "", " drama ; "])["labels"]
    assert encoded.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert np.float32 == encoded.dtype


def test_a_label_that_training_never_saw_is_named():
    with pytest.raises(DataError, match="'horror'"):
        GENRES.collate(["love;horror"])


def test_decoding_gives_every_label_of_at_least_even_odds_and_all_scores():
    [row, none] = GENRES.decode({"logits": np.array([[np.log(3), -np.log(3), 0.0], [-1, -1, -1]], dtype=np.float32)})
    assert row.labels == ["crime", "love"]
    assert none.labels == []
    assert pytest.approx({"crime": 0.75, "drama": 0.25, "love": 0.5}) == row.scores
    assert row.as_line() == {"input": "None", "labels": "crime;love", "scores": "0.7500;0.5000"}


def test_a_threshold_decides_in_place_of_even_odds_and_top_k_limits_the_scores_alone():
    [row] = GENRES.decode({"logits": np.log([[4.0, 3.0, 1.0]])}, [], DecodeOptions(threshold=0.76, top_k=1))
    assert row.labels == ["crime"]
    assert row.scores == pytest.approx({"crime": 0.8})
    [row] = GENRES.decode({"logits": np.log([[4.0, 3.0, 0.5]])}, [], DecodeOptions(top_k=1))
    assert (row.labels, list(row.scores)) == (["crime", "drama"], ["crime"])


@given(tables)
def test_metrics_are_finite_in_range_and_as_scikit_learn_defines_them(drawn):
    logits, targets = drawn
    found = GENRES.metrics({"logits": logits}, cells(targets))
    assert all(np.isfinite(value) for value in found.values())
    assert all(0 <= found[name] <= 1 for name in found if name != "log_loss")
    predicted = (logits >= 0).astype(int)
    seen = np.flatnonzero((targets + predicted).any(axis=0))
    if len(seen):
        each = f1_score(targets, predicted, average=None, zero_division=0)
        assert pytest.approx(each[seen].mean()) == found["macro_f1"]
    assert pytest.approx(f1_score(targets, predicted, average="micro", zero_division=1)) == found["micro_f1"]


def test_metrics_equal_their_definitions():
    found = GENRES.metrics({"logits": LOGITS}, CELLS)
    # crime: 1 found, 1 claimed wrongly (2/3); drama: found (1); love: 1 found, 1 missed (2/3)
    assert pytest.approx((2 / 3 + 1 + 2 / 3) / 3) == found["macro_f1"]
    assert pytest.approx(2 * 3 / (2 * 3 + 2)) == found["micro_f1"]
    expected = np.mean([average_precision_score(TARGETS[:, at], LOGITS[:, at]) for at in range(3)])
    assert pytest.approx(expected) == found["mean_average_precision"]
    shares = 1 / (1 + np.exp(-LOGITS))
    losses = -np.log(np.where(TARGETS > 0, shares, 1 - shares))
    assert pytest.approx(losses.mean()) == found["log_loss"]


def test_a_label_that_never_occurs_in_the_test_data_does_not_count_unless_it_is_predicted():
    targets = ["crime", ""]
    silent, loud = np.array([[1.0, -1, -1], [-1, -1, -1]]), np.array([[1.0, -1, 1], [-1, -1, -1]])
    assert GENRES.metrics({"logits": silent}, targets)["macro_f1"] == 1.0
    assert GENRES.metrics({"logits": loud}, targets)["macro_f1"] == 0.5
    assert GENRES.metrics({"logits": loud}, targets)["mean_average_precision"] == 1.0


def test_one_sample_without_labels_can_be_measured():
    found = GENRES.metrics({"logits": np.array([[-2.0, -1.0, -3.0]])}, [""])
    assert (found["macro_f1"], found["micro_f1"], found["mean_average_precision"]) == (1.0, 1.0, 0.0)


def test_the_samplewise_score_is_each_samples_f1():
    assert pytest.approx([1, 2 / 3, 0, 1]) == GENRES.samplewise({"logits": LOGITS}, CELLS).tolist()


def test_every_metric_has_a_direction_and_others_are_refused():
    assert {name: GENRES.better(name) for name in GENRES.metrics({"logits": LOGITS}, CELLS)} == {
        "macro_f1": "max",
        "micro_f1": "max",
        "mean_average_precision": "max",
        "log_loss": "min",
    }
    assert {GENRES.monitor, GENRES.headline} <= set(GENRES.directions)
    with pytest.raises(UsageError, match="accuracy"):
        GENRES.better("accuracy")


def test_labels_must_be_decided_alike_unless_the_reference_is_as_good_as_undecided():
    reference = np.array([[1.0, -1.0], [5e-5, -1.0], [1.0, -1.0], [1.0, -1.0]])
    exported = np.array([[0.5, -2.0], [-5e-5, -1.0], [1.0, 1e-9], [np.nan, -1.0]])
    found = GENRES.agree({"logits": exported}, {"logits": reference}, 1e-4)
    assert found.same.tolist() == [True, True, False, False]
    assert found.scale == {"logits": 1.0}
    # however far logits may be off
    assert GENRES.agree({"logits": exported}, {"logits": reference}, 1.5).same.tolist() == [True, True, False, False]
    assert GENRES.agree({"logits": exported}, {"logits": reference}, 1e-5).same.tolist() == [True, False, False, False]


def test_metrics_without_scikit_learn_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(UsageError, match="tlzoo\\[evaluate\\]"):
        GENRES.metrics({"logits": LOGITS}, CELLS)
