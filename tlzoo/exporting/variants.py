"""The variants that may be written: fp32 and reduced precisions, each with its proof; the fastest is chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

from tlzoo.artifact.manifest import (
    KEY,
    Calibration,
    Manifest,
    Parity,
    Precision,
    ProofLimits,
    Signature,
    SpeedMeasurement,
    parse_manifest,
)
from tlzoo.errors import ExportError, ParityError, first_line
from tlzoo.exporting.check import NOT_WRITTEN_HINT, Proof, default_thresholds, prove
from tlzoo.exporting.context import ExportContext, fit_on_validation, measure_calibration
from tlzoo.exporting.embeddings import embeddings_problem
from tlzoo.exporting.graph import add_derived, signature_of, write_graph
from tlzoo.exporting.manifests import make_manifest
from tlzoo.exporting.raw_input import add_resize_and_crop
from tlzoo.interfaces import Graph
from tlzoo.io.entry_points import REPORT_HINT
from tlzoo.plugins.preprocess import preprocessor_of
from tlzoo.progress import say, working
from tlzoo.runtime import Predictor
from tlzoo.runtime.model_check import UnsafeModel, check_model
from tlzoo.runtime.session import open_session
from tlzoo.specs import ImageSpec
from tlzoo.tasks.agreement import differences, largest_magnitude
from tlzoo.tasks.base import OperatingPoint, Task
from tlzoo.tasks.contract import EMBEDDINGS
from tlzoo.tasks.probabilities import PROBABILITY_FUNCTIONS
from tlzoo.tasks.rows import Rows

AS_FAST = 1.03
"""Of models within three percent of the fastest the smallest is taken: noise is as large."""
SPEED_BATCH = 32
NOTHING = Parity(samples=0, batches=(), max_abs_diff=0, scale=0, tolerance=0, top1_agreement=0)
ROUNDING, EPSILON = 1e-5, 2.4e-7
"""By how much probabilities computed twice in float32 may differ, and by which share of the logits besides."""
PROVIDER = "CPUExecutionProvider"


@dataclass(frozen=True)
class VerifiedVariant:
    """A model that passed its proof; `kept` names the nodes that a lower precision left in fp32."""

    precision: Precision
    proto: ModelProto
    proof: Proof
    kept: tuple[str, ...] = ()
    raw_input: bool = False
    measured: SpeedMeasurement | None = None


@dataclass(frozen=True)
class BaseGraph:
    """The graph in fp32 with calibrated probabilities, and the facts for its manifest."""

    context: ExportContext
    graph: Graph
    signature: Signature
    calibration: Calibration | None = None
    point: OperatingPoint | None = None

    def describe(self, precision: Precision, **facts: Any) -> Manifest:
        """The manifest of what a precision makes of it; `facts` are the manifest's fields that are known."""
        defaults = {
            "metrics": {},
            "parity": NOTHING,
            "signature": self.signature,
            "calibration": self.calibration,
        }
        return make_manifest(
            self.context.run,
            self.graph,
            precision=precision,
            operating_point=self.point,
            **{**defaults, **facts},
        )

    def calibration_of(self, variant: VerifiedVariant) -> Calibration | None:
        """The calibration with the errors of this variant's own outputs."""
        if (shared := self.calibration) is None:
            return None
        return measure_calibration(self.context, shared.temperature, shared.samples, variant.proof.exported)


def fp32_variant(
    context: ExportContext, path: Path, thresholds: ProofLimits | None
) -> tuple[BaseGraph, VerifiedVariant]:
    """Write the graph in fp32 to `path`, calibrate it, prove it; raises ExportError where that fails."""
    task = context.run.task
    graph, proto = write_graph(context.model, path)
    base = BaseGraph(context, graph, signature_of(proto, task))
    predictor = _predictor(base, "fp32", proto)
    calibration, point = fit_on_validation(context, predictor)
    for derived in task.derived:
        if derived.name not in graph.outputs:
            add_derived(proto, derived, calibration.temperature if calibration else 1.0)
            graph = replace(graph, outputs=(*graph.outputs, derived.name))
    base = BaseGraph(context, graph, signature_of(proto, task), calibration, point)
    return base, VerifiedVariant("fp32", proto, _prove(base, "fp32", proto, thresholds or default_thresholds("fp32")))


def reduced_variant(
    base: BaseGraph, full: VerifiedVariant, precision: Precision, thresholds: ProofLimits | None
) -> VerifiedVariant:
    """The same model in a lower precision, measured beside `full`; raises ParityError with the figures where it lost
    too much, ExportError where nothing in it can be reduced."""
    from tlzoo.exporting.precision import (  # ONNX Runtime's quantisation is slow to import
        rank_by_speed,
        reduce_precision,
    )

    task = base.context.run.task
    names = [output.name for output in task.outputs if output.dtype.startswith("float")]
    with working(f"Making the graph in {precision}"):
        reduced = reduce_precision(full.proto, precision, task.modality, base.context.calibration_arrays(), names)
    try:
        proof = _prove(base, precision, reduced.proto, thresholds or default_thresholds(precision))
    except ParityError as error:
        raise ParityError(
            f"In {precision}: {error.message}",
            hint="Export in fp32, or relax `difference` or `drop` of the thresholds.",
            parameter="thresholds",
        ) from error
    arrays = base.context.heldout.arrays(range(min(SPEED_BATCH, len(base.context.heldout))))
    with working(f"Measuring how fast {precision} is"):
        seconds = rank_by_speed({"fp32": full.proto, precision: reduced.proto}, arrays, batch=SPEED_BATCH)
    measured = SpeedMeasurement(
        bytes=reduced.proto.ByteSize(),
        fp32_bytes=full.proto.ByteSize(),
        speedup=round(seconds["fp32"] / seconds[precision], 3),
        batch=SPEED_BATCH,
        provider=PROVIDER,
    )
    return VerifiedVariant(precision, reduced.proto, proof, reduced.kept, measured=measured)


def select_fastest(base: BaseGraph, full: VerifiedVariant) -> VerifiedVariant:
    """The fastest on this machine of all precisions that pass, each measured beside fp32; of equals the smallest."""
    passed = [full]
    for precision in ("fp16", "int8"):
        try:
            passed.append(reduced_variant(base, full, precision, None))
        except ExportError as failure:
            say(f"{precision} rejected: {failure.message}")
            continue
        measured = passed[-1].measured
        assert measured is not None
        size = measured.bytes / measured.fp32_bytes
        say(f"{precision} passes: {size:.2f} x the size, {measured.speedup:.2f} x as fast")
    best = max(_speedup(model) for model in passed)
    return min((m for m in passed if _speedup(m) * AS_FAST >= best), key=lambda model: model.proto.ByteSize())


def raw_input_variant(base: BaseGraph, variant: VerifiedVariant, thresholds: ProofLimits | None) -> VerifiedVariant:
    """The same model with resize and crop inside its graph, proven against the torch outputs for fitted pictures."""
    spec = base.context.run.preprocess
    assert isinstance(spec, ImageSpec)
    proto = add_resize_and_crop(variant.proto, spec)
    base = replace(base, signature=signature_of(proto, base.context.run.task))
    limits = thresholds or default_thresholds(variant.precision, raw_input=True)
    try:
        proof = _prove(base, variant.precision, proto, limits, raw_input=True)
    except ParityError as error:
        raise ParityError(
            f"With resizing in the graph: {error.message}",
            hint="Export without `raw_input=True`, or relax `difference`, `agreement` or `drop` of the thresholds.",
            parameter="raw_input",
        ) from error
    return replace(variant, proto=proto, proof=proof, raw_input=True)


def _speedup(model: VerifiedVariant) -> float:
    return model.measured.speedup if model.measured else 1.0


def _prove(
    base: BaseGraph, precision: Precision, proto: ModelProto, limits: ProofLimits, *, raw_input: bool = False
) -> Proof:
    context, predictor = base.context, _predictor(base, precision, proto, raw_input)
    data = context.heldout
    derived = [each.name for each in predictor.task.derived]
    proof = prove(
        predictor,
        data.inputs,
        context.reference,
        thresholds=limits,
        measure=context.headline,
        cases=context.cases,
        whole=None if data.windows is None else data.samples,
        drawn_from=None if data.samples == context.held else context.held,
        extra=[*derived, *([EMBEDDINGS] if EMBEDDINGS in base.graph.outputs else [])],
    )
    _check_derived(base, predictor.task, proof)
    if EMBEDDINGS in base.graph.outputs and context.features is not None:
        _check_embeddings(context.features, proof, precision, limits, raw_input)
    return proof


def _check_derived(base: BaseGraph, task: Task, proof: Proof) -> None:
    """Raise ParityError unless derived outputs are what they should be of the file's own, in every part and case."""
    temperature = base.calibration.temperature if base.calibration else 1.0
    for derived in task.derived:
        squash = PROBABILITY_FUNCTIONS[derived.operator]
        for where, outputs in proof.tried:
            source = outputs[derived.source]
            rows: Rows = [squash(row / temperature) for row in source]
            allowed = ROUNDING + EPSILON * largest_magnitude(source) / temperature
            _check_difference(derived.name, outputs[derived.name], rows, allowed, where)


def _check_embeddings(
    features: np.ndarray, proof: Proof, precision: Precision, limits: ProofLimits, raw_input: bool
) -> None:
    """Raise ParityError unless embeddings are what torch's head is given, in every part and case: in fp32 to the share
    of their scale that outputs are, in lower precisions by their directions, in parts by their neighbours too."""
    allowed = limits.difference * largest_magnitude(features)
    parts = [(part.where, outputs[EMBEDDINGS], features[part.positions], True) for part, outputs in proof.parts]
    cases = [
        (case.where, outputs[EMBEDDINGS], case.reference[EMBEDDINGS], False)
        for case, outputs in proof.cases
        if not (case.extreme and precision == "int8")
    ]
    for where, made, right, neighbours in (*parts, *cases):
        if precision == "fp32" and not raw_input:
            _check_difference(EMBEDDINGS, made, right, allowed, where)
        if wrong := embeddings_problem(list(made), list(right), precision, raw_input, neighbours=neighbours):
            raise ParityError(f"The embeddings of the exported file {wrong}, {where}.", hint=NOT_WRITTEN_HINT)


def _check_difference(name: str, found: Rows, right: Rows, allowed: float, where: str) -> None:
    difference = float(differences(found, right).max())
    if not difference <= allowed:
        raise ParityError(
            f"The output {name!r} of the exported file is off by {difference:.3g} ({allowed:.3g} allowed), {where}.",
            hint=NOT_WRITTEN_HINT,
        )


def _predictor(base: BaseGraph, precision: Precision, proto: ModelProto, raw_input: bool = False) -> Predictor:
    """The predictor as deployers will have it, from the model's bytes and a manifest that went through JSON."""
    run = base.context.run
    text = base.describe(precision, raw_input=raw_input).model_dump_json(exclude_none=True)
    manifest = parse_manifest({KEY: text}, run.checkpoint.id)
    with working(f"Opening the graph in {precision}"):
        model = proto.SerializeToString()
        try:
            onnx.checker.check_model(model)
        except onnx.checker.ValidationError as cause:
            raise ExportError(
                f"The export of {run.checkpoint.id} is not valid ONNX: {first_line(cause)}",
                hint=REPORT_HINT,
            ) from cause
        try:
            check_model(model, KEY)
        except UnsafeModel as cause:
            raise ExportError(
                f"The export of {run.checkpoint.id} would be refused by the runtime: {cause}.",
                hint=REPORT_HINT,
            ) from cause
        try:
            return Predictor(open_session(model), manifest, preprocessor_of(manifest.preprocess, manifest.raw_input))
        except Exception as cause:
            raise ExportError(
                f"The export of {run.checkpoint.id} does not run: {first_line(cause)}", hint=REPORT_HINT
            ) from cause
