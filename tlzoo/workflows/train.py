"""Training as asked for: everything of `finetune` that needs torch."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlzoo.allocator import raise_malloc_thresholds
from tlzoo.artifact.trained_on import TrainedOn
from tlzoo.data import Columns, SampleSplits, content_digests, unchanged, validation_copies
from tlzoo.errors import RunError, WriteError
from tlzoo.features.prefetch import FeaturePrefetch
from tlzoo.io.disk import resumable
from tlzoo.io.entry_points import describe_plugin
from tlzoo.io.files import remove
from tlzoo.io.timings import Clock
from tlzoo.models.devices import check_device
from tlzoo.models.digests import named_tensors, tensor_digests
from tlzoo.models.model import TaskModel
from tlzoo.models.seeds import keep_generators, seed_generators
from tlzoo.models.threads import limit_threads
from tlzoo.options import GradientDescent, StrategyOptions, changed_options, flat, run_options
from tlzoo.progress import advise, say, working
from tlzoo.registry.schema import Checkpoint
from tlzoo.runs.checks import Choices
from tlzoo.runs.out_of_fold import out_of_fold
from tlzoo.runs.paths import unfinished_dir
from tlzoo.runs.prepare import data_record, fit_task, prepare, with_cuts
from tlzoo.runs.record import OUT_OF_FOLD, CrossValidationRecord, DataRecord, Difference, ProbeRecord
from tlzoo.runs.trained import save_run
from tlzoo.tasks.intervals import LEVEL, few_samples_note, paired_difference
from tlzoo.tasks.rows import Outputs
from tlzoo.training.dry_run import dry_run
from tlzoo.training.history import EVENTS
from tlzoo.training.loop_state import Tensors
from tlzoo.training.resume import FILE, load_snapshot
from tlzoo.training.step_model import DatasetSplits
from tlzoo.training.strategies.base import TrainJob, TrainResult
from tlzoo.training.strategies.table import strategy_function
from tlzoo.training.weighting import check_strategy_weights
from tlzoo.workflows.run import Run

WEIGHT_DIGEST = 16
"""Hexadecimal digits of each tensor's digest that a snapshot keeps."""
FEW_GROUPS = 5
"""Groups of test samples below which it is said how little they prove."""
MAY_CHANGE_ON_RESUME = {"lr"}
"""Options that change weights and may still differ on resume: a smaller rate is the remedy for a diverged loss."""


@dataclass(frozen=True)
class TrainRequest:
    """What to train on which data, as `finetune` was asked for it, and where the run goes."""

    checkpoint: Checkpoint
    choices: Choices
    head: str
    data: str | Path
    test: str | Path | None
    validation: str | Path | None
    group_by: str | None
    columns: Columns
    parts: SampleSplits
    out: Path
    resume: bool


@keep_generators()
def train(asked: TrainRequest, clock: Clock) -> Run:
    """Train and save the run; errors as `finetune` raises them."""
    _, name, policy, how = asked.choices
    parts = asked.parts
    seed_generators(how.seed)
    with unchanged(parts.train, parts.validation, parts.test):
        result, sets, record = _train(asked, clock)
    seen = TrainedOn.of(content_digests((*parts.train.inputs, *parts.validation.inputs), parts.train.modality))
    asked_for = {"strategy": name, "freeze": policy, **run_options(how)}
    try:
        return _save(asked, result, sets, clock, seen, record, asked_for)
    except WriteError as error:
        raise _with_resume_hint(error, unfinished_dir(asked.out)) from error


def _train(asked: TrainRequest, clock: Clock) -> tuple[TrainResult, DatasetSplits, DataRecord]:
    blank, name, policy, how = asked.choices
    chosen, parts, columns = asked.checkpoint, asked.parts, asked.columns
    with clock.spent("prepare"):
        check_device(how)
        resumed = _load_resumed(unfinished_dir(asked.out), asked.resume)
        raise_malloc_thresholds()
        limit_threads()
    prefetch = (
        FeaturePrefetch(chosen, blank, (parts.train, parts.validation, parts.test), how) if name == "probe" else None
    )
    try:
        with clock.spent("prepare"):
            target = fit_task(blank, parts, columns)
            model, sets, about = prepare(chosen, target, parts, how, asked.head)
            more: dict[str, Any] = {"validation": asked.validation, "group_by": asked.group_by}
            record = data_record(asked.data, asked.test, columns, how.seed, parts, **more)
            check_strategy_weights(name, model, parts.train)
            with working("Trying one step"):
                dry_run(model, sets.train)
        with clock.spent("prepare"):
            facts = _run_identity(model, record, name, policy, how)
        if resumed:
            facts = _check_same_run(unfinished_dir(asked.out), resumed[1], facts, how, chosen.plugin)
        _report_data(model, parts, sets, how)
        places = {"data": asked.data, "test": asked.test, "validation": asked.validation}
        if early := name != "probe" and parts.train.modality == "text":  # a tokenizer tells before hours of training
            record = with_cuts(record, parts, sets, places)
        job = TrainJob(model, policy, sets, how, about, clock, unfinished_dir(asked.out), facts, resumed, prefetch)
        result = _run(name, job)
    finally:
        if prefetch is not None:
            prefetch.cancel()
    return result, sets, record if early else with_cuts(record, parts, sets, places)


def _with_resume_hint(error: WriteError, folder: Path | None) -> WriteError:
    """The error; where there is a snapshot, its hint says how to go on."""
    return resumable(error) if folder is not None and (folder / FILE).exists() else error


def _baseline(sets: DatasetSplits, outputs: Outputs) -> dict[str, float] | None:
    """The metrics on the test samples of answering by the frequencies of the training targets."""
    task, targets, (_, contexts) = sets.test.task, sets.test.sample_targets, sets.test.merge_outputs(outputs)
    found = task.prior_outputs(sets.train.sample_targets, len(targets))
    return None if found is None else task.metrics(found, targets, contexts)


def _beside_probe(result: TrainResult, sets: DatasetSplits, seed: int) -> ProbeRecord | None:
    """What a probe of the same features reaches on the test samples, and how the run compares."""
    if result.probe is None:
        return None
    (run, targets, contexts), (probe, _, _) = map(sets.test.independent, (result.outputs, result.probe))
    task, groups = sets.test.task, sets.test.independent_groups()
    found = paired_difference(task, run, probe, targets, contexts, seed, groups)
    between = Difference(metric=task.headline, level=LEVEL, value=found.value, low=found.low, high=found.high)
    return ProbeRecord(metrics=sets.test.metrics(result.probe), difference=between, verdict=found.verdict)


def _cross_validation(result: TrainResult, seed: int) -> CrossValidationRecord | None:
    """What probes reach on all samples, where those held out are few."""
    found = result.cross_validated
    if found is None:
        return None
    metrics = found.data.metrics(found.outputs)
    sure: Any = found.data.interval(found.outputs, metrics, seed)
    return CrossValidationRecord(metrics=metrics, interval=sure, n=found.data.samples, folds=found.folds)


def _report_data(model: TaskModel, parts: SampleSplits, sets: DatasetSplits, options: StrategyOptions) -> None:
    labels = f", {len(model.task.labels)} labels" if len(model.task.labels) > 1 else ""
    say(
        f"{model.checkpoint.id}: {sets.train.samples} training, {sets.validation.samples} validation, "
        f"{sets.test.samples} test samples{labels}, seed {options.seed}"
    )
    if groups := parts.groups():
        say(f"{sum(groups.values())} groups: {', '.join(f'{count} {part}' for part, count in groups.items())}")
        if (count := groups.get("test", FEW_GROUPS)) < FEW_GROUPS:
            say(f"The test samples are of {count} group{'s' * (count > 1)}: they say little of others.")
    if copies := validation_copies(parts):
        say(
            f"{copies} of {len(parts.validation)} validation samples have the content of a training sample: what is "
            "chosen on them is chosen on samples that were trained on."
        )
    if parts.train.weights:
        say("Samples are weighted in training; figures on validation and test samples count each alike.")
    for name, part in {"train": sets.train, "validation": sets.validation, "test": sets.test}.items():
        for line in part.notes():
            say(f"{name.capitalize()} data: {line}")
    for overlap in filter(None, (report.overlap for report in parts.reports.values())):
        if overlap.copies:
            say(overlap.line())
    unfreeze = getattr(options, "unfreeze_every", 0)
    if isinstance(options, GradientDescent) and options.epochs <= unfreeze:
        advise(f"`unfreeze_every={unfreeze}` with `epochs={options.epochs}` trains only the head.")


def _load_resumed(place: Path, resume: bool) -> tuple[Tensors, dict[str, Any]] | None:
    found = load_snapshot(place) if place.exists() else None
    if found:
        counts = found[1]["counts"]
        say(f"Resuming {place} from step {counts['step']}, epoch {counts['epoch'] + 1}")
    elif resume:
        say(f"No snapshot in {place}: training starts from the beginning.")
    return found


def _run_identity(
    model: TaskModel, data: DataRecord, strategy: str, policy: str, options: StrategyOptions
) -> dict[str, Any]:
    """What a resumed run must share with the run that was stopped.

    `weights` are digests of the tensors before training: a snapshot holds those alone that training changes. A probe
    has no snapshot.
    """
    digests = {} if strategy == "probe" else tensor_digests(named_tensors(model))
    return {
        "weights": {name: digest[:WEIGHT_DIGEST] for name, digest in digests.items()},
        "checkpoint": model.checkpoint.id,
        "preprocess": model.parts.preprocess.model_dump(mode="json", exclude={"tokenizer"}),
        "task": model.task.name,
        "data": data.fingerprint,
        "validation data": data.validation_fingerprint,
        "test data": data.heldout_fingerprint,
        "strategy": strategy,
        "freeze policy": policy,
        "options": flat(options),
    }


def _check_same_run(
    place: Path, before: Mapping[str, Any], now: dict[str, Any], options: StrategyOptions, plugin: str
) -> dict[str, Any]:
    """Raise RunError where a snapshot is of another run; else the facts for the next snapshot."""
    changed = [name for name in now if name not in ("options", "weights") and before.get(name, now[name]) != now[name]]
    changed += [name for name in changed_options(before["options"], options) if name not in MAY_CHANGE_ON_RESUME]
    if changed:
        raise RunError(
            f"The run in {place} was started with another {' and another '.join(changed)}.",
            hint="Resume it with the command that started it, or remove the folder and start again.",
        )
    if (name := _changed_weight(before.get("weights", {}), now["weights"])) is not None:
        raise RunError(
            f"The run in {place} was started from other weights: {describe_plugin(plugin)} now builds {name!r} "
            "with other values.",
            hint="Install the version of the plugin that started the run, or remove the folder and start again.",
        )
    if isinstance(options, GradientDescent) and before["options"]["lr"] != options.lr:
        say(f"The learning rate changes from {before['options']['lr']} to {options.lr}.")
        if options.lr != "auto":
            before["counts"]["lr"] = options.lr
    return {**now, **{name: before[name] for name in ("auto",) if name in before}}


def _changed_weight(before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """The first tensor that differs, appeared or disappeared."""
    return next((name for name in {**now, **before} if before.get(name) != now.get(name)), None)


def _run(strategy: str, job: TrainJob[StrategyOptions]) -> TrainResult:
    """Train; remove the folder of an unfinished run that has no snapshot."""
    try:
        return strategy_function(strategy)(job)
    except WriteError as error:
        raise _with_resume_hint(error, job.folder) from error
    finally:
        if job.folder is not None and not (job.folder / FILE).exists():
            shutil.rmtree(job.folder, ignore_errors=True)


def _save(
    asked: TrainRequest,
    result: TrainResult,
    sets: DatasetSplits,
    clock: Clock,
    trained_on: TrainedOn,
    record: DataRecord,
    options: Mapping[str, Any],
) -> Run:
    model, out = result.model, asked.out
    with clock.spent("validate"), working("Measuring on the test samples"):
        metrics = sets.test.metrics(result.outputs)
        sure: Any = sets.test.interval(result.outputs, metrics, options["seed"])
        different = len(sets.test.without_copies())
        if note := few_samples_note(model.task, different, copies=different < sets.test.samples):
            say(note)
        baseline, beside = _baseline(sets, result.outputs), _beside_probe(result, sets, options["seed"])
    seconds = clock.rounded()
    save_run(
        out,
        model,
        sets.test,
        result.history,
        keep=sorted(unfinished_dir(out).glob(EVENTS)),
        tables={OUT_OF_FOLD: out_of_fold(result.cross_validated, asked.parts)} if result.cross_validated else {},
        trained_on=trained_on,
        data=record,
        options={**options, **result.details},
        metrics=metrics,
        interval=sure,
        baseline=baseline,
        probe=beside,
        cross_validation=_cross_validation(result, options["seed"]),
        frozen=result.frozen,
        seconds={**seconds, "total": round(sum(seconds.values()), 2)},
    )
    if not remove(place := unfinished_dir(out)):
        say(f"{place} cannot be removed; nothing of it is needed any more: remove it.")
    return Run.load(out)
