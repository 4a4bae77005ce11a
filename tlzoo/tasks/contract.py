"""The contract of a task, checked in the conformance suite and when a plugin's task is used in a run.

Each function returns the first problem as a sentence, or an empty string.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np

from tlzoo.errors import HookError
from tlzoo.interfaces import FeatureKind
from tlzoo.io.entry_points import REPORT_HINT, describe_plugin
from tlzoo.tasks.base import (
    Agreement,
    DecodeOptions,
    DerivedOperator,
    Input,
    OperatingPoint,
    Output,
    Prediction,
    Target,
    Task,
)
from tlzoo.tasks.metrics import Direction
from tlzoo.tasks.row import Row
from tlzoo.tasks.rows import Outputs, count
from tlzoo.tasks.windows import Window


def task_error(task: Task, what: str) -> HookError:
    """An error of the plugin that brings a task: `what` it does or cannot."""
    whose = f" of {describe_plugin(task.plugin)}" if task.plugin else ""
    return HookError(f"The task {task.name}{whose} {what}", hint=REPORT_HINT)


SUPPORTS = frozenset(
    {"probe", "calibration", "class_weights", "label_smoothing", "mixup", "augment", "top_k", "threshold"}
)


_OUTPUT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
EMBEDDINGS = "embeddings"
"""The output of an exported file beside the task's: what the head receives."""
DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")


def class_problem(task: type[Task]) -> str:
    """Of the class: what it supports, needs and measures, and what its answers are."""
    if not isinstance(task.supports, frozenset) or task.supports - SUPPORTS:
        return f"`supports` is {task.supports!r}, not a frozenset of: {', '.join(sorted(SUPPORTS))}."
    kinds = task.needs if isinstance(task.needs, tuple) else (task.needs,)
    if unknown := [kind for kind in kinds if kind not in get_args(FeatureKind)]:
        return f"`needs` has {unknown[0]!r}; backbones give {', '.join(get_args(FeatureKind))}."
    if task.form not in ("once", "loop"):
        return f"`form` is {task.form!r}, neither once nor loop."
    if task.modalities is not None and not isinstance(task.modalities, frozenset):
        return f"`modalities` is {task.modalities!r}, not a frozenset."
    for name in ("columns", "roles", "endings"):
        if not isinstance(value := getattr(task, name), tuple) or not all(isinstance(one, str) for one in value):
            return f"`{name}` is {value!r}, not a tuple of strings."
    if not (isinstance(task.prediction, type) and issubclass(task.prediction, Prediction)):
        return f"`prediction` is {task.prediction!r}, not a subclass of Prediction."
    return _directions_problem(task) or _methods_problem(task)


def _methods_problem(task: type[Task]) -> str:
    """Of the class: the methods that have no default, some of them only where another is there."""
    for name in ("outputs", "read", "fit", "collate", "metrics", "samplewise", "decode"):
        if not task.overrides(name):
            return f"It has no `{name}`."
    if task.overrides("windows") and not task.overrides("merge"):
        return "It has `windows` and no `merge`, which makes one answer of those of an input's windows."
    for name in ("temperature", "calibration_error") if "calibration" in task.supports else ():
        if not task.overrides(name):
            return f"It supports calibration and has no `{name}`."
    return ""


def _directions_problem(task: type[Task]) -> str:
    if not isinstance(task.directions, Mapping):
        return f"`directions` is {task.directions!r}, not a mapping of metrics to min or max."
    for role, metric in (("headline", task.headline), ("monitor", task.monitor)):
        if metric not in task.directions:
            return f"The {role} {metric!r} is not among `directions`."
    if wrong := [name for name, direction in task.directions.items() if direction not in get_args(Direction)]:
        return f"The direction of {wrong[0]!r} is {task.directions[wrong[0]]!r}, neither min nor max."
    if not isinstance(task.ranges, Mapping):
        return f"`ranges` is {task.ranges!r}, not a mapping of metrics to their least and largest value."
    for name, ends in task.ranges.items():
        if name not in task.directions:
            return f"`ranges` has {name!r}, which is not among `directions`."
        numbers = isinstance(ends, tuple) and len(ends) == 2 and all(isinstance(end, int | float) for end in ends)
        if not numbers or not ends[0] < ends[1]:
            return f"The range of {name!r} is {ends!r}, not its least and its largest value."
    return ""


def declaration_problem(task: Task) -> str:
    """Of a task: inputs, and outputs each of a name of its own and the batch first."""
    if fault := class_problem(type(task)):
        return fault
    if fault := inputs_problem(task):
        return fault
    if not isinstance(task.outputs, tuple) or not all(isinstance(one, Output) for one in task.outputs):
        return f"`outputs` is {task.outputs!r}, not a tuple of Output."
    names = [output.name for output in task.outputs]
    if not names:
        return "The task has no outputs."
    if wrong := _names_problem([*names, *(derived.name for derived in task.derived)]):
        return wrong
    for output in task.outputs:
        if wrong := _output_problem(output):
            return wrong
    for derived in task.derived:
        if derived.source not in names or derived.operator not in get_args(DerivedOperator):
            return f"{derived} has an unknown source or operator; the outputs are {', '.join(names)}."
    return ""


def _names_problem(names: Sequence[Any]) -> str:
    """Of the names of outputs, derived ones too, which are those of the graph's."""
    for name in names:
        if not isinstance(name, str) or not _OUTPUT_NAME.fullmatch(name):
            shown = repr(name) if len(repr(name)) <= 80 else f"{repr(name)[:80]}..."
            return f"An output is called {shown}; a name is a letter and up to 63 letters, digits, dashes, underscores."
        if name == EMBEDDINGS:
            return f"An output is called {name!r}, as exported files call the features that the head receives."
    return f"Two outputs have the same name: {', '.join(names)}." if len(set(names)) < len(names) else ""


def _output_problem(output: Output) -> str:
    axes = output.axes
    if not isinstance(axes, tuple) or axes[:1] != ("batch",):
        return f"The first axis of {output.name!r} is {axes[:1] if isinstance(axes, tuple) else axes!r}, not batch."
    if wrong := [axis for axis in axes if isinstance(axis, bool) or not isinstance(axis, int | str)]:
        return f"The output {output.name!r} has the axis {wrong[0]!r}, neither a name nor a size."
    if any(isinstance(size, int) and size < 1 for size in axes):
        return f"`fit` leaves the output {output.name!r} with the axes {list(axes)}: a size is below 1."
    names = [axis for axis in axes[1:] if isinstance(axis, str)]
    if odd := [name for name in names if name == "batch" or not _OUTPUT_NAME.fullmatch(name)]:
        return f"The output {output.name!r} has an axis called {odd[0]!r}; an axis is called as outputs are, not batch."
    if output.dtype not in DTYPES:
        return f"The output {output.name!r} is of the type {output.dtype!r}, not one of: {', '.join(DTYPES)}."
    return ""


def inputs_problem(task: Task) -> str:
    """Of a task before it is fitted: a tuple of inputs."""
    if not isinstance(task.inputs, tuple) or not task.inputs or not all(isinstance(one, Input) for one in task.inputs):
        return f"`inputs` is {task.inputs!r}, not a tuple of Input."
    names = [each.name for each in task.inputs]
    return f"Two inputs have the same name: {', '.join(map(str, names))}." if len(set(names)) < len(names) else ""


def rows_problem(rows: Any, method: str) -> str:
    """Of what `samples` or `layouts` returns for a file that is not empty: a sequence of rows."""
    if not isinstance(rows, Sequence):
        return f"`{method}` returns {type(rows).__name__}, not a sequence of Row."
    if wrong := [row for row in rows if not isinstance(row, Row)]:
        return f"`{method}` returns a sequence of {type(wrong[0]).__name__}, not of Row."
    return "" if rows or method == "layouts" else f"`{method}` returns no rows."


def split_windows(task: Task, given: Any, preprocessor: Any) -> list[Window]:
    """The windows of an input, itself where it has none; raises HookError where `windows` returns anything else."""
    windows = task.windows(given, preprocessor)
    if windows is None:
        return [Window(given, 0)]
    if not isinstance(windows, Sequence) or not all(isinstance(one, Window) for one in windows):
        raise task_error(task, f"cannot be used: `windows` returns {type(windows).__name__}, not a sequence of Window.")
    return list(windows) or [Window(given, 0)]


def labels_problem(task: Task, targets: Sequence[Target]) -> str:
    """Of `labels_in`: a sequence of strings for each target."""
    for target in targets:
        labels = task.labels_in(target)
        if isinstance(labels, str) or not isinstance(labels, Sequence):
            return f"`labels_in` returns {type(labels).__name__}, not a sequence of strings."
        if wrong := [label for label in labels if not isinstance(label, str)]:
            return f"`labels_in` returns {wrong[0]!r}, which is not a string."
    return ""


def fit_problem(before: Task, task: Any) -> str:
    """Of what `fit` returns: a task of the same name and class, rebuilt from its labels and settings as JSON."""
    if type(task) is not type(before) or task.name != before.name:
        return f"`fit` returns {task!r}, not a {type(before).__name__} named {before.name!r}."
    if not isinstance(task.labels, tuple) or any(not isinstance(label, str) for label in task.labels):
        return f"`fit` returns the labels {task.labels!r}, not a tuple of strings."
    if len(set(task.labels)) < len(task.labels):
        return f"`fit` returns a label twice: {', '.join(task.labels)}."
    try:
        settings = json.loads(json.dumps(task.settings(), allow_nan=False))
        again = type(task)(task.name, task.labels, **settings)
        same = bool(again == task)
    except (TypeError, ValueError) as cause:
        return f"Its settings {task.settings()!r} do not survive JSON: {cause}."
    return "" if same else f"Rebuilt from its settings as JSON, {settings}, it is {again}, not {task}."


def outputs_problem(outputs: Sequence[Output], arrays: Sequence[np.ndarray], rows: int) -> str:
    """Of what a model gives for `rows` samples: the outputs declared, in order, of their types and sizes."""
    if len(arrays) != len(outputs):
        return f"The model returns {len(arrays)} outputs; the task declares {len(outputs)}."
    for output, array in zip(outputs, arrays, strict=True):
        wanted = [rows if axis == "batch" else axis for axis in output.axes]
        right = array.ndim == len(wanted) and all(
            size == axis for size, axis in zip(array.shape, wanted, strict=True) if isinstance(axis, int)
        )
        if not right:
            return f"Output {output.name!r} has shape {list(array.shape)}; the task declares {list(output.axes)}."
        if str(array.dtype) != output.dtype:
            return f"Output {output.name!r} is {array.dtype}; the task declares {output.dtype}."
    return ""


def collate_problem(arrays: Any, rows: int) -> str:
    """Of collated targets: a mapping of arrays with a row for each sample."""
    if not isinstance(arrays, Mapping) or not arrays:
        return f"`collate` returns {type(arrays).__name__}, not a mapping of arrays."
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.ndim == 0 or len(array) != rows:
            what = f"of shape {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
            return f"`collate` returns {name!r} {what} for {rows} samples."
        if array.dtype.kind not in "biuf":
            return f"`collate` returns {name!r} of the type {array.dtype}, which is not numeric."
    return ""


def metrics_problem(task: Task, metrics: Any) -> str:
    """Of metrics: those of `directions`, all of them finite numbers."""
    if not isinstance(metrics, Mapping) or set(metrics) != set(task.directions):
        given = ", ".join(map(str, metrics)) if isinstance(metrics, Mapping) else type(metrics).__name__
        return f"`metrics` returns {given}; `directions` names {', '.join(task.directions)}."
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
            return f"The metric {name} is {value!r}."
    return ""


def label_recalls_problem(found: Any) -> str:
    """Of `label_recalls`: for each label two whole numbers, the first no larger than the second."""
    if not isinstance(found, Mapping):
        return f"`label_recalls` returns {type(found).__name__}, not a mapping of labels to two numbers."
    for label, counts in found.items():
        whole = isinstance(counts, tuple) and len(counts) == 2 and all(type(one) is int for one in counts)
        if not isinstance(label, str) or not whole or not 0 <= counts[0] <= counts[1] or counts[1] < 1:
            return (
                f"`label_recalls` has {counts!r} for {label!r}, not two ints: how many are found of how many there are."
            )
    return ""


def scores_problem(scores: Any, rows: int) -> str:
    """Of `samplewise`: one finite number for each sample."""
    if not isinstance(scores, np.ndarray) or scores.shape != (rows,):
        shape = scores.shape if isinstance(scores, np.ndarray) else type(scores).__name__
        return f"`samplewise` returns scores of shape {shape} for {rows} samples."
    return "" if bool(np.isfinite(scores).all()) else "A sample's score is not finite."


def predictions_problem(task: Task, answers: Any, rows: int) -> str:
    """Of `decode`: one prediction for each sample, of the declared type, whose row has its columns and is JSON."""
    if not isinstance(answers, Sequence) or len(answers) != rows:
        given = len(answers) if isinstance(answers, Sequence) else type(answers).__name__
        return f"`decode` returns {given} predictions for {rows} samples."
    for answer in answers:
        if not isinstance(answer, task.prediction):
            return f"A prediction is {type(answer).__name__}, not {task.prediction.__name__}."
        row = answer.as_row()
        if tuple(row) != task.prediction.columns():
            return f"A row has {tuple(row)}; the columns are {task.prediction.columns()}."
        try:
            json.dumps(row, allow_nan=False)
        except (TypeError, ValueError) as cause:
            return f"A row is not JSON: {cause}."
        if not all(isinstance(cell, str) for cell in answer.as_line().values()):
            return "A line has a cell that is not a string."
    return ""


def agreement_problem(task: Task, answer: Any, rows: int) -> str:
    """Of `agree`: a scale and the samples' differences of each output, and which samples have the same answer."""
    if not isinstance(answer, Agreement):
        return f"`agree` returns {type(answer).__name__}, not an Agreement."
    for name in (output.name for output in task.outputs):
        if name not in answer.scale or name not in answer.difference:
            return f"`agree` returns no scale or no difference of the output {name!r}."
        if np.shape(answer.difference[name]) != (rows,):
            return (
                f"`agree` returns differences of {name!r} of shape {list(np.shape(answer.difference[name]))} "
                f"for {rows} samples."
            )
        if not np.isfinite(answer.scale[name]).all():
            return f"`agree` returns the scale {answer.scale[name]!r} of {name!r}."
        if np.isnan(answer.difference[name]).any():
            return f"`agree` returns a difference of {name!r} that is nan."
    if np.shape(answer.same) != (rows,):
        return f"`agree` returns `same` of shape {list(np.shape(answer.same))} for {rows} samples."
    return "" if np.isfinite(answer.same).all() else "`agree` returns `same` that is not finite."


def compare(task: Task, exported: Outputs, reference: Outputs, tolerance: float) -> Agreement:
    """The task's `agree`; raises HookError where a plugin's answers anything but an agreement of all outputs."""
    answer = task.agree(exported, reference, tolerance)
    if task.plugin and (wrong := agreement_problem(task, answer, count(reference))):
        raise task_error(task, f"cannot be used: {wrong}")
    return answer


def check_number(task: Task, method: str, number: Any, least: float) -> float:
    """What `temperature` or `calibration_error` returns; raises HookError for a plugin's that is below `least` or no
    finite number."""
    real = isinstance(number, int | float | np.number) and not isinstance(number, bool)
    if task.plugin and not (real and math.isfinite(number) and number >= least):
        raise task_error(task, f"cannot be used: `{method}` returns {number!r}, not a number from {least:g} on.")
    return float(number)


def operating_point_problem(task: Task, point: Any) -> str:
    """Of `operating_point`: None, or a threshold of finite numbers for one of the task's metrics."""
    if point is None:
        return ""
    if not isinstance(point, OperatingPoint):
        return f"it is {type(point).__name__}, not an OperatingPoint."
    for name in ("threshold", "value", "low", "high"):
        number = getattr(point, name)
        if isinstance(number, bool) or not isinstance(number, int | float | np.number) or not math.isfinite(number):
            return f"`{name}` is {number!r}, not a finite number."
    if not 0 <= point.threshold <= 1:
        return f"`threshold` is {point.threshold}, not from 0 to 1."
    if not isinstance(point.chosen_for, str) or not point.chosen_for:
        return f"`chosen_for` is {point.chosen_for!r}, not what the threshold was chosen for."
    if isinstance(point.samples, bool) or not isinstance(point.samples, int) or point.samples < 1:
        return f"`samples` is {point.samples!r}, not a number of samples."
    if point.metric not in task.directions:
        return f"`metric` is {point.metric!r}, not one of the task's: {', '.join(task.directions)}."
    if "threshold" not in task.supports:
        return "`supports` lacks threshold, so nothing would use it."
    return ""


def results_problem(task: Task, outputs: Outputs, targets: Sequence[Target], contexts: Sequence[Any]) -> str:
    """Of all that is made of outputs: metrics, scores, answers and how they agree with themselves."""
    return (
        metrics_problem(task, task.metrics(outputs, targets, contexts))
        or scores_problem(task.samplewise(outputs, targets, contexts), len(targets))
        or label_recalls_problem(task.label_recalls(outputs, targets, contexts))
        or predictions_problem(task, task.decode(outputs, contexts, DecodeOptions()), len(targets))
        or agreement_problem(task, task.agree(outputs, outputs, 1e-4), len(targets))
        or prior_problem(task, targets, contexts)
        or shares_problem(task.answer_shares(outputs, contexts))
    )


def prior_problem(task: Task, targets: Sequence[Target], contexts: Sequence[Any]) -> str:
    """Of `prior_outputs`: None, or the task's outputs, which can be measured."""
    found: Any = task.prior_outputs(targets, len(targets))
    if found is None:
        return ""
    if not isinstance(found, Mapping) or set(found) != {output.name for output in task.outputs}:
        given = ", ".join(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
        return f"`prior_outputs` returns {given}, not the task's outputs by name."
    if wrong := [name for name, rows in found.items() if len(rows) != len(targets)]:
        return f"`prior_outputs` returns {len(found[wrong[0]])} rows of {wrong[0]!r} for {len(targets)} samples."
    return metrics_problem(task, task.metrics(found, targets, contexts))


def shares_problem(shares: Any) -> str:
    """Of `answer_shares`: shares by label."""
    if not isinstance(shares, dict):
        return f"`answer_shares` returns {type(shares).__name__}, not a dict."
    for label, share in shares.items():
        if not isinstance(label, str) or isinstance(share, bool) or not isinstance(share, int | float):
            return f"`answer_shares` returns {share!r} for {label!r}, not a share by label."
        if not 0 <= share <= 1:
            return f"`answer_shares` returns {share!r} for {label!r}, not from 0 to 1."
    return ""
