"""Pictures enter an int8 network as the bytes they are, not as float32 that is rounded to bytes again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper

from tlzoo.exporting.precision.graph import add_constant, attribute, consumers

ARITHMETIC = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}


@dataclass(frozen=True)
class InputConv:
    """A convolution that takes `gain` [C] x (byte - `zero` [C]), the bytes uint8 [N, H, W, C] at the graph's input."""

    image: str
    chain: tuple[str, ...]
    gain: np.ndarray
    zero: np.ndarray
    conv: str

    @property
    def tensor(self) -> str:
        """The convolution's input."""
        return self.chain[-1]

    @property
    def scale(self) -> float:
        """One gain for all channels; the weights make up for the difference."""
        return float(np.float32(self.gain.mean()))

    @property
    def offset(self) -> int:
        """One zero point for all channels; the bias makes up for the difference."""
        return int(np.clip(np.rint(self.zero.mean()), 0, 255))

    @property
    def even(self) -> bool:
        """Whether `offset` is every channel's, so that a border of zeros is a border of these bytes."""
        return bool(np.abs(self.zero - self.offset).max() < 1e-3)


def find_input_conv(graph: GraphProto, known: Mapping[str, np.ndarray]) -> InputConv | None:
    """The first convolution of pictures, when nothing but their normalisation stands before it."""
    takers = consumers(graph)
    for given in graph.input:
        kind = given.type.tensor_type
        if kind.elem_type != TensorProto.UINT8 or len(kind.shape.dim) != 4 or kind.shape.dim[3].dim_value < 1:
            continue
        ends = np.zeros((2, 1, 1, kind.shape.dim[3].dim_value), np.float64)
        ends[1] = 255
        for start in takers[given.name]:
            if start.op_type in ("Cast", "Transpose"):
                return _follow(start, given.name, ends, takers, known)
    return None


def _follow(
    node: NodeProto,
    image: str,
    ends: np.ndarray,
    takers: Mapping[str, list[NodeProto]],
    known: Mapping[str, np.ndarray],
) -> InputConv | None:
    chain: list[str] = []
    while node.op_type != "Conv":
        after = _through(node, chain[-1] if chain else image, ends, known)
        chain.append(node.output[0])
        if after is None or len(takers[chain[-1]]) != 1:
            return None
        ends, node = after, takers[chain[-1]][0]
    black, white = ends.reshape(2, -1) if chain else ends[:, 0, 0]
    explicit = all(given.name != "auto_pad" or given.s in (b"", b"NOTSET") for given in node.attribute)
    usable = ends.shape[1] > 1 and ends.shape[2:] == (1, 1) and explicit and (white > black).all()
    if not usable or node.input[0] != chain[-1] or node.input[1] not in known or attribute(node, "group", 1) != 1:
        return None
    gain = (white - black) / 255
    return InputConv(image, tuple(chain), gain, -black / gain, node.output[0])


def _through(node: NodeProto, name: str, ends: np.ndarray, known: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """A black and a white pixel after this node; None where it is not a step of a normalisation."""
    if node.op_type == "Cast":
        return ends
    if node.op_type == "Transpose":
        return ends.transpose(next((tuple(given.ints) for given in node.attribute if given.name == "perm"), None))
    if (
        node.op_type in ARITHMETIC
        and len(set(node.input) - {name}) == 1
        and all(i == name or i in known for i in node.input)
    ):
        after = ARITHMETIC[node.op_type](*(ends if i == name else known[i].astype(np.float64) for i in node.input))
        return after if after.shape == ends.shape else None
    return None


def fold_normalization(pixels: InputConv, weight: np.ndarray, bias: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The convolution's weight and bias for an input of `scale` x (byte - `offset`)."""
    scaled = weight * (pixels.gain / pixels.scale)[None, :, None, None]
    moved = (weight * (pixels.gain * (pixels.offset - pixels.zero))[None, :, None, None]).sum(axis=(1, 2, 3))
    return scaled.astype(np.float32), ((0.0 if bias is None else bias) + moved).astype(np.float32)


def quantized_input_nodes(graph: GraphProto, pixels: InputConv, conv: NodeProto, name: str) -> list[NodeProto]:
    """The nodes that make `name`, uint8 [N, C, H, W], of the picture; they border it where zeros would be wrong."""
    stem = f"{pixels.image}/bytes"
    turned = helper.make_node(
        "Transpose", [pixels.image], [name if pixels.even else stem], name=stem, perm=[0, 3, 1, 2]
    )
    pads = next((list(given.ints) for given in conv.attribute if given.name == "pads"), [0, 0, 0, 0])
    if pixels.even or not any(pads):
        turned.output[0] = name
        return [turned]
    kept = [given for given in conv.attribute if given.name != "pads"]
    del conv.attribute[:]
    conv.attribute.extend(kept)
    count = len(pixels.zero)
    width = add_constant(graph, f"{stem}/pads", np.array([0, 0, *pads[:2], 0, 0, *pads[2:]], np.int64))
    channels = [f"{stem}/{i}" for i in range(count)]
    nodes = [turned, helper.make_node("Split", [stem], channels, name=f"{stem}/Split", axis=1, num_outputs=count)]
    for channel, zero in zip(channels, np.clip(np.rint(pixels.zero), 0, 255).astype(np.uint8), strict=True):
        border = add_constant(graph, f"{channel}/border", zero)
        nodes.append(helper.make_node("Pad", [channel, width, border], [f"{channel}/padded"], name=f"{channel}/Pad"))
    padded = [f"{channel}/padded" for channel in channels]
    return [*nodes, helper.make_node("Concat", padded, [name], name=f"{stem}/Concat", axis=1)]
