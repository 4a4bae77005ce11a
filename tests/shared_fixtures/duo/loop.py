"""The graph with a loop: as torch exports the model, the sum over steps replaced by a Loop of as many."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn.functional import softplus

from tlzoo.plugin import Graph


class Part(nn.Module):
    """The model up to one part of the size."""

    def __init__(self, model):
        super().__init__()
        self.backbone, self.head = model.backbone, model.head

    def forward(self, image):
        features = self.backbone(image)
        return self.head.sign(features), softplus(self.head.size(features)[:, 0]) / self.head.steps


def write_loop(model, path, opset):
    """One file: the part by torch's export, and a Loop that adds it up."""
    inputs = model.parts.example_inputs
    batch = torch.export.Dim("batch")
    program = torch.onnx.export(
        Part(model).eval(), tuple(inputs.values()), dynamo=True, dynamic_shapes=({0: batch},), input_names=list(inputs),
        output_names=["sign", "part"], opset_version=opset, verbose=False,
    )  # fmt: skip
    program.save(str(path), external_data=False)
    proto = onnx.load(path)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["still"], name="loop.still"),
            helper.make_node("Add", ["sum", "part"], ["next"], name="loop.add"),
        ],
        "step",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    constants = {"steps": np.int64(model.head.steps), "yes": np.bool_(True), "zero": np.float32(0)}
    proto.graph.initializer.extend(numpy_helper.from_array(np.array(v), name) for name, v in constants.items())
    proto.graph.node.extend(
        [
            helper.make_node("Mul", ["part", "zero"], ["start"], name="loop.start"),
            helper.make_node("Loop", ["steps", "yes", "start"], ["size"], name="loop", body=body),
        ]
    )
    [part] = [output for output in proto.graph.output if output.name == "part"]
    part.name = "size"
    onnx.save(proto, path)
    return Graph(path, tuple(inputs), ("sign", "size"), opset)
