"""`tlzoo.finetune`: from a checkpoint and labelled data to a run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from tlzoo import registry
from tlzoo.allocator import keep_big_blocks
from tlzoo.data import Columns, endings_of, read_parts
from tlzoo.errors import RunError
from tlzoo.features.prefetch import HeadStart
from tlzoo.io.timings import Clock
from tlzoo.models.model import Model
from tlzoo.options import GradientDescent, StrategyOptions, differences, flat, recorded
from tlzoo.progress import say
from tlzoo.registry.schema import Checkpoint
from tlzoo.runs.checks import check
from tlzoo.runs.prepare import data_record, fitted, prepare, refuse_unusable, task_for, with_preprocess
from tlzoo.runs.record import DataRecord
from tlzoo.runs.run import refuse_existing, save_run
from tlzoo.training.history import EVENTS
from tlzoo.training.intervals import interval
from tlzoo.training.loop_state import Tensors
from tlzoo.training.rehearsal import rehearse
from tlzoo.training.resume import FILE, load_checkpoint
from tlzoo.training.step_model import Sets
from tlzoo.training.strategies.base import TrainJob, TrainResult
from tlzoo.training.strategies.table import settle, train_of
from tlzoo.workflows.run import Run

MAY_CHANGE = {"lr"}
"""Options that change weights and may still differ when a run is resumed: the way out of a loss that exploded."""


def finetune(
    checkpoint: str | Checkpoint,
    data: str | Path,
    *,
    out: str | Path,
    test: str | Path | None = None,
    task: str | None = None,
    strategy: str | StrategyOptions = "probe",
    freeze: str | None = None,
    head: str | None = None,
    options: Mapping[str, Any] | None = None,
    columns: Columns | None = None,
    preprocess: Mapping[str, Any] | None = None,
    resume: bool = False,
    **more: Any,
) -> Run:
    """Train a head on `checkpoint`, and as much of it as `strategy` and `freeze` say; save a run in `out`.

    `strategy` is `probe` (a linear head on frozen features; see `tlzoo.training.strategies.probe_fit`), `finetune`
    (AdamW with warm-up and cosine), `lp-ft` (the one from the other), `lora` (adapters, merged at the end) or `auto` (a
    short comparison), a plugin's `plugin/name`, or a name with its options: `tlzoo.Probe`, `Finetune`, `LPFT`, `LoRA`
    or `Auto`. Options are taken as keywords too, such as `epochs=3`, `augment="light"` or `cache=False`, and from the
    mapping `options`; each may be given once. `freeze` is `all`, `none`, `until:<stage>`, `last:<n>`, `norm`,
    `lora:<rank>` or what a plugin adds; what it leaves frozen in front is computed once and cached, and all that is
    frozen is proven bit-identical at the end. `head` is `linear`, or `plugin/name` for that of a plugin; by default the
    checkpoint's plugin's, else the task's own. `task` is needed where the checkpoint serves several. `preprocess`
    overrides fields of the checkpoint's, such as `{"seconds": 2.0}` or `{"max_length": 128}`, of a plugin's own
    preprocessing its options. `columns` names a table's columns. While it trains, `out`.unfinished holds checkpoints,
    history and events; `resume` goes on from there, on a CPU to the same bits.

    Raises a TlzooError for anything a user can cause: DataError, UnknownCheckpoint, PluginError, SourceError,
    UsageError, TrainingError, RunError when `out` exists or what is to be resumed does not fit.
    """
    clock, out = Clock(), Path(out)
    with clock.spent("prepare"):
        chosen = registry.get(checkpoint) if isinstance(checkpoint, str) else checkpoint
        refuse_existing(out)
        resumed = _resumed(unfinished(out), resume)
        others = signature(finetune).parameters
        name, policy, how = settle(strategy, freeze, options or {}, more, others=others)
        blank = task_for(chosen, task)
        refuse_unusable(blank)
        check(blank, name, policy, how, head)
        parts = read_parts(data, test, blank, columns or {}, how.seed, endings_of(chosen.preprocess))
        keep_big_blocks()
        chosen = with_preprocess(chosen, preprocess)
    started = HeadStart(chosen, blank, (parts.train, parts.validation, parts.test), how) if name == "probe" else None
    try:
        with clock.spent("prepare"):
            target = fitted(blank, parts, columns or {})
            model, sets, about = prepare(chosen, target, parts, how, head or "")
            record = data_record(data, test, columns or {}, how.seed, parts)
            rehearse(model, sets.train)
        facts = _facts(model, record, name, policy, how)
        if resumed:
            facts = _refuse_another(unfinished(out), resumed[1], facts, how)
        _announce(model, sets, name, how)
        job = TrainJob(model, policy, sets, how, about, clock, unfinished(out), facts, resumed, started)
        outcome = _run(name, job)
    finally:
        if started is not None:
            started.end()
    return _save(out, outcome, sets, clock, record, {"strategy": name, "freeze": policy, **recorded(how)})


def _announce(model: Model, sets: Sets, strategy: str, options: StrategyOptions) -> None:
    labels = f", {len(model.task.labels)} labels" if model.task.labels else ""
    say(
        f"{model.checkpoint.id}: {sets.train.samples} training, {sets.validation.samples} validation, "
        f"{sets.test.samples} test samples{labels}, seed {options.seed}"
    )
    for name, part in vars(sets).items():
        for line in part.notes():
            say(f"Of the {name} data: {line}")
    unfreeze = getattr(options, "unfreeze_every", 0)
    if isinstance(options, GradientDescent) and options.epochs <= unfreeze:
        say(f"--unfreeze-every {unfreeze} of {options.epochs} epochs trains the head only.")


def unfinished(out: Path) -> Path:
    """Where a run to `out` keeps its checkpoints while it is under way."""
    return out.with_name(out.name + ".unfinished")


def _resumed(place: Path, resume: bool) -> tuple[Tensors, dict[str, Any]] | None:
    if place.exists() and not resume:
        raise RunError(
            f"There is an unfinished run in {place}.",
            hint="Go on with it: the same again with `resume=True`. Or remove it.",
            parameter="resume",
        )
    found = load_checkpoint(place) if place.exists() else None
    if found:
        counts = found[1]["counts"]
        say(f"Going on from step {counts['step']}, epoch {counts['epoch'] + 1}, of {place}")
    elif resume:
        say(f"There is no checkpoint in {place}: training starts from the beginning.")
    return found


def _facts(model: Model, data: DataRecord, strategy: str, policy: str, options: StrategyOptions) -> dict[str, Any]:
    """What a resumed run must have in common with the one that was stopped."""
    return {
        "checkpoint": model.checkpoint.id,
        "preprocess": model.parts.preprocess.model_dump(mode="json", exclude={"tokenizer"}),
        "task": model.task.name,
        "data": data.fingerprint,
        "test data": data.heldout_fingerprint,
        "strategy": strategy,
        "freeze policy": policy,
        "options": flat(options),
    }


def _refuse_another(
    place: Path, before: Mapping[str, Any], now: dict[str, Any], options: StrategyOptions
) -> dict[str, Any]:
    """Raise RunError where a checkpoint is of another run; else what is to stand in the next one."""
    changed = [name for name in now if name != "options" and before.get(name) != now[name]]
    changed += [name for name in differences(before["options"], options) if name not in MAY_CHANGE]
    if changed:
        raise RunError(
            f"The run in {place} had another {' and another '.join(changed)}.",
            hint="Resume it with the command that started it, or remove it and start anew.",
        )
    if isinstance(options, GradientDescent) and before["options"]["lr"] != options.lr:
        say(f"The rate was {before['options']['lr']} and is {options.lr} from here on.")
        if options.lr != "auto":
            before["counts"]["lr"] = options.lr
    return {**now, **{name: before[name] for name in ("auto",) if name in before}}


def _run(strategy: str, job: TrainJob[StrategyOptions]) -> TrainResult:
    """Train; what is left in the folder of an unfinished run is a checkpoint, or nothing."""
    try:
        return train_of(strategy)(job)
    finally:
        if job.folder is not None and not (job.folder / FILE).exists():
            shutil.rmtree(job.folder, ignore_errors=True)


def _save(
    out: Path, outcome: TrainResult, sets: Sets, clock: Clock, record: DataRecord, options: Mapping[str, Any]
) -> Run:
    model = outcome.model
    with clock.spent("validate"):
        metrics = sets.test.metrics(outcome.outputs)
        merged, contexts = sets.test.merged(outcome.outputs)
        sure = interval(model.task, merged, sets.test.sample_targets, contexts, options["seed"])
    seconds = clock.rounded()
    save_run(
        out,
        model,
        sets.test,
        outcome.history,
        keep=sorted(unfinished(out).glob(EVENTS)),
        data=record,
        options={**options, **outcome.details},
        metrics=metrics,
        interval=sure,
        frozen=outcome.frozen,
        seconds={**seconds, "total": round(sum(seconds.values()), 2)},
    )
    shutil.rmtree(unfinished(out), ignore_errors=True)
    return Run.load(out)
