"""A dry run of a plugin's task and head on a few samples before training."""

from __future__ import annotations

import torch

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import HookError
from tlzoo.io.entry_points import describe_plugin
from tlzoo.models.model import TaskModel
from tlzoo.models.onnx_export import module_outputs
from tlzoo.preprocess import row_lengths
from tlzoo.tasks import contract
from tlzoo.tasks.rows import OutputCollector

FEW = 4


def dry_run(model: TaskModel, data: TaskDataset) -> None:
    """Run a plugin's task and head once on the first samples; changes nothing and draws no random numbers.

    Raises HookError naming the plugin where outputs are not those declared, targets are not collated to a row for each
    sample, the loss is no number that the head can learn from, or metrics, scores and predictions break the
    contract. Tasks and heads of the core are skipped.
    """
    by = model.task.plugin or {"linear": "", "plugin": model.checkpoint.plugin}.get(
        model.head_name, model.head_name.partition("/")[0]
    )
    if not by:
        return
    with torch.random.fork_rng(devices=[]):
        wrong = _problem(model.eval(), data.first(FEW))
    if wrong:
        if model.task.plugin:
            raise contract.task_error(model.task, f"cannot be used: {wrong}")
        raise HookError(
            f"The head {model.head_name} of {describe_plugin(by)} cannot be used: {wrong}", hint=contract.REPORT_HINT
        )


def _problem(model: TaskModel, data: TaskDataset) -> str:
    task, rows = model.task, range(len(data))
    arrays = data.arrays(rows)
    made = module_outputs(model, arrays)
    if wrong := contract.outputs_problem(task.outputs, made, len(rows)):
        return wrong
    if wrong := contract.collate_problem(data.collated(rows), len(rows)) or _loss_problem(model, data):
        return wrong
    kept = OutputCollector(task.outputs, len(rows))
    named = {output.name: array for output, array in zip(task.outputs, made, strict=True)}
    kept.put(rows, named, row_lengths(arrays))
    outputs, contexts = data.merge_outputs(kept.outputs())
    return contract.results_problem(task, outputs, data.sample_targets, contexts)


def _loss_problem(model: TaskModel, data: TaskDataset) -> str:
    rows = range(len(data))
    given = (torch.from_numpy(array) for array in data.arrays(rows).values())
    batch = {name: torch.from_numpy(array) for name, array in data.collated(rows).items()}
    loss = model.loss(model.named(model(*given)), batch)
    if not isinstance(loss, torch.Tensor) or loss.ndim:
        return (
            f"The loss is {f'of shape {list(loss.shape)}' if isinstance(loss, torch.Tensor) else type(loss).__name__}."
        )
    if any(parameter.requires_grad for parameter in model.head.parameters()) and not loss.requires_grad:
        return "No gradient of the loss reaches the head."
    return ""
