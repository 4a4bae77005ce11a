"""A model repository for NVIDIA Triton Inference Server, which serves an exported file as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import TensorProto, ValueInfoProto

from tlzoo.artifact.manifest import Manifest
from tlzoo.errors import ExportError
from tlzoo.io.disk import write_bytes, write_text
from tlzoo.runtime.unknown_task import task_of_manifest

MAX_BATCH = 32
PREFERRED_BATCHES = (8, 16, 32)
QUEUE_MICROSECONDS = 500
LABELS = "labels.txt"
TYPES: dict[int, str] = {
    TensorProto.BOOL: "TYPE_BOOL",
    TensorProto.UINT8: "TYPE_UINT8",
    TensorProto.INT32: "TYPE_INT32",
    TensorProto.INT64: "TYPE_INT64",
    TensorProto.FLOAT16: "TYPE_FP16",
    TensorProto.FLOAT: "TYPE_FP32",
    TensorProto.DOUBLE: "TYPE_FP64",
}


def write(folder: Path, model: bytes, manifest: Manifest) -> None:
    """Write `<name>/config.pbtxt`, `<name>/labels.txt` and `<name>/1/model.onnx` into an existing, empty folder.

    `tritonserver --model-repository=folder` serves it. Types and dimensions are read from the model itself; requests
    that arrive within half a millisecond, of one shape, share a batch of up to 32. Where the graph's batch is fixed
    there is no batching. Raises ExportError for a tensor of a type that Triton does not have.
    """
    place = folder / name_of(manifest)
    (place / "1").mkdir(parents=True)
    write_bytes(place / "1" / "model.onnx", model)
    write_text(place / "config.pbtxt", config(model, manifest))
    if _labelled(manifest):
        lines = [" ".join(label.splitlines()) for label in manifest.labels]
        write_text(place / LABELS, "\n".join(lines) + "\n")


def name_of(manifest: Manifest) -> str:
    """What Triton calls the model: checkpoint and task, such as `efficientnet-lite0-image-classification`."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{manifest.checkpoint.id.rpartition('/')[2]}-{manifest.task}")


def config(model: bytes, manifest: Manifest) -> str:
    """The text of `config.pbtxt`."""
    graph = onnx.load_model_from_string(model).graph
    initial = {tensor.name for tensor in graph.initializer}
    given = [tensor for tensor in graph.input if tensor.name not in initial]
    batched = all(_has_open_batch(tensor) for tensor in (*given, *graph.output))
    labelled = _labelled(manifest)
    lines = [
        f"name: {json.dumps(name_of(manifest))}",
        'platform: "onnxruntime_onnx"',
        f"max_batch_size: {MAX_BATCH if batched else 0}",
        *_tensors("input", given, batched, ()),
        *_tensors("output", graph.output, batched, labelled),
        "instance_group [ { count: 1 kind: KIND_AUTO } ]",
    ]
    if batched:
        sizes = ", ".join(map(str, PREFERRED_BATCHES))
        delay = f"max_queue_delay_microseconds: {QUEUE_MICROSECONDS}"
        lines.append(f"dynamic_batching {{ preferred_batch_size: [ {sizes} ] {delay} }}")
    return "\n".join(lines) + "\n"


def _has_open_batch(tensor: ValueInfoProto) -> bool:
    dims = tensor.type.tensor_type.shape.dim
    return bool(dims and dims[0].dim_param)


def _tensors(kind: str, tensors: list[ValueInfoProto], batched: bool, labelled: tuple[str, ...]) -> Iterator[str]:
    for tensor in tensors:
        described = tensor.type.tensor_type
        if described.elem_type not in TYPES:
            raise ExportError(
                f"Triton has no type for the {kind} {tensor.name!r}: {TensorProto.DataType.Name(described.elem_type)}.",
                hint="Export one file: `format='onnx'`.",
                parameter="format",
            )
        dims = [-1 if dim.dim_param or not dim.dim_value else dim.dim_value for dim in described.shape.dim]
        dims = dims[1:] if batched else dims
        fields = [
            f"name: {json.dumps(tensor.name)}",
            f"data_type: {TYPES[described.elem_type]}",
            # Triton refuses empty dimensions: one number per sample travels as [1]
            f"dims: [ {', '.join(map(str, dims))} ]" if dims else "dims: [ 1 ] reshape: { shape: [ ] }",
            *([f'label_filename: "{LABELS}"'] if tensor.name in labelled else []),
        ]
        yield f"{kind} [ {{ {' '.join(fields)} }} ]"


def _labelled(manifest: Manifest) -> tuple[str, ...]:
    """The outputs of one number per label, with what is derived of them."""
    task = task_of_manifest(manifest)
    own = [output.name for output in task.outputs if output.labelled and len(output.axes) == 2]
    return (*own, *(derived.name for derived in task.derived if derived.source in own))
