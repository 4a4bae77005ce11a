"""What a plugin's task returns is judged before it is used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlzoo.tasks import OperatingPoint, make_task
from tlzoo.tasks.base import DecodeOptions, DerivedOutput, Input, Output
from tlzoo.tasks.classification.task import LabelPrediction
from tlzoo.tasks.contract import (
    agreement_problem,
    class_problem,
    collate_problem,
    declaration_problem,
    inputs_problem,
    label_recalls_problem,
    metrics_problem,
    operating_point_problem,
    outputs_problem,
    predictions_problem,
    prior_problem,
    rows_problem,
    scores_problem,
    shares_problem,
)
from tlzoo.tasks.row import Row

TASK: Any = make_task("image-classification", ("a", "b"))
POINT = OperatingPoint(0.5, "recall >= 0.9", 12, "accuracy", 0.92, 0.8, 0.97)


@pytest.mark.parametrize("point", [None, POINT])
def test_no_operating_point_and_a_whole_one_are_right(point: OperatingPoint | None):
    assert operating_point_problem(TASK, point) == ""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"threshold": "0.5"}, "`threshold` is '0.5', not a finite number."),
        ({"threshold": 2.0}, "`threshold` is 2.0, not from 0 to 1."),
        ({"low": float("nan")}, "`low` is nan, not a finite number."),
        ({"chosen_for": 5}, "`chosen_for` is 5, not what the threshold was chosen for."),
        ({"samples": "many"}, "`samples` is 'many', not a number of samples."),
        ({"metric": None}, "`metric` is None, not one of the task's: accuracy, macro_f1, log_loss."),
    ],
)
def test_a_field_that_cannot_be_is_named(change: dict[str, Any], problem: str):
    assert operating_point_problem(TASK, replace(POINT, **change)) == problem


def test_anything_else_is_no_operating_point():
    assert operating_point_problem(TASK, 0.5) == "it is float, not an OperatingPoint."


@pytest.mark.parametrize(
    ("prior", "problem"),
    [
        (lambda self, targets, count: None, ""),
        (lambda self, targets, count: {"logits": np.zeros((count, 2))}, ""),
        (lambda self, targets, count: [1.0], "`prior_outputs` returns list, not the task's outputs by name."),
        (lambda self, targets, count: {"other": 1}, "`prior_outputs` returns other, not the task's outputs by name."),
        (lambda self, targets, count: {"logits": np.zeros((1, 2))}, "returns 1 rows of 'logits' for 3 samples."),
    ],
)
def test_outputs_that_see_no_input_are_the_tasks_or_none(prior: Any, problem: str):
    task = type("Odd", (type(TASK),), {"prior_outputs": prior})(TASK.name, TASK.labels)
    assert prior_problem(task, ["a", "b", "a"], [None] * 3).endswith(problem)
    assert bool(prior_problem(task, ["a", "b", "a"], [None] * 3)) == bool(problem)


@pytest.mark.parametrize(
    ("shares", "problem"),
    [
        ({}, ""),
        ({"a": 0.25, "b": 0.75}, ""),
        ([("a", 1.0)], "`answer_shares` returns list, not a dict."),
        ({"a": "all"}, "`answer_shares` returns 'all' for 'a', not a share by label."),
        ({1: 0.5}, "`answer_shares` returns 0.5 for 1, not a share by label."),
        ({"a": float("nan")}, "`answer_shares` returns nan for 'a', not from 0 to 1."),
        ({"a": 2.0}, "`answer_shares` returns 2.0 for 'a', not from 0 to 1."),
    ],
)
def test_shares_of_answers_are_by_label(shares: Any, problem: str):
    assert shares_problem(shares) == problem


@pytest.mark.parametrize(
    ("ranges", "problem"),
    [
        (["accuracy"], "not a mapping of metrics"),
        ({"recall": (0, 1)}, "which is not among `directions`"),
        ({"accuracy": (1, 0)}, "The range of 'accuracy' is (1, 0)"),
        ({"accuracy": "01"}, "The range of 'accuracy' is '01'"),
    ],
)
def test_a_range_has_a_least_and_a_largest_value(ranges: Any, problem: str):
    assert problem in class_problem(type("Odd", (type(TASK),), {"ranges": ranges}))
    assert class_problem(type("Odd", (type(TASK),), {"ranges": {"accuracy": (0, 1)}})) == ""


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({}, ""),
        ({"a": (0, 1), "b": (3, 3)}, ""),
        ([("a", (1, 2))], "`label_recalls` returns list, not a mapping of labels to two numbers."),
        ({"a": (2, 1)}, "`label_recalls` has (2, 1) for 'a', not two ints: how many are found of how many there are."),
        ({"a": (0, 0)}, "`label_recalls` has (0, 0) for 'a'"),
        ({"a": (-1, 2)}, "`label_recalls` has (-1, 2) for 'a'"),
        ({"a": (1, 2, 3)}, "`label_recalls` has (1, 2, 3) for 'a'"),
        ({"a": [1, 2]}, "`label_recalls` has [1, 2] for 'a'"),
        ({"a": (1.0, 2)}, "`label_recalls` has (1.0, 2) for 'a'"),
        ({0: (1, 2)}, "`label_recalls` has (1, 2) for 0"),
    ],
)
def test_recalls_are_found_of_there_by_label(found: Any, problem: str):
    said = label_recalls_problem(found)
    assert said.startswith(problem)
    assert bool(said) is bool(problem)


METRICS = {"accuracy": 0.5, "macro_f1": np.float32(0.25), "log_loss": 1}


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        (METRICS, ""),
        ({"accuracy": 0.5}, "`metrics` returns accuracy; `directions` names accuracy, macro_f1, log_loss."),
        ([0.5], "`metrics` returns list; `directions` names accuracy, macro_f1, log_loss."),
        ({**METRICS, "accuracy": float("nan")}, "The metric accuracy is nan."),
        ({**METRICS, "accuracy": True}, "The metric accuracy is True."),
        ({**METRICS, "log_loss": "1"}, "The metric log_loss is '1'."),
    ],
)
def test_metrics_are_finite_numbers_of_all_directions(metrics: Any, problem: str):
    assert metrics_problem(TASK, metrics) == problem


@pytest.mark.parametrize(
    ("scores", "problem"),
    [
        (np.zeros(3), ""),
        (np.zeros((3, 1)), "`samplewise` returns scores of shape (3, 1) for 3 samples."),
        (np.zeros(2), "`samplewise` returns scores of shape (2,) for 3 samples."),
        ([0.0, 0.0, 0.0], "`samplewise` returns scores of shape list for 3 samples."),
        (np.array([0.0, np.inf, 0.0]), "A sample's score is not finite."),
    ],
)
def test_a_score_is_a_finite_number_of_each_sample(scores: Any, problem: str):
    assert scores_problem(scores, 3) == problem


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"target": np.zeros((3, 2))}, ""),
        ({}, "`collate` returns dict, not a mapping of arrays."),
        (np.zeros(3), "`collate` returns ndarray, not a mapping of arrays."),
        ({"target": np.zeros(2)}, "`collate` returns 'target' of shape [2] for 3 samples."),
        ({"target": np.array(3.0)}, "`collate` returns 'target' of shape [] for 3 samples."),
        ({"target": [1, 2, 3]}, "`collate` returns 'target' list for 3 samples."),
        ({"target": np.array(["a", "b", "c"])}, "`collate` returns 'target' of the type <U1, which is not numeric."),
    ],
)
def test_collated_targets_are_arrays_of_numbers_with_a_row_per_sample(arrays: Any, problem: str):
    assert collate_problem(arrays, 3) == problem


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([Row(Path("a.csv"), "line 2", {"text": "x"}, ("text",))], ""),
        (iter(()), "`samples` returns tuple_iterator, not a sequence of Row."),
        ([("text", "label")], "`samples` returns a sequence of tuple, not of Row."),
        ([], "`samples` returns no rows."),
    ],
)
def test_rows_are_a_sequence_of_rows(rows: Any, problem: str):
    assert rows_problem(rows, "samples") == problem
    assert rows_problem([], "layouts") == ""


def declaring(**changes: Any) -> Any:
    return type("Odd", (type(TASK),), changes)(TASK.name, TASK.labels)


@pytest.mark.parametrize("inputs", [["image"], ("image",), (), [Input("image")], None])
def test_inputs_are_a_tuple_of_inputs(inputs: Any):
    said = f"`inputs` is {inputs!r}, not a tuple of Input."
    assert inputs_problem(declaring(inputs=inputs)) == declaration_problem(declaring(inputs=inputs)) == said


def test_inputs_have_names_of_their_own():
    assert inputs_problem(declaring(inputs=(Input("a"), Input("b", "a")))) == ""
    assert inputs_problem(declaring(inputs=(Input("a"), Input("a", "b")))) == "Two inputs have the same name: a, a."


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [
        ([Output("logits", ("batch", 2))], "`outputs` is ["),
        (("logits",), "`outputs` is ('logits',), not a tuple of Output."),
        ((), "The task has no outputs."),
        (
            (Output("logits", ("batch",)), Output("logits", ("batch",))),
            "Two outputs have the same name: logits, logits",
        ),
        ((Output("2nd", ("batch", 2)),), "An output is called '2nd'; a name is a letter and up to 63"),
        ((Output("a" * 64, ("batch", 2)),), ""),
        ((Output("a" * 65, ("batch", 2)),), f"An output is called '{'a' * 65}'; "),
        ((Output("embeddings", ("batch", 2)),), "An output is called 'embeddings', as exported files call"),
        ((Output("logits", ("batch", 1)),), ""),
        ((Output("logits", ("batch", 0)),), "`fit` leaves the output 'logits' with the axes ['batch', 0]: a size is"),
        ((Output("logits", (2, "batch")),), "The first axis of 'logits' is (2,), not batch."),
        ((Output("logits", ["batch", 2]),), "The first axis of 'logits' is ['batch', 2], not batch."),  # type: ignore[arg-type]
        ((Output("logits", ("batch", True)),), "The output 'logits' has the axis True, neither a name nor a size."),
        ((Output("logits", ("batch", "words", 2)),), ""),
        ((Output("logits", ("batch", "batch")),), "The output 'logits' has an axis called 'batch'; an axis is called"),
        ((Output("logits", ("batch", "a b")),), "The output 'logits' has an axis called 'a b'; an axis is called"),
        (
            (Output("logits", ("batch",), dtype="complex64"),),
            "The output 'logits' is of the type 'complex64', not one of: ",
        ),
    ],
)
def test_each_output_has_a_name_of_its_own_and_the_batch_first(outputs: Any, problem: str):
    said = declaration_problem(declaring(outputs=outputs, derived=()))
    assert said.startswith(problem) if problem else not said


@pytest.mark.parametrize(
    ("derived", "problem"),
    [
        (DerivedOutput("odds", "logits", "Sigmoid"), ""),
        (DerivedOutput("odds", "odds", "Sigmoid"), "has an unknown source or operator; the outputs are logits."),
        (DerivedOutput("odds", "logits", "Relu"), "has an unknown source or operator; the outputs are logits."),  # type: ignore[arg-type]
        (DerivedOutput("logits", "logits", "Sigmoid"), "Two outputs have the same name: logits, logits."),
    ],
)
def test_a_derived_output_is_one_of_an_output_by_an_operator(derived: DerivedOutput, problem: str):
    said = declaration_problem(declaring(derived=(derived,)))
    assert said.endswith(problem) if problem else not said


def test_a_model_gives_the_outputs_as_declared():
    [logits] = TASK.outputs
    good = np.zeros((3, 2), np.float32)
    assert outputs_problem(TASK.outputs, [good], 3) == ""
    assert outputs_problem(TASK.outputs, [good, good], 3) == "The model returns 2 outputs; the task declares 1."
    for wrong in (good[:2], good[:, :1], good[0], good[..., None]):
        assert f"Output {logits.name!r} has shape {list(wrong.shape)}" in outputs_problem(TASK.outputs, [wrong], 3)
    assert outputs_problem(TASK.outputs, [good.astype(np.float64)], 3) == (
        f"Output {logits.name!r} is float64; the task declares float32."
    )


def test_an_answer_is_a_prediction_of_the_tasks_kind_whose_row_is_json():
    good = TASK.decode({"logits": np.zeros((2, 2), np.float32)}, [None, None], DecodeOptions())
    assert predictions_problem(TASK, good, 2) == ""
    assert predictions_problem(TASK, good, 3) == "`decode` returns 2 predictions for 3 samples."
    assert predictions_problem(TASK, iter(good), 2) == "`decode` returns list_iterator predictions for 2 samples."
    assert predictions_problem(TASK, ["a", "b"], 2) == "A prediction is str, not LabelPrediction."
    for row, problem in (
        ({"label": "a"}, "A row has ('label',); the columns are "),
        ({**good[0].as_row(), "score": float("nan")}, "A row is not JSON: "),
        ({**good[0].as_row(), "score": {1, 2}}, "A row is not JSON: "),
    ):
        strange = type("Strange", (LabelPrediction,), {"as_row": lambda self, row=row: row})
        assert predictions_problem(TASK, [strange(**vars(good[0])), good[1]], 2).startswith(problem)


def test_two_outputs_agree_by_a_scale_and_a_difference_of_each_sample():
    logits = np.array([[1.0, 0.0], [0.0, 3.0]], np.float32)
    good = TASK.agree({"logits": logits}, {"logits": logits}, 1e-4)
    assert agreement_problem(TASK, good, 2) == ""
    for wrong, problem in (
        ("no", "`agree` returns str, not an Agreement."),
        (replace(good, scale={}), "`agree` returns no scale or no difference of the output 'logits'."),
        (replace(good, difference={}), "`agree` returns no scale or no difference of the output 'logits'."),
        (
            replace(good, difference={"logits": np.zeros(3)}),
            "`agree` returns differences of 'logits' of shape [3] for 2",
        ),
        (replace(good, scale={"logits": float("inf")}), "`agree` returns the scale inf of 'logits'."),
        (
            replace(good, difference={"logits": np.array([0, np.nan])}),
            "`agree` returns a difference of 'logits' that is",
        ),
        (replace(good, same=np.ones(3)), "`agree` returns `same` of shape [3] for 2 samples."),
        (replace(good, same=np.array([1, np.nan])), "`agree` returns `same` that is not finite."),
    ):
        assert agreement_problem(TASK, wrong, 2).startswith(problem), problem
