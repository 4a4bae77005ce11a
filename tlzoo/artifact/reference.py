"""The trained model's own outputs, inside the exported file, so that the proof can be repeated anywhere. Torch-free."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlzoo.artifact.manifest import Manifest
from tlzoo.errors import ArtifactError
from tlzoo.tasks.base import Output
from tlzoo.tasks.rows import Outputs, Rows, select

KEY = "tlzoo.reference"
MAX_SAMPLES = 1000
MAX_BYTES = 2**20
DIGEST_BYTES = 16
DTYPES = ("<f2", "<f4", "<f8", "|b1", "|i1", "|u1", "<i2", "<i4", "<i8", "<u2", "<u4", "<u8")
"""Types of outputs, as numpy writes them; of a byte there is no order."""


@dataclass(frozen=True)
class ReferenceOutputs:
    """torch's outputs by name for N held-out inputs, each known by the first half of its content's SHA-256."""

    contents: tuple[bytes, ...]
    outputs: Outputs


def select_samples(contents: Sequence[bytes], outputs: Outputs) -> ReferenceOutputs:
    """As many inputs as there is room for, spread evenly: 1,000 at most, and no more than 1 MiB."""
    total = sum(row.nbytes for rows in outputs.values() for row in rows)
    each = DIGEST_BYTES + -(-total // len(contents))
    room = max(1, min(MAX_SAMPLES, MAX_BYTES // each))
    chosen = np.unique(np.linspace(0, len(contents) - 1, min(room, len(contents))).round().astype(int))
    return ReferenceOutputs(tuple(contents[i][:DIGEST_BYTES] for i in chosen), select(outputs, chosen))


def pack(kept: ReferenceOutputs) -> str:
    """As text for the file's metadata."""
    document = {
        "contents": [name.hex() for name in kept.contents],
        "outputs": {name: _packed(rows) for name, rows in kept.outputs.items()},
    }
    return json.dumps(document)


def _packed(rows: Rows) -> dict[str, Any]:
    parts = [np.asarray(row) for row in rows]  # not ascontiguousarray, which gives a single number an axis
    dtype = parts[0].dtype.newbyteorder("<")
    data = b"".join(part.astype(dtype).tobytes() for part in parts)
    shapes = [list(part.shape) for part in parts] if isinstance(rows, list) else [list(parts[0].shape)]
    return {"dtype": dtype.str, "shapes": shapes, "data": base64.b64encode(data).decode("ascii")}


def _unpacked(packed: Mapping[str, Any], count: int) -> Rows:
    if packed["dtype"] not in DTYPES:  # numpy would evaluate it
        raise ValueError("an output is of no known type")
    values = np.frombuffer(base64.b64decode(packed["data"]), dtype=np.dtype(packed["dtype"]))
    values = values.astype(values.dtype.newbyteorder("="))
    shapes = [tuple(shape) for shape in packed["shapes"]]
    if len(shapes) == 1 and count != 1:
        return values.reshape(count, *shapes[0])
    if len(shapes) != count:
        raise ValueError(f"{len(shapes)} shapes for {count} samples")
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    if int(ends[-1]) != len(values):
        raise ValueError("an output is truncated")
    return [part.reshape(shape) for part, shape in zip(np.split(values, ends[:-1]), shapes, strict=True)]


def digest(text: str) -> str:
    """SHA-256 (hex) of the packed outputs, as the manifest keeps it."""
    return hashlib.sha256(text.encode()).hexdigest()


def unpack(metadata: Mapping[str, str], manifest: Manifest, declared: Sequence[Output], file: str) -> ReferenceOutputs:
    """The outputs in a file's metadata; raises ArtifactError where there are none or not those of its manifest.

    `declared` are the task's. Files of manifest version 2 and before hold logits alone.
    """
    text = metadata.get(KEY)
    if text is None or manifest.reference is None:
        raise ArtifactError(f"{file} holds no reference outputs.", hint="Export it again with this tlzoo.")
    if digest(text) != manifest.reference.sha256:
        raise ArtifactError(f"{file} holds reference outputs that do not match its manifest.", hint="Export it again.")
    try:
        document = json.loads(text)
        contents = tuple(bytes.fromhex(name) for name in document["contents"])
        if "outputs" not in document:
            logits = np.frombuffer(base64.b64decode(document["logits"]), dtype="<f4")
            return ReferenceOutputs(contents, {"logits": logits.reshape(len(contents), -1).astype(np.float32)})
        found = {each.name: _unpacked(document["outputs"][each.name], len(contents)) for each in declared}
        fixed = {each.name for each in declared if not each.ragged}
        return ReferenceOutputs(
            contents, {name: np.asarray(rows) if name in fixed else list(rows) for name, rows in found.items()}
        )
    except (ValueError, LookupError, TypeError) as cause:
        raise ArtifactError(f"{file} has broken reference outputs: {cause}.", hint="Export it again.") from cause
