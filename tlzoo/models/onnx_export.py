"""From a torch module to one ONNX file."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from tlzoo.errors import ExportError, WriteError
from tlzoo.interfaces import Graph
from tlzoo.io.disk import write_errors
from tlzoo.io.stops import raise_stop, stop_code
from tlzoo.models.model import TaskModel, as_tuple, named_outputs
from tlzoo.plugins.attribution import raised_by_plugin
from tlzoo.plugins.containment import watch
from tlzoo.plugins.discovery import FIRST_PARTY
from tlzoo.progress import working

OPSET = 20
_OUTPUT_PREFIX = "tlzoo.output."


class WithFeatures(nn.Module):
    """A model that returns its head's input after its outputs."""

    def __init__(self, model: TaskModel) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.head = model.head

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self.backbone(*inputs)
        return (*as_tuple(self.head(features)), features)


def export_graph(model: TaskModel, path: Path, opset: int) -> Graph:
    """The core's export: `torch.onnx.export` with dynamo, one file, named dynamic axes.

    Outputs are those of the task and, where the head takes one vector per sample, that as `embeddings`; of a model
    without a head, `features`. Raises ExportError with torch's own first line when the model cannot be exported.
    """
    was_training = model.training
    model.eval()
    try:
        if isinstance(model.head, nn.Identity):
            return to_onnx(model, model, path, opset, ("features",))
        names = tuple(output.name for output in model.task.outputs)
        if model.parts.output != "vector":
            return to_onnx(model, model, path, opset, names)
        return to_onnx(model, WithFeatures(model).eval(), path, opset, (*names, "embeddings"))
    finally:
        model.train(was_training)


def to_onnx(model: TaskModel, module: nn.Module, path: Path, opset: int, outputs: tuple[str, ...]) -> Graph:
    """Write `module`, which takes the model's inputs and returns these outputs, to one ONNX file.

    Raises ExportError with torch's own first line when that cannot be done.
    """
    parts = model.parts
    names = tuple(parts.example_inputs)
    dims = {axis: torch.export.Dim(axis) for axes in parts.dynamic_axes.values() for axis in axes.values()}
    starred = isinstance(module, TaskModel | WithFeatures)  # `*inputs` is one argument
    shapes = tuple({at: dims[axis] for at, axis in parts.dynamic_axes.get(name, {}).items()} for name in names)
    try:
        exporting = working(f"Exporting the graph of {model.checkpoint.id}")
        with exporting, warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            _silence_exporter()
            with watch("Tracing the network", *model.plugins):
                program = torch.onnx.export(
                    module,
                    tuple(parts.example_inputs.values()),
                    dynamo=True,
                    dynamic_shapes=(shapes,) if starred else shapes,
                    input_names=list(names),
                    output_names=[f"{_OUTPUT_PREFIX}{name}" for name in outputs],
                    opset_version=opset,
                    verbose=False,
                )
        if program is None:
            raise ExportError(f"{model.checkpoint.id} cannot be exported to ONNX: torch returned nothing.")
        with write_errors(path):
            onnx.save(_named(program.model_proto, outputs), path)
    except (ExportError, WriteError):
        raise
    except Exception as cause:
        if (code := stop_code(cause)) is not None:  # the exporter makes an error of its own of whatever is raised in it
            raise_stop(code - 128)
        fault = None if model.checkpoint.plugin in FIRST_PARTY else raised_by_plugin(cause)
        reason = str(fault.message if fault else cause).strip().partition("\n")[0] or type(cause).__name__
        raise ExportError(f"{model.checkpoint.id} cannot be exported to ONNX: {reason}") from cause
    return Graph(path, names, outputs, opset)


def _named(proto: onnx.ModelProto, outputs: tuple[str, ...]) -> onnx.ModelProto:
    """The model with these names for its outputs, which values inside it may have as well: those get others."""
    names = {f"{_OUTPUT_PREFIX}{name}": name for name in outputs}
    names |= {name: f"{name}.inner" for name in outputs}
    _rename(proto.graph, names)
    return proto


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for value in (*graph.output, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for values in (node.input, node.output):
            for at, name in enumerate(values):
                values[at] = names.get(name, name)
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                _rename(inner, names)


def _silence_exporter() -> None:
    for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export"):
        logging.getLogger(name).setLevel(logging.ERROR)


def eager_outputs(model: TaskModel, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The task's outputs by torch for these inputs, by name, in eval mode."""
    return named_outputs(model.task, module_outputs(model.eval(), arrays, model.plugins))


def eager_outputs_and_features(
    model: TaskModel, arrays: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """As `eager_outputs`, with the head's input from the same pass; `None` where that is not one tensor."""
    model.eval()
    with torch.no_grad(), watch("The forward pass", *model.plugins):
        given = model.head_input(model.backbone(*(torch.from_numpy(array) for array in arrays.values())))
        made = [tensor.numpy() for tensor in as_tuple(model.head(given))]
    return named_outputs(model.task, made), given.numpy() if isinstance(given, torch.Tensor) else None


def module_outputs(
    module: nn.Module, arrays: dict[str, np.ndarray], plugins: Sequence[str], device: str | torch.device = "cpu"
) -> list[np.ndarray]:
    """The outputs of a module with code of these plugins for these inputs, in its current mode and on its device."""
    with torch.no_grad(), watch("The forward pass", *plugins):
        made = module(*(torch.from_numpy(array).to(device) for array in arrays.values()))
        return [tensor.cpu().numpy() for tensor in as_tuple(made)]
