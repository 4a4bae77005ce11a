"""`tlzoo.verify`: an exported file's proof, repeated anywhere, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tlzoo.allocator import raise_malloc_thresholds
from tlzoo.artifact.manifest import Parity
from tlzoo.artifact.reference import DIGEST_BYTES, ReferenceOutputs, unpack
from tlzoo.artifact.trained_on import count_seen, of_file
from tlzoo.data import (
    Columns,
    Samples,
    announce,
    check_columns,
    check_used,
    content_digests,
    endings_of,
    read,
    say_cut,
)
from tlzoo.data.broken import Reading, tolerate
from tlzoo.data.columns import GROUP, SPLIT, WEIGHT, without
from tlzoo.data.contents import keep_part
from tlzoo.data.dataset import TaskDataset, make_dataset
from tlzoo.errors import ArtifactError, DataError, ParityError, UsageError, concerning
from tlzoo.exporting.check import Measure, Proof, prove
from tlzoo.io.inputs.report import ReadReport, Skip
from tlzoo.options.arguments import check_paths, check_shares
from tlzoo.plugins.containment import guard_workflow
from tlzoo.progress import progress, say
from tlzoo.runs.run import RunFolder
from tlzoo.runtime import Predictor, load
from tlzoo.runtime.unknown_task import UnknownTask
from tlzoo.tasks.rows import Outputs, select


@dataclass(frozen=True)
class Verification:
    """The proof repeated on the samples of the data that the file was proven on; `missing` of them are not in the data.

    `metrics` are measured here on all `n` samples of the data, where they are labelled; `exported_metrics` are those
    measured at export, on every sample of the proof. `read` counts what was read and what was left out, `trained_on`
    how many of the samples were trained on, `None` where that is not known.
    """

    parity: Parity
    worst: str
    missing: int
    n: int
    metrics: dict[str, float] | None
    exported_metrics: dict[str, float]
    read: Mapping[str, Any] = field(default_factory=dict)
    trained_on: int | None = None


@guard_workflow()
def verify(
    file: str | Path, data: str | Path, *, columns: Columns | None = None, skip_broken: float = 0.0
) -> Verification:
    """Compare an exported file's outputs here with the trained model's outputs at export.

    The trained model's logits for held-out samples lie in the file; samples of `data` are known again by their
    contents. Thresholds are those it was exported with. Up to the share `skip_broken` of all, samples that cannot be
    read are left out. Raises ParityError where they do not hold, DataError where
    none of the samples is in `data`, ArtifactError for a file without reference outputs.
    """
    raise_malloc_thresholds()
    columns = check_columns(columns)
    if isinstance(file, RunFolder):
        raise UsageError(
            f"`file` cannot be the run {file.path}: a proof is in an exported file.",
            hint="Export it first: run.export('model.onnx').",
            parameter="file",
        )
    check_paths(file=file, data=data)
    check_shares(skip_broken=skip_broken)
    with concerning("file", ArtifactError, inner="path"):
        predictor = load(file)
    reference = unpack(predictor.metadata, predictor.manifest, predictor.task.outputs, str(file))
    read = partial(_read_samples, data, predictor, columns)
    again = partial(_repeat, file, predictor, reference, data)
    return tolerate(skip_broken, read, again, lambda: predictor.preprocessor)


def _repeat(
    file: str | Path,
    predictor: Predictor,
    reference: ReferenceOutputs,
    data: str | Path,
    given: tuple[Samples, ReadReport],
) -> Verification:
    """The proof on the samples that were read of the data."""
    samples, report = given
    here = make_dataset(samples, predictor.task, predictor.preprocessor)
    places = {name: at for at, name in enumerate(reference.contents)}
    digests = content_digests(samples.inputs, samples.modality)
    parts = digests if here.windows is None else content_digests(here.inputs, samples.modality)
    known = [digest[:DIGEST_BYTES] for digest in parts]
    pairs = {places[name]: at for at, name in enumerate(known) if name in places}
    if not pairs:
        raise DataError(
            f"None of the {len(samples)} samples of {data} is among the {len(places)} samples of the proof in {file}.",
            hint="Pass the data that was held out at export.",
        )
    stored, found = zip(*sorted(pairs.items()), strict=True)
    metrics, measure = _metrics(predictor, here), None
    say_cut(report, data, here.cut())
    if metrics is not None and here.windows is None:
        subset = here.subset(found)
        measure = lambda outputs: subset.metrics(outputs)[predictor.task.headline]  # noqa: E731
    proof = _compare(predictor, here, found, select(reference.outputs, stored), measure, file)
    return Verification(
        parity=proof.parity,
        worst=proof.worst,
        missing=len(places) - len(pairs),
        n=len(samples),
        metrics=metrics,
        exported_metrics=dict(predictor.manifest.metrics["exported"]),
        read=report.facts(),
        trained_on=count_seen(of_file(predictor.metadata, str(file)), digests),
    )


def _compare(
    predictor: Predictor,
    data: TaskDataset,
    chosen: Sequence[int],
    reference: Outputs,
    measure: Measure | None,
    file: str | Path,
) -> Proof:
    """The proof on these inputs of the data."""
    whole = None if data.windows is None else len({data.sample_of(at) for at in chosen})
    try:
        return prove(
            predictor,
            [data.inputs[at] for at in chosen],
            reference,
            thresholds=predictor.manifest.parity.thresholds,
            measure=measure,
            whole=whole,
        )
    except ParityError as error:
        raise ParityError(
            f"{file} fails its proof on this machine: {error.message}",
            hint="Export it again; the outputs of an int8 file may depend on the processor.",
        ) from error


def _read_samples(
    data: str | Path, predictor: Predictor, columns: Columns, skip: Skip
) -> Reading[tuple[Samples, ReadReport]]:
    """The samples of `data`; of data with a test part, those of that part."""
    endings = endings_of(predictor.manifest.preprocess)
    labelled = not isinstance(predictor.task, UnknownTask)  # the proof stands without labels
    known: Columns = predictor.manifest.columns  # type: ignore[assignment]
    report = ReadReport()
    named, task = without({**known, **columns}, GROUP, WEIGHT), predictor.task
    how: dict[str, Any] = {"endings": endings, "report": report, "skip": skip, "optional": (SPLIT,)}
    with concerning("data", DataError):
        collection = read(data, task, columns=named, labelled=labelled, **how)
    if labelled:
        check_used(columns, report.roles, data)
    samples = keep_part(collection, task, report, test=True)
    announce(report, data, skip)
    return Reading((samples, report), [samples], [report])


def _metrics(predictor: Predictor, data: TaskDataset) -> dict[str, float] | None:
    """The metrics of all samples, where they are labelled and can be had: the proof stands without them."""
    if data.targets is None:
        return None
    try:
        with progress("Predicting for the metrics", len(data.inputs)) as advance:
            longer = set[int]()
            found = predictor.outputs(data.inputs, advance=advance, longer=longer)
        data.note_longer({at: at in longer for at in range(len(data))})
        return data.metrics(found)
    except UsageError as error:
        say(str(error))
        return None
