"""The trained model's own answers, inside the exported file, so that the proof can be repeated anywhere. Torch-free."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tlzoo.artifact.manifest import Manifest
from tlzoo.errors import ArtifactError

KEY = "tlzoo.reference"
MAX_SAMPLES = 1000
MAX_BYTES = 2**20
DIGEST_BYTES = 16


@dataclass(frozen=True)
class Outputs:
    """Logits float32 [N, C] of torch for N held-out samples, each known by the first half of its content's SHA-256."""

    contents: tuple[bytes, ...]
    logits: np.ndarray


def choose(contents: Sequence[bytes], logits: np.ndarray) -> Outputs:
    """As many samples as there is room for, spread evenly: 1,000 at most, and no more than 1 MiB."""
    room = max(1, min(MAX_SAMPLES, MAX_BYTES // (DIGEST_BYTES + 4 * logits.shape[1])))
    chosen = np.unique(np.linspace(0, len(contents) - 1, min(room, len(contents))).round().astype(int))
    return Outputs(tuple(contents[i][:DIGEST_BYTES] for i in chosen), np.ascontiguousarray(logits[chosen], dtype="<f4"))


def pack(outputs: Outputs) -> str:
    """As text for the file's metadata."""
    document = {"contents": [name.hex() for name in outputs.contents], "logits": _text(outputs.logits)}
    return json.dumps(document)


def digest(text: str) -> str:
    """SHA-256 (hex) of the packed outputs, as the manifest keeps it."""
    return hashlib.sha256(text.encode()).hexdigest()


def unpack(metadata: Mapping[str, str], manifest: Manifest, file: str) -> Outputs:
    """The outputs in a file's metadata; raises ArtifactError where there are none or not those of its manifest."""
    text = metadata.get(KEY)
    if text is None or manifest.reference is None:
        raise ArtifactError(f"{file} holds no reference outputs.", hint="Export it again with this tlzoo.")
    if digest(text) != manifest.reference.sha256:
        raise ArtifactError(
            f"{file} holds reference outputs that are not those it was proven by.", hint="Export it again."
        )
    try:
        document = json.loads(text)
        contents = tuple(bytes.fromhex(name) for name in document["contents"])
        logits = np.frombuffer(base64.b64decode(document["logits"]), dtype="<f4")
        return Outputs(contents, logits.reshape(len(contents), -1).astype(np.float32))
    except (ValueError, LookupError, TypeError) as cause:
        raise ArtifactError(f"{file} has broken reference outputs: {cause}.", hint="Export it again.") from cause


def _text(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
