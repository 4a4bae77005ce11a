"""`tlzoo export`: from a run to one self-describing ONNX file, proven equal to the model."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from onnx import ModelProto

from tlzoo.allocator import raise_malloc_thresholds
from tlzoo.artifact import checksums, signature
from tlzoo.artifact.manifest import (
    Calibration,
    Manifest,
    MetricInterval,
    Parity,
    ProofLimits,
    Reference,
    SpeedMeasurement,
)
from tlzoo.artifact.reference import digest, pack
from tlzoo.artifact.reference import select_samples as choose_samples
from tlzoo.artifact.seal import seal
from tlzoo.artifact.trained_on import TrainedOn
from tlzoo.data import Columns, content_digests
from tlzoo.errors import ExportError
from tlzoo.exporting.check import asked_limits
from tlzoo.exporting.choices import FORMATS, check_choices, unknown_format
from tlzoo.exporting.context import ExportContext, make_context
from tlzoo.exporting.graph import embed, embedded_manifest, signature_of
from tlzoo.exporting.least_runtime import least_runtime
from tlzoo.exporting.variants import (
    BaseGraph,
    VerifiedVariant,
    fp32_variant,
    raw_input_variant,
    reduced_variant,
    select_fastest,
)
from tlzoo.io.disk import write_errors
from tlzoo.io.files import atomic_file, atomic_folder, temporary_folder
from tlzoo.io.locks import output_lock
from tlzoo.models.threads import limit_threads
from tlzoo.options import Thresholds
from tlzoo.plugins.extensions import PluginExtension, find_extension, warn_name_conflict
from tlzoo.runs.run import RunFolder
from tlzoo.runtime import Predictor, load


@dataclass(frozen=True)
class Exported:
    """What was written at `path`: a model `bytes` long in `file`, its proof, metrics of the trained model (`reference`)
    and of the file (`exported`) on the samples of the proof, with the `interval` of the file's own headline metric
    there; `worst` names the sample that differs most; `read` counts what was read of data other than the run's."""

    path: Path
    file: Path
    bytes: int
    precision: str
    kept_fp32: tuple[str, ...]
    parity: Parity
    worst: str
    metrics: dict[str, dict[str, float]]
    interval: MetricInterval
    calibration: Calibration | None
    measured: SpeedMeasurement | None
    seconds: float
    read: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Predictor:
        """A predictor on the file."""
        return load(self.file)


def export(
    run: RunFolder,
    path: str | Path,
    *,
    data: str | Path | None = None,
    precision: str = "fp32",
    raw_input: bool = False,
    format: str = "onnx",
    thresholds: Thresholds | None = None,
    trained_on: bool = True,
    sign: str | Path | None = None,
    columns: Columns | None = None,
    skip_broken: float = 0.0,
) -> Exported:
    """What `tlzoo.export` does of a run that is loaded, with options that `check_export` has let pass."""
    started, out = time.monotonic(), Path(path)
    if format != "onnx":
        _writer(format)
    limits = None if precision == "auto" else asked_limits(thresholds, precision, raw_input)
    write = partial(_write, key=sign)
    with output_lock(out, ExportError):
        check_choices(out, precision, format, thresholds)  # another process may have ended meanwhile
        raise_malloc_thresholds()
        limit_threads()
        int8 = precision == "int8"
        context = make_context(run, data, columns or {}, needs_training=int8, skip_broken=skip_broken)
        known = run.trained_on() if trained_on else None
        base, full = _fp32(context, limits if precision == "fp32" and not raw_input else None)
        chosen, proto = _proven(base, full, out, precision, raw_input, limits, known, write)
        file = write(out, format, proto)
    manifest = embedded_manifest(proto)
    assert manifest.interval is not None
    return Exported(
        path=out,
        file=file,
        bytes=file.stat().st_size,
        precision=chosen.precision,
        kept_fp32=chosen.kept,
        parity=chosen.proof.parity,
        worst=chosen.proof.worst,
        metrics={name: dict(found) for name, found in manifest.metrics.items()},
        interval=manifest.interval,
        calibration=base.calibration_of(chosen),
        measured=chosen.measured,
        seconds=round(time.monotonic() - started, 2),
        read=context.read,
    )


def _fp32(context: ExportContext, limits: ProofLimits | None) -> tuple[BaseGraph, VerifiedVariant]:
    """The graph as torch gives it, and the fp32 file's proof."""
    with temporary_folder() as folder, write_errors(folder / "model.onnx", hint=_CACHE_HINT):
        return fp32_variant(context, folder / "model.onnx", limits)


_CACHE_HINT = "Free disk space there, or set TLZOO_CACHE to another folder; then export again."


def _proven(
    base: BaseGraph,
    full: VerifiedVariant,
    out: Path,
    precision: str,
    raw_input: bool,
    limits: ProofLimits | None,
    known: TrainedOn | None,
    write: Callable[[Path, str, ModelProto], Path],
) -> tuple[VerifiedVariant, ModelProto]:
    """The variant asked for and its model; where a lower precision fails its proof, the fp32 file is written."""
    seen = "" if known is None else known.to_json()
    try:
        chosen = _chosen(base, full, precision, raw_input, limits)
    except ExportError as failed:
        if precision in ("fp32", "auto"):
            raise
        fp32_file = write(out.with_name(f"{out.stem}.fp32.onnx"), "onnx", _finished(base, full, seen))
        raise type(failed)(
            failed.message,
            hint=f"The fp32 file passed its proof: {fp32_file}. {failed.hint}",
            parameter=failed.parameter,
        ) from failed
    return chosen, _finished(base, chosen, seen)


def _write(out: Path, format: str, proto: ModelProto, key: str | Path | None) -> Path:
    """Write the file or the folder, signed where there is a key; where the model lies."""
    model = _sealed(proto, key)
    if format == "onnx":
        with atomic_file(out) as temporary:
            temporary.write_bytes(model)
        return out
    with atomic_folder(out) as folder:
        file = _write_layout(format, folder, model, embedded_manifest(proto))
        checksums.write(folder)
        return out / file.relative_to(folder)


def _chosen(
    base: BaseGraph, full: VerifiedVariant, precision: str, raw_input: bool, limits: ProofLimits | None
) -> VerifiedVariant:
    own = None if raw_input else limits
    match precision:
        case "fp32":
            chosen = full
        case "auto":
            chosen = select_fastest(base, full)
        case "fp16" | "int8":
            chosen = reduced_variant(base, full, precision, own)
    return raw_input_variant(base, chosen, limits) if raw_input else chosen


def _writer(format: str) -> tuple[Callable[[Path, bytes, Manifest], None], PluginExtension | None]:
    """The function that writes a layout, and the plugin's format behind it; raises UsageError for an unknown name."""
    if format in FORMATS:
        warn_name_conflict("formats", format)
        return importlib.import_module(FORMATS[format]).write, None
    found = find_extension("formats", format)
    if found is None:
        raise unknown_format(format)
    return partial(found.run, "write"), found


def _write_layout(format: str, folder: Path, model: bytes, manifest: Manifest) -> Path:
    """Fill the folder; where the model lies in it. Raises ExportError unless that is the model that was proven."""
    write, extension = _writer(format)
    write(folder, model, manifest)
    if extension and (links := [file.name for file in folder.rglob("*") if file.is_symlink()]):
        raise extension.wrong(f"wrote the link {links[0]!r}; a layout holds files and folders alone")
    found = [file for file in folder.rglob("model.onnx") if file.read_bytes() == model]
    if len(found) != 1:
        title = f"The format {format!r}" if extension is None else extension.description
        raise ExportError(
            f"{title} wrote {len(found)} files named model.onnx with the model's bytes, not one.",
            hint="Report it to the plugin's author, and export one file: `format='onnx'`.",
            parameter="format",
        )
    return found[0]


def _finished(base: BaseGraph, chosen: VerifiedVariant, seen: str) -> ModelProto:
    """The model with its manifest, the reference outputs and the filter of what it was trained on inside."""
    context = base.context
    kept = choose_samples(content_digests(context.heldout.inputs, context.heldout.modality), context.reference)
    outputs = pack(kept)
    metrics = _metrics(context, chosen)
    manifest = base.describe(
        chosen.precision,
        kept_fp32=chosen.kept,
        raw_input=chosen.raw_input,
        signature=signature_of(chosen.proto, context.run.task),
        data={"proven_on": context.proven_on},
        metrics=metrics,
        interval=_interval(context, chosen, metrics["exported"]),
        parity=chosen.proof.parity,
        calibration=base.calibration_of(chosen),
        reference=Reference(samples=len(kept.contents), sha256=digest(outputs)),
        measured=chosen.measured,
        least_onnxruntime=least_runtime(chosen.proto),
        sealed=True,
    )
    proto = ModelProto()
    proto.CopyFrom(chosen.proto)
    embed(proto, manifest, outputs, seen)
    return proto


def _metrics(context: ExportContext, proven: VerifiedVariant) -> dict[str, dict[str, float]]:
    return {
        "reference": context.heldout.metrics(context.reference),
        "exported": context.heldout.metrics(proven.proof.exported),
    }


def _interval(context: ExportContext, proven: VerifiedVariant, metrics: Mapping[str, float]) -> MetricInterval:
    found = context.heldout.interval(proven.proof.exported, metrics, context.run.data.seed)
    return MetricInterval.model_validate(found)


def _sealed(proto: ModelProto, key: str | Path | None) -> bytes:
    """The file's bytes, at their end the signature by a private key, if there is one, and the seal."""
    model: bytes = proto.SerializeToString()
    if key is not None:
        model += signature.entry(model, key)
    return model + seal(model)
