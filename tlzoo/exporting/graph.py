"""The exported graph: written by a plugin or the core, checked, cleaned of this machine, completed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, ValueInfoProto, helper, numpy_helper

from tlzoo import plugins
from tlzoo.artifact import reference, seal, signature, trained_on
from tlzoo.artifact.manifest import KEY, Manifest, Signature, Tensor, parse_manifest
from tlzoo.errors import ExportError
from tlzoo.exporting.least_runtime import lower_format
from tlzoo.exporting.nodes import with_inner
from tlzoo.interfaces import Graph
from tlzoo.models.model import TaskModel
from tlzoo.models.onnx_export import OPSET, export_graph
from tlzoo.tasks.base import DerivedOutput, Task
from tlzoo.version import __version__


def write_graph(model: TaskModel, path: Path) -> tuple[Graph, ModelProto]:
    """Ask the plugin, then the core, for the ONNX file; check it is one whole model that is as its graph says."""
    checkpoint, names = model.checkpoint, tuple(output.name for output in model.task.outputs)
    graph = plugins.call(
        "export", checkpoint.plugin, Graph, default=export_graph, model=model.eval(), path=path, opset=OPSET
    )
    proto = onnx.load(path, load_external_data=False)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in proto.graph.initializer):
        raise ExportError(
            f"The export of {checkpoint.id} keeps weights outside its file.",
            hint="Report it to the plugin's author.",
        )
    opsets = tuple(used.version for used in proto.opset_import if used.domain in ("", "ai.onnx"))
    for what, found, declared in (
        ("inputs", tuple(given.name for given in proto.graph.input), graph.inputs),
        ("outputs", tuple(given.name for given in proto.graph.output), graph.outputs),
        ("opset", opsets, (graph.opset,)),
        ("first outputs", graph.outputs[: len(names)], names),
    ):
        if found != declared:
            raise ExportError(
                f"The export of {checkpoint.id} has {what} {list(found)}, not {list(declared)}.",
                hint="Report it to the plugin's author.",
            )
    strip_notes(proto)
    lower_format(proto)
    return graph, proto


def add_derived(proto: ModelProto, derived: DerivedOutput, temperature: float) -> None:
    """Add an output that is made of another divided by the temperature, such as `probabilities` of `logits`."""
    [source] = [output for output in proto.graph.output if output.name == derived.source]
    stem = f"tlzoo.{derived.name}"
    proto.graph.initializer.append(numpy_helper.from_array(np.array(temperature, np.float32), f"{stem}.temperature"))
    attributes: dict[str, Any] = {"axis": -1} if derived.operator == "Softmax" else {}
    proto.graph.node.extend(
        [
            helper.make_node(
                "Div", [derived.source, f"{stem}.temperature"], [f"{stem}.calibrated"], name=f"{stem}.calibrate"
            ),
            helper.make_node(derived.operator, [f"{stem}.calibrated"], [derived.name], name=stem, **attributes),
        ]
    )
    added = proto.graph.output.add()
    added.CopyFrom(source)
    added.name = derived.name


def signature_of(proto: ModelProto, task: Task) -> Signature:
    """The graph's inputs and outputs as it states them, and those of the task."""
    initial = {tensor.name for tensor in proto.graph.initializer}
    columns = [each.column for each in task.inputs]
    return Signature(
        inputs=tuple(_tensor(given) for given in proto.graph.input if given.name not in initial),
        outputs=tuple(_tensor(output) for output in proto.graph.output),
        task_inputs=tuple(each.name for each in task.inputs),
        task_outputs=tuple(Tensor(name=each.name, axes=each.axes, dtype=each.dtype) for each in task.outputs),
        form=task.form,
        task_columns=tuple(each.column or each.name for each in task.inputs) if any(columns) else (),
        task_endings=task.endings if task.plugin else (),
        windows=task.overrides("windows"),
    )


def _tensor(value: ValueInfoProto) -> Tensor:
    described = value.type.tensor_type
    axes = tuple(dim.dim_param or (dim.dim_value if dim.HasField("dim_value") else "?") for dim in described.shape.dim)
    return Tensor(name=value.name, axes=axes, dtype=helper.tensor_dtype_to_np_dtype(described.elem_type).name)


def strip_notes(proto: ModelProto) -> None:
    """Remove torch's stack traces and notes: they hold paths of this machine, and nothing that running takes."""
    graph = proto.graph
    for noted in (graph, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del noted.metadata_props[:]
    for nodes in (graph.node, *(function.node for function in proto.functions)):
        for node in with_inner(nodes):
            del node.metadata_props[:]
            node.doc_string = ""


def embed(proto: ModelProto, manifest: Manifest, outputs: str = "", seen: str = "") -> None:
    """Put the manifest into the metadata in place of what is there, and where there are any the reference outputs and
    the filter of what it was trained on."""
    texts = {KEY: manifest.model_dump_json(exclude_none=True), reference.KEY: outputs, trained_on.KEY: seen}
    kept = [prop for prop in proto.metadata_props if prop.key not in (*texts, signature.KEY, seal.KEY)]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    for key, text in texts.items():
        if text:
            proto.metadata_props.add(key=key, value=text)
    proto.producer_name, proto.producer_version = "tlzoo", __version__


def embedded_manifest(proto: ModelProto) -> Manifest:
    """The manifest in the model's metadata."""
    return parse_manifest({prop.key: prop.value for prop in proto.metadata_props}, "The model")
