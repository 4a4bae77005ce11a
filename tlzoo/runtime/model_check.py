"""Check the bytes of an ONNX file before ONNX Runtime opens it. Needs no onnx package.

The wire format is protobuf's (a key of field number and kind, then a varint, 4 or 8 bytes, or a length and as many
bytes); the field numbers are those of onnx.proto.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_BYTES = 2**31  # protobuf's own limit
MAX_NODES = 100_000
MAX_DEPTH = 16
MAX_STEPS = 4096
MAX_ELEMENTS = 2**28  # 1 GiB of float32
MAX_MANIFEST = 64 * 2**20
_MAX_STRUCTURE = 8 * 2**20  # bytes of a manifest outside its strings; each may become a Python object
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.ms.internal.nhwc", "com.microsoft.nchwc"})
_LOOPS = frozenset({"Loop", "Scan", "SequenceMap"})
_HOLD_GRAPHS = frozenset({"If", "Loop"})
"""Other operators with a graph inside, such as BeamSearch of com.microsoft, run it as often as they like."""
# The input that says how large the output becomes.
_SHAPED_BY = {"ConstantOfShape": 0, "Expand": 1, "RandomNormal": 0, "RandomUniform": 0, "Resize": 3, "Tile": 1}
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16}
_BITS |= dict.fromkeys(range(17, 21), 8) | dict.fromkeys((21, 22, 23), 4) | {24: 8, 25: 2, 26: 2}
_TYPED_DATA = (4, 5, 6, 7, 10, 11)  # float, int32, string, int64, double and uint64 data of a TensorProto
_EXTERNAL, _INT64 = 1, 7
_NAMES = ((1,), (2, 1, 2, 1, 2))  # of a ValueInfoProto: name, and type.tensor_type.shape.dim.dim_param

Value = int | bytes | memoryview


class UnsafeModel(ValueError):
    """The model contains what no export of tlzoo contains; the message says what."""


@dataclass(frozen=True)
class ModelCost:
    """Nodes of a model, and the bytes of its largest tensor."""

    nodes: int
    largest: int


@dataclass
class _ModelScan:
    """What is known of the model so far."""

    functions: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    nodes: int = 0
    loops: int = 0
    largest: int = 0


def check_model(model: bytes, manifest_key: str) -> ModelCost:
    """Raise UnsafeModel for one that could make ONNX Runtime take memory or time without bound, or read other files.

    That is: bytes that are no protobuf, weights in other files or sparse, tensors that claim more elements than their
    data holds, constant shapes of more than 2^28 elements, loops but for one of at most 4,096 steps, unknown operator
    domains, more than 100,000 nodes (functions expanded) or 16 nested graphs, and a manifest of more than 64 MiB.
    """
    scan, graphs = _ModelScan(), 0
    for number, value in _fields(memoryview(model)):
        if number == 7:
            graphs += 1
            _check_graph(_message(value), scan, 1)
        elif number == 14:
            _check_property(_message(value), manifest_key)
        elif number == 25:
            _read_function(_message(value), scan)
        elif number in (2, 3, 4, 6):
            _text(value)
    if graphs != 1:
        raise UnsafeModel(f"it holds {graphs} graphs, not one")
    _check_expansion(scan)
    return ModelCost(scan.nodes, scan.largest)


def _fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Field numbers and values of one message; raises UnsafeModel where it is not one."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 2:
            length, at = _varint(message, at)
            size = length
        elif kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise UnsafeModel("it is not in protobuf's format")
        if not number or size > end - at:
            raise UnsafeModel("it is truncated, or not in protobuf's format")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    result = shift = 0
    try:
        while (byte := message[at]) & 0x80:
            result |= (byte & 0x7F) << shift
            shift += 7
            at += 1
            if shift > 63:
                raise UnsafeModel("it is not in protobuf's format")
    except IndexError:
        raise UnsafeModel("it is truncated, or not in protobuf's format") from None
    return result | byte << shift, at + 1


def _message(value: Value) -> memoryview:
    if not isinstance(value, memoryview):
        raise UnsafeModel("it is not an ONNX model: a number in place of a message")
    return value


def _text(value: Value) -> str:
    try:
        return bytes(_message(value)).decode()
    except UnicodeDecodeError:
        raise UnsafeModel("its names are not in UTF-8") from None


def _numbers(value: Value) -> list[int]:
    """One number, or several packed into bytes; int64, so large ones are negative."""
    if isinstance(value, int):
        return [value - 2**64 if value >= 2**63 else value]
    packed, at, numbers = _message(value), 0, []
    while at < len(packed):
        one, at = _varint(packed, at)
        numbers.append(one - 2**64 if one >= 2**63 else one)
    return numbers


def _check_graph(graph: memoryview, scan: _ModelScan, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise UnsafeModel(f"its graphs are nested more than {MAX_DEPTH} deep")
    shapes: dict[str, int] = {}
    fixed: dict[str, int] = {}
    graph_inputs: set[str] = set()
    nodes = []
    for number, value in _fields(graph):
        if number == 1:
            nodes.append(_message(value))
        elif number == 5:
            name, numbers = _check_tensor(_message(value))
            if name in fixed:
                raise UnsafeModel(f"it holds two tensors named {name!r}")
            shapes[name] = _product(numbers)
            fixed[name] = numbers[0] if len(numbers) == 1 else 0
            scan.largest = max(scan.largest, len(_message(value)))
        elif number == 15:
            raise UnsafeModel("it has sparse weights")
        elif number in (2, 10):
            _text(value)
        elif number in (11, 12):
            _check_names(_message(value))
            if number == 11:
                graph_inputs.add(_name(_message(value)))
    for name in graph_inputs | _node_outputs(nodes):
        fixed.pop(name, None)  # whoever runs the model, or a node, may give another value
    for node in nodes:
        _check_node(node, scan, depth, shapes, fixed)


def _check_names(message: memoryview, path: tuple[int, ...] = ()) -> None:
    """Of a ValueInfoProto, its name and those of its dimensions: Python cannot read others than UTF-8."""
    for number, value in _fields(message):
        here = (*path, number)
        if here in _NAMES:
            _text(value)
        elif any(name[: len(here)] == here for name in _NAMES):
            _check_names(_message(value), here)


def _node_outputs(nodes: list[memoryview]) -> set[str]:
    """The names of all that nodes give."""
    return {_text(value) for node in nodes for number, value in _fields(node) if number == 2}


def _name(message: memoryview) -> str:
    """The name of a ValueInfoProto."""
    return next((_text(value) for number, value in _fields(message) if number == 1), "")


def _check_loop(kind: str, inputs: list[str], scan: _ModelScan, depth: int, fixed: dict[str, int]) -> None:
    """One Loop is allowed, outside of every other graph, its number of steps written into the file."""
    steps = fixed.get(inputs[0], 0) if inputs else 0
    scan.loops += 1
    if kind != "Loop" or depth > 1 or scan.loops > 1 or not 0 < steps <= MAX_STEPS:
        raise UnsafeModel(
            f"it holds the operator {kind}, which may run without bound: allowed is one Loop whose trip count is an "
            f"initializer of at most {MAX_STEPS}"
        )


def _check_node(node: memoryview, scan: _ModelScan, depth: int, shapes: dict[str, int], fixed: dict[str, int]) -> None:
    inputs, outputs, kind, domain = [], [], "", ""
    attributes = []
    for number, value in _fields(node):
        if number == 1:
            inputs.append(_text(value))
        elif number == 2:
            outputs.append(_text(value))
        elif number == 4:
            kind = _text(value)
        elif number == 5:
            attributes.append(_message(value))
        elif number == 7:
            domain = _text(value)
    scan.nodes += 1
    scan.calls.append((domain, kind))
    if scan.nodes > MAX_NODES:
        raise UnsafeModel(f"it has more than {MAX_NODES} nodes")
    if kind in _LOOPS and domain in ("", "ai.onnx"):
        _check_loop(kind, inputs, scan, depth, fixed)
    if kind not in _HOLD_GRAPHS and any(n in (6, 11) for attribute in attributes for n, _ in _fields(attribute)):
        raise UnsafeModel(f"its operator {kind} holds a graph, which it may run without bound")
    constants = [elements for attribute in attributes for elements in _check_attribute(attribute, scan, depth)]
    if kind == "Constant" and constants and outputs:
        shapes[outputs[0]] = constants[0]
    shape_input = _SHAPED_BY.get(kind)
    shape = shapes.get(inputs[shape_input], 0) if shape_input is not None and shape_input < len(inputs) else 0
    if shape > MAX_ELEMENTS:
        raise UnsafeModel(f"its operator {kind} asks for {shape} elements")


def _check_attribute(attribute: memoryview, scan: _ModelScan, depth: int) -> list[int]:
    """Look into a node's attribute; what its tensors or integers say, read as shapes."""
    shapes: list[int] = []
    integers: list[int] = []
    for number, value in _fields(attribute):
        if number in (5, 10):
            shapes.append(_product(_check_tensor(_message(value))[1]))
        elif number in (6, 11):
            _check_graph(_message(value), scan, depth + 1)
        elif number in (22, 23):
            raise UnsafeModel("it has sparse weights")
        elif number == 8:
            integers += _numbers(value)
    return shapes or [_product(integers)]


def _check_tensor(tensor: memoryview) -> tuple[str, list[int]]:
    """Its name and, for a small tensor of int64, its values."""
    dims: list[int] = []
    name, kind, raw, typed, external = "", 0, None, 0, 0
    int64: list[int] = []
    for number, value in _fields(tensor):
        if number == 1:
            dims += _numbers(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8:
            name = _text(value)
        elif number == 9:
            raw = _message(value)
        elif number == 13 or (number == 14 and value == _EXTERNAL):
            external = 1
        elif number in _TYPED_DATA:
            typed += 1 if isinstance(value, int) or number == 6 else len(_message(value))
            int64 += _numbers(value) if number == _INT64 and typed < 64 else []
    if external:
        raise UnsafeModel(f"its tensor {name!r} is stored in another file")
    if any(size < 0 for size in dims):
        raise UnsafeModel(f"its tensor {name!r} has a negative size")
    _check_data(name, kind, math.prod(dims), None if raw is None else len(raw), typed)
    if kind == _INT64 and raw is not None and len(raw) <= 128 and not len(raw) % 8:
        int64 = list(struct.unpack(f"<{len(raw) // 8}q", raw))
    return name, int64


def _check_data(name: str, kind: int, elements: int, raw: int | None, typed: int) -> None:
    """`typed` is in bytes, or in elements where they stand alone: an upper bound on the elements in either case."""
    there = raw * 8 // _BITS[kind] if raw is not None and kind in _BITS else raw or 4 * typed
    if elements > there and elements > 0:
        raise UnsafeModel(f"its tensor {name!r} claims {elements} elements, its data holds {there}")


def _product(sizes: list[int]) -> int:
    return math.prod(max(size, 1) for size in sizes[:64]) if sizes else 0


def _check_property(entry: memoryview, manifest_key: str) -> None:
    fields = dict(_fields(entry))
    key, value = (_text(fields.get(number, memoryview(b""))) for number in (1, 2))
    if key != manifest_key or len(value) <= _MAX_STRUCTURE:
        return
    if len(value) > MAX_MANIFEST:
        raise UnsafeModel(f"its manifest has {len(value)} characters")
    if len(_STRING.sub("", value)) > _MAX_STRUCTURE:
        raise UnsafeModel("its manifest holds too many values")


def _read_function(function: memoryview, scan: _ModelScan) -> None:
    name, domain, inside = "", "", _ModelScan()
    nodes = []
    for number, value in _fields(function):
        if number == 1:
            name = _text(value)
        elif number == 10:
            domain = _text(value)
        elif number == 7:
            nodes.append(_message(value))
    for node in nodes:
        _check_node(node, inside, MAX_DEPTH, {}, {})
    scan.functions[domain, name] = inside.calls


def _check_expansion(scan: _ModelScan) -> None:
    """Functions are put in place of their calls: count the nodes that this makes."""
    sizes: dict[tuple[str, str], int] = {}

    def size(called: tuple[str, str], depth: int) -> int:
        if called not in scan.functions:
            if called[0] not in _DOMAINS:
                raise UnsafeModel(f"its operator {called[0]}.{called[1]} is not one of ONNX")
            return 1
        if depth > MAX_DEPTH:
            raise UnsafeModel(f"its functions are nested more than {MAX_DEPTH} deep")
        if called not in sizes:
            sizes[called] = sum(size(inner, depth + 1) for inner in scan.functions[called])
        return sizes[called]

    if sum(size(called, 1) for called in scan.calls) > MAX_NODES:
        raise UnsafeModel(f"it has more than {MAX_NODES} nodes once its functions are expanded")
