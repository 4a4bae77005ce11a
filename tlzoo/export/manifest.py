"""What an exported file says of itself: JSON in the ONNX metadata key `tlzoo.manifest`. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from tlzoo.errors import ArtifactError
from tlzoo.registry.schema import Preprocess, Record

KEY = "tlzoo.manifest"
VERSION = 1


class Parity(Record):
    """The proof: exported file against torch on held-out samples.

    `max_abs_diff` is the largest difference of an output, `tolerance` the largest allowed, `scale` what the task judges
    differences by (of one label: the largest distance of a logit from its sample's mean). `top1_agreement` is the share
    of samples with the same label, labels or, within the tolerance, number; ties within the tolerance aside.
    """

    samples: int
    batches: tuple[int, ...]
    max_abs_diff: float
    scale: float
    tolerance: float
    top1_agreement: float


class Origin(Record):
    """The pretrained checkpoint behind the model; `sha256` maps its files to their hashes where they are pinned."""

    id: str
    architecture: str
    license: str | None = None
    source: Mapping[str, Any]
    sha256: Mapping[str, str] = {}


class Manifest(Record):
    """Everything that using the file takes, and where it came from."""

    version: int = VERSION
    task: str
    labels: tuple[str, ...]
    preprocess: Preprocess
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opset: int
    checkpoint: Origin
    data: Mapping[str, Any]
    options: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, float]]
    parity: Parity
    versions: Mapping[str, str]
    adapted: Mapping[str, Any] | None = None


def parse_manifest(metadata: Mapping[str, str], file: str) -> Manifest:
    """The manifest in a model's metadata; raises ArtifactError naming `file` when it is absent, newer or broken."""
    text = metadata.get(KEY)
    if text is None:
        raise ArtifactError(
            f"{file} has no tlzoo manifest: it was not exported by tlzoo.",
            hint="Export one: tlzoo export RUN --out FILE.onnx",
        )
    try:
        document = json.loads(text)
        version = document.get("version")
        if isinstance(version, int) and version > VERSION:
            raise ArtifactError(
                f"{file} has a manifest of version {version}; this tlzoo reads up to {VERSION}.",
                hint="Upgrade: pip install --upgrade tlzoo",
            )
        return Manifest.model_validate_json(text)
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(
            f"{file} has a broken manifest: {where}: {first['msg']}.", hint="Export it again."
        ) from cause
    except (ValueError, AttributeError) as cause:
        raise ArtifactError(f"{file} has a broken manifest: {cause}.", hint="Export it again.") from cause
