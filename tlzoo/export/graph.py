"""The exported graph: written by a plugin or the core, checked, cleaned of this machine, completed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, helper, numpy_helper

from tlzoo import plugins
from tlzoo.artifact import reference
from tlzoo.artifact.manifest import KEY, Manifest, parse_manifest
from tlzoo.errors import ExportError
from tlzoo.export.nodes import with_inner
from tlzoo.interfaces import Graph
from tlzoo.models.model import Model
from tlzoo.models.onnx_export import export_graph
from tlzoo.version import __version__

SQUASH = {"single": "Softmax", "multilabel": "Sigmoid"}
"""What makes probabilities of logits, by kind of task."""


def write_graph(model: Model, path: Path, opset: int) -> tuple[Graph, ModelProto]:
    """Ask the plugin, then the core, for the ONNX file; check it is one whole model that is as its graph says."""
    checkpoint = model.checkpoint
    graph = plugins.call(
        "export", checkpoint.plugin, Graph, default=export_graph, model=model.eval(), path=path, opset=opset
    )
    proto = onnx.load(path, load_external_data=False)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in proto.graph.initializer):
        raise ExportError(
            f"The export of {checkpoint.id} keeps weights outside its file.",
            hint="Ask the plugin's author for one file.",
        )
    opsets = tuple(used.version for used in proto.opset_import if used.domain in ("", "ai.onnx"))
    for what, found, said in (
        ("inputs", tuple(given.name for given in proto.graph.input), graph.inputs),
        ("outputs", tuple(given.name for given in proto.graph.output), graph.outputs),
        ("opset", opsets, (graph.opset,)),
        ("first output", graph.outputs[:1], ("logits",)),
    ):
        if found != said:
            raise ExportError(
                f"The export of {checkpoint.id} has {what} {list(found)}, not {list(said)}.",
                hint="Report it to the plugin's author.",
            )
    forget_origins(proto)
    return graph, proto


def add_probabilities(proto: ModelProto, kind: str, temperature: float) -> None:
    """Add the output `probabilities` [N, C]: softmax, or of several labels sigmoid, of `logits` / `temperature`."""
    [logits] = [output for output in proto.graph.output if output.name == "logits"]
    proto.graph.initializer.append(numpy_helper.from_array(np.array(temperature, np.float32), "tlzoo.temperature"))
    attributes: dict[str, Any] = {"axis": -1} if SQUASH[kind] == "Softmax" else {}
    proto.graph.node.extend(
        [
            helper.make_node("Div", ["logits", "tlzoo.temperature"], ["tlzoo.calibrated"], name="tlzoo.calibrate"),
            helper.make_node(
                SQUASH[kind], ["tlzoo.calibrated"], ["probabilities"], name="tlzoo.probabilities", **attributes
            ),
        ]
    )
    added = proto.graph.output.add()
    added.CopyFrom(logits)
    added.name = "probabilities"


def forget_origins(proto: ModelProto) -> None:
    """Remove torch's stack traces and notes: they hold paths of this machine, and nothing that running takes."""
    for nodes in (proto.graph.node, *(function.node for function in proto.functions)):
        for node in with_inner(nodes):
            del node.metadata_props[:]
            node.doc_string = ""


def embed(proto: ModelProto, manifest: Manifest, outputs: str = "") -> None:
    """Put the manifest, and the reference outputs if there are any, into the metadata in place of those there."""
    texts = {KEY: manifest.model_dump_json(exclude_none=True), reference.KEY: outputs}
    kept = [prop for prop in proto.metadata_props if prop.key not in texts]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    for key, text in texts.items():
        if text:
            proto.metadata_props.add(key=key, value=text)
    proto.producer_name, proto.producer_version = "tlzoo", __version__


def manifest_of(proto: ModelProto) -> Manifest:
    """The manifest in the model's metadata."""
    return parse_manifest({prop.key: prop.value for prop in proto.metadata_props}, "The model")
