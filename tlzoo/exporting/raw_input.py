"""Resizing and cropping inside the graph, for callers that have nothing to do it with."""

from __future__ import annotations

import math

from onnx import GraphProto, ModelProto, TensorProto, compose, helper, parser

from tlzoo.errors import ExportError
from tlzoo.exporting.nodes import with_inner
from tlzoo.specs import ImageSpec

INPUT = "image"
_PREFIX = "geometry/"

_SQUARE = """
    shorter = ReduceMin<keepdims = 0>(sides)
    stretched = Mul(sides, target)
    resized = Div(stretched, shorter)
"""
_OBLONG = """
    sides_ = Cast<to = 11>(sides)
    target_ = Cast<to = 11>(target)
    ratios = Div(sides_, target_)
    ratio = ReduceMin<keepdims = 0>(ratios)
    exact = Div(sides_, ratio)
    even = Round(exact)
    resized = Cast<to = 7>(even)
"""
_SMOOTH = """
    planes = Transpose<perm = [0, 3, 1, 2]>(image)
    outer = Shape<start = 0, end = 2>(planes)
    shape = Concat<axis = 0>(outer, resized)
    scaled = Resize<mode = "MODE", antialias = 1, exclude_outside = 1, cubic_coeff_a = -0.5>(planes, , , shape)
    covering = Transpose<perm = [0, 2, 3, 1]>(scaled)
"""
_STEP = """
    zero = Constant<value = int64 {0}>()
    one = Constant<value = int64 {1}>()
    sides_f = Cast<to = 11>(sides)
    resized_f = Cast<to = 11>(resized)
    step = Div(sides_f, resized_f)
    half_step = Mul(step, half)
    more = Sub(resized, one)
    last = Sub(sides, one)
    step_0, step_1 = Split<num_outputs = 2>(step)
    half_step_0, half_step_1 = Split<num_outputs = 2>(half_step)
    more_0, more_1 = Split<num_outputs = 2>(more)
    last_0, last_1 = Split<num_outputs = 2>(last)
"""
# Pillow adds the step up too, so that its rounding errors are the same ones.
_PICK = """
    steps_N = Expand(step_N, more_N)
    moves_N = Concat<axis = 0>(half_step_N, steps_N)
    places_N = CumSum(moves_N, zero)
    floors_N = Cast<to = 7>(places_N)
    lines_N = Min(floors_N, last_N)
    picked_N = Gather<axis = AXIS>(FROM, lines_N)
"""
_NEAREST = (
    _STEP
    + _PICK.replace("N", "0").replace("AXIS", "1").replace("FROM", "image")
    + _PICK.replace("N", "1").replace("AXIS", "2").replace("FROM", "picked_0")
    + "covering = Identity(picked_1)\n"
)
_CROP = """
    size_ = Cast<to = 11>(size)
    resized_ = Cast<to = 11>(resized)
    spare = Sub(resized_, size_)
    margin = Mul(spare, half)
    corner_ = Round(margin)
    corner = Cast<to = 7>(corner_)
    end = Add(corner, size)
    fitted = Slice(covering, corner, end, axes)
"""
_SCALING = {
    "bilinear": _SMOOTH.replace("MODE", "linear"),
    "bicubic": _SMOOTH.replace("MODE", "cubic"),
    "nearest": _NEAREST,
}


def add_resize_and_crop(proto: ModelProto, spec: ImageSpec) -> ModelProto:
    """A copy of the model that takes `image` uint8 [batch, height, width, 3] of any size and fits it to `spec` itself.

    The given model takes `image` uint8 [batch, H, W, 3], already fitted. Sizes and corners are computed with the very
    arithmetic of `tlzoo.preprocess.image.resize_and_crop`, so the same pixels are kept; a picture of that size comes
    out bit for bit. Others, ONNX Runtime 1.31 on a CPU against Pillow 13, photographs, digits and noise of 1 x 1 to
    2560 x 1708 pixels, shrunk and enlarged: nearest is equal; bilinear and bicubic differ by 2 of 255 levels at most,
    on average by 0.009 and 0.0007. Nothing else of the graph changes.

    Raises ExportError where ONNX has no such interpolation (lanczos), the model has no such input, or its opset is
    below 20.
    """
    scaling = _SCALING.get(spec.interpolation)
    if scaling is None:
        raise ExportError(
            f"ONNX has no {spec.interpolation} interpolation, which this model's preprocessing uses.",
            hint="Export without `raw_input=True`.",
            parameter="raw_input",
        )
    _check(proto)
    raw = ModelProto()
    raw.CopyFrom(proto)
    geometry = _geometry(spec, scaling)
    fitted = geometry.output[0].name
    _rename(raw.graph, INPUT, fitted)
    _rename(geometry, geometry.input[0].name, INPUT)
    position = [given.name for given in proto.graph.input].index(INPUT)
    batch = proto.graph.input[position].type.tensor_type.shape.dim[0]
    any_size_input = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [None, "height", "width", 3])
    any_size_input.type.tensor_type.shape.dim[0].CopyFrom(batch)
    raw.graph.value_info.append(raw.graph.input[position])
    raw.graph.input[position].CopyFrom(any_size_input)
    nodes = [*geometry.node, *raw.graph.node]
    del raw.graph.node[:]
    raw.graph.node.extend(nodes)
    return raw


def _check(proto: ModelProto) -> None:
    opset = max((used.version for used in proto.opset_import if used.domain in ("", "ai.onnx")), default=0)
    kinds = {given.name: given.type.tensor_type for given in proto.graph.input}
    given = kinds.get(INPUT)
    if given is None or given.elem_type != TensorProto.UINT8 or len(given.shape.dim) != 4:
        raise ExportError(
            f"The model has the inputs {', '.join(kinds)}, not {INPUT} uint8 [batch, H, W, 3].",
            hint="`raw_input=True` needs an image model; leave it out.",
            parameter="raw_input",
        )
    if opset < 20:
        raise ExportError(
            f"`raw_input=True` needs opset 20; this model has {opset}.",
            hint="Leave it out; the model's plugin writes an older opset.",
            parameter="raw_input",
        )


def _geometry(spec: ImageSpec, scaling: str) -> GraphProto:
    """The nodes from `image` to `fitted`, their names prefixed."""
    height, width = spec.size
    target = [math.floor(height / spec.crop), math.floor(width / spec.crop)]
    sizes = _SQUARE if target[0] == target[1] else _OBLONG
    text = f"""
        geometry (uint8[batch, height, width, 3] image) => (uint8[batch, {height}, {width}, 3] fitted) {{
            half = Constant<value = double {{0.5}}>()
            axes = Constant<value = int64[2] {{1, 2}}>()
            size = Constant<value = int64[2] {{{height}, {width}}}>()
            target = Constant<value = int64[2] {{{target[0]}, {target[1]}}}>()
            sides = Shape<start = 1, end = 3>(image)
            {sizes} {scaling} {_CROP}
        }}
    """
    return compose.add_prefix_graph(parser.parse_graph(text), _PREFIX)


def _rename(graph: GraphProto, old: str, new: str) -> None:
    """Give a value another name wherever it is read, in branches and bodies too, and where it is declared."""
    for declared in (*graph.input, *graph.value_info):
        if declared.name == old:
            declared.name = new
    for node in with_inner(graph.node):
        for at, name in enumerate(node.input):
            if name == old:
                node.input[at] = new
