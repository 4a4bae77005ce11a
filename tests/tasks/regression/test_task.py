import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from tlzoo.errors import DataError, UsageError
from tlzoo.tasks import make_task, modality, trainable_tasks
from tlzoo.tasks.regression.task import ValuePrediction

AGE = make_task("image-regression", ["age"])


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)[:, None]


def test_the_label_is_the_name_of_the_column():
    assert make_task("image-regression").fit(["1", "2"], "age") == AGE
    assert ([output.axes for output in AGE.outputs], AGE.modality) == ([("batch", 1)], "image")


def test_numbers_are_encoded_as_they_are_written():
    encoded = AGE.collate(["1", "-2.5", "3e2"])["values"]
    assert encoded.tolist() == [1, -2.5, 300]
    assert np.float32 == encoded.dtype


@pytest.mark.parametrize("strange", ["nan", "inf", "-inf", "1e39", "old", ""])
def test_what_is_no_finite_number_is_named(strange: str):
    with pytest.raises(DataError, match=f"'{strange}' of sample 2"):
        AGE.collate(["1", strange])


def test_metrics_are_as_scikit_learn_defines_them():
    random = np.random.default_rng(0)
    targets = random.normal(40, 10, 20).astype(np.float32)
    outputs = (targets + random.normal(0, 3, 20)).astype(np.float32)
    expected = {
        "rmse": root_mean_squared_error(targets, outputs),
        "mae": mean_absolute_error(targets, outputs),
        "r2": r2_score(targets, outputs),
    }
    assert pytest.approx(expected, rel=1e-5) == AGE.metrics({"logits": outputs[:, None]}, list(map(str, targets)))


@pytest.mark.parametrize(("output", "r2"), [(3.0, 1.0), (4.0, 0.0)])
def test_one_sample_can_be_measured(output: float, r2: float):
    found = AGE.metrics({"logits": column(output)}, ["3.0"])
    assert found == {"rmse": output - 3, "mae": output - 3, "r2": r2}


def test_the_samplewise_score_is_the_squared_error_whose_mean_is_the_rmse_squared():
    outputs, targets = {"logits": column(1, 2, 4)}, ["1", "4", "3"]
    assert AGE.samplewise(outputs, targets).tolist() == [0, 4, 1]
    assert pytest.approx(AGE.metrics(outputs, targets)["rmse"] ** 2) == AGE.samplewise(outputs, targets).mean()


def test_decoding_gives_the_value():
    found = AGE.decode({"logits": column(1.5, -2)})
    assert found == [ValuePrediction(1.5), ValuePrediction(-2.0)]
    assert found[0].as_row() == {"input": None, "value": 1.5}


def test_targets_that_do_not_vary_are_refused():
    assert AGE.head_options(["1", "3"]) == {"mean": 2.0, "std": 1.0}
    with pytest.raises(DataError, match="All 3 training targets are 5"):
        AGE.head_options(["5"] * 3)


def test_values_agree_within_the_tolerance_and_not_beyond():
    exported, reference = {"logits": column(1, 2.2, np.nan)}, {"logits": column(1.05, 2, 3)}
    assert AGE.agree(exported, reference, 0.1).same.tolist() == [True, False, False]
    assert AGE.agree(exported, reference, 0.5).same.tolist() == [True, True, False]
    assert AGE.agree(exported, reference, 0.01).same.tolist() == [False, False, False]


def test_the_scale_is_the_spread_over_samples_but_no_finer_than_single_precision_allows():
    def scale(*values: float) -> float:
        outputs = {"logits": column(*values)}
        return AGE.agree(outputs, outputs, 0.0).scale["logits"]

    assert scale(10, 20, 30) == 10
    assert scale(1e6, 1e6 + 1) == pytest.approx(1e4, rel=1e-3)
    assert scale(-7) == 7


def test_every_metric_has_a_direction_and_others_are_refused():
    assert {name: AGE.better(name) for name in ("rmse", "mae", "r2")} == {"rmse": "min", "mae": "min", "r2": "max"}
    with pytest.raises(UsageError, match="rmse, mae, r2"):
        AGE.better("log_loss")


def test_whatever_classifies_can_be_trained_for_the_other_families_too():
    families = ("classification", "multilabel", "regression")
    assert trainable_tasks(["image-embedding", "image-classification"]) == [f"image-{family}" for family in families]
    assert trainable_tasks(["speech-recognition"]) == []
    assert trainable_tasks(["odour-classification"]) == [f"odour-{family}" for family in families]
    assert trainable_tasks(["text-regression", "text-classification"]) == [
        "text-regression",
        "text-classification",
        "text-multilabel",
        "text-tokens",
    ]
    assert modality("odour-multilabel") == "odour"


def test_a_task_that_is_none_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="<modality>-multilabel"):
        make_task("text-poetry", [])
