import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tlzoo.errors import DataError, UsageError
from tlzoo.tasks import make_task
from tlzoo.tasks.base import DecodeOptions, check_predict_options
from tlzoo.tasks.classification.task import Classification

PETS = Classification("image-classification", ("cat", "dog", "fox"))
logits = hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(3)), elements=st.floats(-1e4, 1e4, width=32))


def test_labels_become_their_positions():
    assert PETS.collate(["fox", "cat", "cat"])["labels"].tolist() == [2, 0, 0]
    assert np.int64 == PETS.collate([])["labels"].dtype


def test_a_label_that_training_never_saw_is_named():
    with pytest.raises(DataError, match="'cow', 'hen'"):
        PETS.collate(["hen", "cat", "cow"])


@given(logits)
def test_probabilities_are_finite_ordered_as_logits_and_sum_to_one(values):
    rows = PETS.decode({"logits": values})
    shares = np.array([list(row.scores.values()) for row in rows])
    np.testing.assert_array_equal(shares, shares.astype(np.float32))
    assert np.isfinite(shares).all()
    assert np.all(shares >= 0)
    np.testing.assert_allclose(1, shares.sum(axis=1), atol=1e-6)
    assert np.all(np.take_along_axis(shares, values.argmax(axis=1)[:, None], 1)[:, 0] == shares.max(axis=1))
    assert [row.label for row in rows] == [PETS.labels[at] for at in values.argmax(axis=1)]
    assert [row.score for row in rows] == shares.max(axis=1).tolist()


def test_decoding_names_the_likeliest_label_and_scores_all():
    (row,) = PETS.decode({"logits": np.array([[0.0, np.log(3), -1e9]], dtype=np.float32)})
    assert row.label == "dog"
    assert pytest.approx(0.75, abs=1e-6) == row.score == row.scores["dog"]
    assert list(row.scores) == ["cat", "dog", "fox"]
    assert all(type(score) is float for score in row.scores.values())
    assert row.columns() == tuple(row.as_row()) == ("input", "label", "score", "scores")
    assert row.as_line() == {"input": "None", "label": "dog", "score": "0.7500"}


def test_decoding_nothing_gives_nothing():
    assert PETS.decode({"logits": np.zeros((0, 3), dtype=np.float32)}) == []


def test_metrics_equal_their_definitions():
    values = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.4, 0.1], [0.2, 0.2, 0.6]]))
    found = PETS.metrics({"logits": values}, ["cat", "dog", "dog", "fox"])
    # F1: cat 1 of 2 claimed (2/3), dog 1 of 2 found (2/3), fox 1.
    assert (
        pytest.approx(
            {
                "accuracy": 0.75,
                "macro_f1": (2 / 3 + 2 / 3 + 1) / 3,
                "log_loss": -np.log([0.7, 0.6, 0.4, 0.6]).mean(),
            }
        )
        == found
    )


def test_metrics_accept_targets_that_miss_a_class():
    assert PETS.metrics({"logits": np.eye(3)[:2] * 10}, ["cat", "dog"])["macro_f1"] == 1.0


def test_metrics_without_scikit_learn_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(UsageError, match="tlzoo\\[evaluate\\]"):
        PETS.metrics({"logits": np.eye(3)}, PETS.labels)


def test_the_modality_is_the_task_names_beginning():
    names = ("image", "text", "audio")
    assert list(names) == [make_task(f"{name}-classification", ["a", "b"]).modality for name in names]
    assert [(output.name, output.axes) for output in PETS.outputs] == [("logits", ("batch", 3))]


def test_tasks_and_data_import_neither_torch_nor_scikit_learn():
    imports = "import sys, tlzoo.tasks, tlzoo.data, tlzoo.preprocess.image"
    code = f"{imports}; print({{'torch', 'sklearn', 'pyarrow'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_labels_may_differ_where_the_logits_tie_within_the_tolerance_and_not_beyond():
    reference = np.array([[1.0, 1.0 - 5e-5, 0.0], [1.0, 0.9, 0.0], [0.2, 0.1, 0.0]])
    exported = np.array([[1.0 - 5e-5, 1.0, 0.0], [0.9, 1.0, 0.0], [0.2, 0.1, 0.0]])

    def same(tolerance: float) -> list[bool]:
        return PETS.agree({"logits": exported}, {"logits": reference}, tolerance).same.tolist()

    assert same(1e-4) == [True, False, True]
    assert same(0.5) == [True, False, True]  # however far logits may be off
    assert same(1e-5) == [False, False, True]


def test_the_scale_is_the_largest_distance_from_a_samples_mean_and_differences_are_each_samples_largest():
    reference = np.array([[1001.0, 1000.0, 999.0], [3.0, 0.0, -3.0]])
    exported = reference + np.array([[0.5, 0, 0], [0, -2, 1]])
    found = PETS.agree({"logits": exported}, {"logits": reference}, 1e-4)
    assert found.scale == {"logits": 3.0}
    assert found.difference["logits"].tolist() == [0.5, 2.0]


def test_logits_that_are_no_numbers_or_of_another_size_differ_infinitely():
    reference = {"logits": np.eye(3)[:2]}
    assert PETS.agree({"logits": np.array([[np.nan, 0, 0], [0, 1, 0]])}, reference, 1).difference[
        "logits"
    ].tolist() == [
        np.inf,
        0,
    ]
    assert np.isinf(PETS.agree({"logits": np.eye(2)}, reference, 1).difference["logits"]).all()


def test_a_threshold_leaves_unsure_answers_without_a_label_and_top_k_keeps_the_likeliest():
    outputs = {"logits": np.log([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])}
    rows = PETS.decode(outputs, [], DecodeOptions(threshold=0.6, top_k=2))
    assert [row.label for row in rows] == [None, "fox"]
    assert [row.score for row in rows] == pytest.approx([0.5, 0.7])
    assert [list(row.scores) for row in rows] == [["cat", "dog"], ["fox", "dog"]]


def test_a_temperature_divides_the_logits():
    hot, plain = (
        PETS.decode({"logits": np.array([[4.0, 2.0, 0.0]]) * factor}, [], DecodeOptions(temperature=factor))
        for factor in (2, 1)
    )
    assert hot[0].scores == pytest.approx(plain[0].scores)


@pytest.mark.parametrize(
    "given", [{"top_k": 0}, {"threshold": 1.5}, {"threshold": -0.1}, {"threshold": float("nan")}, {"beams": 3}]
)
def test_options_of_an_answer_that_cannot_be_are_refused(given):
    check_predict_options(PETS, top_k=3, threshold=0.5)
    with pytest.raises(UsageError):
        check_predict_options(PETS, **given)
