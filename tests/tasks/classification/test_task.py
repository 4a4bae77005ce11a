import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tlzoo.errors import DataError, UsageError
from tlzoo.tasks import make_task
from tlzoo.tasks.classification.task import Classification

PETS = Classification("image-classification", ("cat", "dog", "fox"))
logits = hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(3)), elements=st.floats(-1e4, 1e4, width=32))


def test_labels_become_their_positions():
    assert PETS.encode(["fox", "cat", "cat"]).tolist() == [2, 0, 0]
    assert np.int64 == PETS.encode([]).dtype


def test_a_label_that_training_never_saw_is_named():
    with pytest.raises(DataError, match="'cow', 'hen'"):
        PETS.encode(["hen", "cat", "cow"])


@given(logits)
def test_probabilities_are_finite_ordered_as_logits_and_sum_to_one(values):
    shares = PETS.probabilities(values)
    assert np.float32 == shares.dtype
    assert np.all(shares >= 0)
    np.testing.assert_allclose(1, shares.sum(axis=1), atol=1e-6)
    assert np.all(np.take_along_axis(shares, values.argmax(axis=1)[:, None], 1)[:, 0] == shares.max(axis=1))


def test_decoding_names_the_likeliest_label_and_scores_all():
    (row,) = PETS.decode(np.array([[0.0, np.log(3), -1e9]], dtype=np.float32))
    assert row["label"] == "dog"
    assert pytest.approx(0.75, abs=1e-6) == row["score"] == row["scores"]["dog"]
    assert list(row["scores"]) == ["cat", "dog", "fox"]
    assert all(type(score) is float for score in row["scores"].values())


def test_decoding_nothing_gives_nothing():
    assert PETS.decode(np.zeros((0, 3), dtype=np.float32)) == []


def test_metrics_equal_their_definitions():
    values = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.4, 0.1], [0.2, 0.2, 0.6]]))
    found = PETS.metrics(values, np.array([0, 1, 1, 2]))
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
    assert PETS.metrics(np.eye(3)[:2] * 10, np.array([0, 1]))["macro_f1"] == 1.0


def test_metrics_without_scikit_learn_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(UsageError, match="tlzoo\\[evaluate\\]"):
        PETS.metrics(np.eye(3), np.arange(3))


def test_the_modality_is_the_task_names_beginning():
    names = ("image", "text", "audio")
    assert list(names) == [make_task(f"{name}-classification", ["a", "b"]).modality for name in names]
    assert PETS.outputs == 3


def test_tasks_and_data_import_neither_torch_nor_scikit_learn():
    imports = "import sys, tlzoo.tasks, tlzoo.data, tlzoo.preprocess.image"
    code = f"{imports}; print({{'torch', 'sklearn', 'pyarrow'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_labels_may_differ_where_the_logits_tie_within_the_tolerance_and_not_beyond():
    reference = np.array([[1.0, 1.0 - 5e-5, 0.0], [1.0, 0.9, 0.0], [0.2, 0.1, 0.0]])
    exported = np.array([[1.0 - 5e-5, 1.0, 0.0], [0.9, 1.0, 0.0], [0.2, 0.1, 0.0]])
    assert PETS.agreement(exported, reference, 1e-4).tolist() == [True, False, True]
