"""The manifest of an exported file: JSON in the ONNX metadata key `tlzoo.manifest`. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from tlzoo.errors import ArtifactError
from tlzoo.specs import Preprocess, StrictModel, first_invalid
from tlzoo.tasks.base import OperatingPoint

KEY = "tlzoo.manifest"
VERSION = 4
"""Version 3 added the signature, the task's settings and plugin, and the operating point, 4 the seal; all are read."""


Precision = Literal["fp32", "fp16", "int8"]


class ProofLimits(StrictModel):
    """The limits of a proof; adjustable, never off.

    `difference` is the largest allowed of an output, as a share of the outputs' scale; `agreement` the smallest share
    of samples with the same answer; `drop` the largest loss of the task's headline metric, in points (hundredths; for
    a metric in the targets' own unit, percent of its value).
    """

    difference: float = Field(gt=0, le=2)
    agreement: float = Field(ge=0.5, le=1)
    drop: float = Field(ge=0, le=10)


class OutputParity(StrictModel):
    """One output's proof, as in Parity."""

    max_abs_diff: float
    scale: float
    tolerance: float


class Parity(StrictModel):
    """The proof: exported file against torch on held-out samples.

    `max_abs_diff` is the largest difference of an output, `tolerance` the largest allowed, `scale` what the task judges
    differences by (of one label: the largest distance of a logit from its sample's mean); of several outputs they are
    those of the one that is nearest to its tolerance, and `outputs` has each. `top1_agreement` is the share of samples
    with the same answer (label, labels, or within the tolerance number), ties aside. `batches` are the batch sizes
    and `lengths` the tokens or samples of audio it was tried at, `worst` is the position of the sample that differs
    most, `drop` what the headline metric lost, as in `thresholds`. Where samples are read in windows, `samples` are
    these and `whole` is how many samples they are cut from. `drawn_from` is how many held-out samples there are, where
    those of the proof were drawn from more.
    """

    samples: int
    whole: int | None = None
    drawn_from: int | None = None
    batches: tuple[int, ...]
    lengths: tuple[int, ...] = ()
    max_abs_diff: float
    scale: float
    tolerance: float
    top1_agreement: float
    worst: int | None = None
    drop: float = 0.0
    thresholds: ProofLimits | None = None
    outputs: Mapping[str, OutputParity] = {}

    @property
    def counted(self) -> str:
        """How many samples were compared, as text."""
        of = "" if self.drawn_from is None else f"of {self.drawn_from:,} "
        if self.whole is None:
            return f"{self.samples:,} {of}held-out samples"
        return f"{self.samples:,} windows of {self.whole:,} {of}held-out samples"


class MetricInterval(StrictModel):
    """The 95 % confidence interval of the file's own headline metric over the samples of the proof; a side without a
    bound is `None`."""

    metric: str
    level: float
    low: float | None = None
    high: float | None = None


class Calibration(StrictModel):
    """Temperature by which logits are divided before they become probabilities, fitted on `samples` validation samples;
    expected calibration error, 0..1, on held-out data before and after."""

    temperature: float = Field(gt=0)
    samples: int
    ece_before: float
    ece_after: float


class Reference(StrictModel):
    """The trained model's outputs for `samples` held-out samples, in the metadata key `tlzoo.reference`."""

    samples: int
    sha256: str


class SpeedMeasurement(StrictModel):
    """Size and speed of a reduced precision against fp32, measured where it was exported."""

    bytes: int
    fp32_bytes: int
    speedup: float
    batch: int
    provider: str


class SourceCheckpoint(StrictModel):
    """The pretrained checkpoint behind the model; `sha256` maps its files to their hashes where they are pinned."""

    id: str
    architecture: str
    license: str | None = None
    source: Mapping[str, Any]
    sha256: Mapping[str, str] = {}


class Tensor(StrictModel):
    """An input or output of the graph: `axes` are names of those that vary (the first is `batch`) and sizes."""

    name: str
    axes: tuple[str | int, ...]
    dtype: str


class Signature(StrictModel):
    """The graph as it is called, and the task in it.

    `task_inputs` are the names of a sample's raw inputs, several where the task has several; `task_outputs` are the
    outputs that the task reads. `task_columns` are the columns of the inputs in tables where any is not called as its
    input. What only the task's plugin can do: read files that end in `task_endings`, and cut long inputs into parts
    where `windows`. `form` says whether the graph is one pass or holds one Loop of a bounded number of
    steps.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    task_inputs: tuple[str, ...]
    task_outputs: tuple[Tensor, ...]
    form: Literal["once", "loop"] = "once"
    task_columns: tuple[str, ...] = ()
    task_endings: tuple[str, ...] = ()
    windows: bool = False


class Manifest(StrictModel):
    """Everything needed to use the file, and its provenance.

    `metrics` are those of the trained model (`reference`) and of this file (`exported`) on the samples of the proof.
    `settings` are what the task keeps beside its labels; `plugin` and `distribution` say which plugin provides a
    task that is not built in. `kept_fp32` names the nodes that a reduced `precision` left in float32. With `raw_input`
    the graph resizes and crops pictures itself and takes any size, all pictures of a batch the same.
    `least_onnxruntime` is the oldest version that reads the graph; empty where no table says. A `sealed` file ends in
    the SHA-256 of all its other bytes, see `tlzoo.artifact.seal`.
    """

    version: int = Field(VERSION, ge=1, strict=True)
    task: str
    labels: tuple[str, ...]
    settings: Mapping[str, Any] = {}
    plugin: str = ""
    distribution: str = ""
    signature: Signature | None = None
    operating_point: OperatingPoint | None = None
    preprocess: Preprocess
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opset: int
    checkpoint: SourceCheckpoint
    data: Mapping[str, Any]
    options: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, float]]
    interval: MetricInterval | None = None
    parity: Parity
    versions: Mapping[str, str]
    precision: Precision = "fp32"
    kept_fp32: tuple[str, ...] = ()
    raw_input: bool = False
    calibration: Calibration | None = None
    reference: Reference | None = None
    measured: SpeedMeasurement | None = None
    adapted: Mapping[str, Any] | None = None
    least_onnxruntime: str = ""
    sealed: bool = False

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of the tables it was trained on, where they had other names than the task's; as Columns."""
        return dict(self.data.get("columns", {}))


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
        where, reason = first_invalid(cause)
        raise ArtifactError(f"{file} has a broken manifest: {where}: {reason}.", hint="Export it again.") from cause
    except (ValueError, AttributeError, RecursionError) as cause:
        raise ArtifactError(f"{file} has a broken manifest: {cause}.", hint="Export it again.") from cause
