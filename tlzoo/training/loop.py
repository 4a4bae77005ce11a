"""The training loop: epochs, snapshots, and the best epoch on validation.

Every epoch's order and every step's random numbers follow from the seed and the step's number alone, so a run that was
killed and resumed ends in the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tlzoo.errors import TrainingError
from tlzoo.features.extract import order_by_length
from tlzoo.interfaces import Freeze
from tlzoo.io.stops import keep_note
from tlzoo.io.timings import Clock
from tlzoo.models.devices import catch_out_of_memory, grad_scaler, select_device
from tlzoo.models.freezing import set_trainable
from tlzoo.models.model import TaskModel
from tlzoo.models.seeds import seed_generators
from tlzoo.options import GradientDescent
from tlzoo.plugins.containment import watch, watch_task
from tlzoo.preprocess.prefetch import prefetch
from tlzoo.progress import Advance, progress, say
from tlzoo.tasks.rows import OutputCollector, Outputs
from tlzoo.training.early_stopping import StopSignal, catch_stop_signals
from tlzoo.training.evaluation import check_finite
from tlzoo.training.history import MetricsWriter, open_metrics_writer
from tlzoo.training.loop_state import LoopCounters, Tensors, TrainingState, changing_tensors
from tlzoo.training.optim import apply_l2_sp, build_adamw, set_learning_rate, update_ema
from tlzoo.training.step_model import DatasetSplits, StepModel, build_step_model, to_tensors
from tlzoo.training.steps import batch_loss, count_steps, lr_range_test, shuffled_order, usable_samples
from tlzoo.training.weighting import check_head_weights


@dataclass(frozen=True)
class LoopResult:
    """One row of metrics per epoch, and the step model of the last epoch."""

    rows: list[dict[str, float]]
    step_model: StepModel
    facts: dict[str, Any]


@dataclass
class LoopContext:
    """Everything that the loop passes from step to step."""

    model: TaskModel
    options: GradientDescent
    state: TrainingState
    pretrained: Tensors
    steps: int
    clock: Clock
    writer: MetricsWriter | None
    folder: Path | None
    facts: Mapping[str, Any]
    stop: StopSignal = field(default_factory=StopSignal)
    saved: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.monotonic)


def train(
    model: TaskModel,
    plan: Sequence[Freeze],
    sets: DatasetSplits,
    options: GradientDescent,
    *,
    clock: Clock | None = None,
    folder: Path | None = None,
    resumed: tuple[Tensors, dict[str, Any]] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> LoopResult:
    """Train `model` in place and leave it in eval mode with the weights of its best epoch; `finish` is for afterwards.

    `plan` says for every epoch what trains; none may train more than the last. `folder` receives snapshots (with
    `facts`), history and events; `resumed` is a snapshot to continue from. Raises TrainingError at the first step whose
    loss is not finite, where validation outputs are not finite, and where a snapshot cannot be written.
    """
    if sets.train.weights is not None:
        check_head_weights(model)
    clock, last = clock or Clock(), plan[-1]
    set_trainable(model, last)
    model.to(device=select_device(options.device)).to(memory_format=torch.channels_last)
    steps = count_steps(len(sets.train), options)
    step_model: StepModel | None = None
    if resumed is None:
        set_trainable(model, plan[0])
        step_model = build_step_model(model, plan[0], sets, options, clock)
    with clock.spent("prepare"):
        lr = resumed[1]["counts"]["lr"] if resumed else _learning_rate(model, last, step_model, options)
        state = _initial_state(model, last, options, lr)
        pretrained = _pretrained(state.changing, options)
        if resumed:
            state.restore(resumed[0], resumed[1]["counts"])
            state.counts.lr = lr
    at = plan[0]
    with open_metrics_writer(folder, state.counts.step) as writer:
        context = LoopContext(model, options, state, pretrained, steps, clock, writer, folder, facts or {})
        epoch_samples, group = usable_samples(len(sets.train), options), options.batch * options.accumulate
        done = state.counts.epoch * epoch_samples + state.counts.done * group
        if step_model is not None:
            with catch_stop_signals() as context.stop, catch_out_of_memory(options.batch):
                _validate_start(context, step_model)
        with progress("Training", min(options.epochs * epoch_samples, steps * group), done=done) as advance:
            while not (over := _is_over(context)) or step_model is None:
                now = plan[state.counts.epoch - over]
                if step_model is None or now != at:
                    at = now
                    set_trainable(model, at)
                    step_model = build_step_model(model, at, sets, options, clock)
                    state.changing = changing_tensors(model, last)  # buffers are others after a move to a device
                if over:  # already when it was stopped
                    break
                with catch_stop_signals() as context.stop:
                    _finish_epoch(context, step_model, advance)
    state.restore_best()
    step_model.prepare(False)
    if not state.counts.best_epoch:
        say("No epoch was better on validation than the model before training, which is kept.")
    rows = state.counts.rows
    return LoopResult(rows, step_model, {"lr": lr, "best_epoch": state.counts.best_epoch, **step_model.facts})


def finish(model: TaskModel) -> TaskModel:
    """The model on the CPU, in eval mode and in the usual memory format, as it is saved and exported."""
    return model.cpu().to(memory_format=torch.contiguous_format).eval()


def _learning_rate(model: TaskModel, frozen: Freeze, step_model: StepModel | None, options: GradientDescent) -> float:
    if options.lr != "auto":
        return options.lr
    assert step_model is not None
    with catch_out_of_memory(options.batch):
        return lr_range_test(model, frozen, step_model, options)


def _initial_state(model: TaskModel, frozen: Freeze, options: GradientDescent, lr: float) -> TrainingState:
    optimizer = build_adamw(model, frozen.trainable, options, lr)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    changing = changing_tensors(model, frozen)
    averages = {name: tensor.detach().clone() for name, tensor in changing.items()} if options.ema else {}
    scaler = grad_scaler(options.precision, select_device(options.device))
    return TrainingState(changing, averages, optimizer, names, scaler, counts=LoopCounters(lr=lr))


def _pretrained(changing: Tensors, options: GradientDescent) -> Tensors:
    if not options.l2_sp:
        return {}
    return {
        name: tensor.detach().clone()
        for name, tensor in changing.items()
        if name.startswith("backbone.") and isinstance(tensor, torch.nn.Parameter)
    }


class _StopRequested(Exception):
    """The run was asked to stop."""


def _finish_epoch(context: LoopContext, step_model: StepModel, advance: Advance) -> None:
    """Train the rest of the current epoch and validate; on a stop signal, save a snapshot first."""
    try:
        with catch_out_of_memory(context.options.batch):
            _run_epoch(context, step_model, advance)
        _validate(context, step_model)
        if context.stop.signal is not None:  # it came after the last check, and the next epoch installs new handlers
            raise _StopRequested
    except _StopRequested:
        _save(context)
        if context.folder is not None:
            step = context.state.counts.step
            place = f"All up to step {step} is in {context.folder}."
            keep_note(f"{place} Go on with the same command and --resume (in Python: resume=True).")
        context.stop.exit()


def _run_epoch(context: LoopContext, step_model: StepModel, advance: Advance) -> None:
    """The rest of the current epoch, step by step."""
    options, counts, clock = context.options, context.state.counts, context.clock
    source, group = step_model.sources["train"], options.batch * options.accumulate
    order = shuffled_order(source, np.random.default_rng([options.seed, counts.epoch]), options.batch)
    left = context.steps - counts.step + counts.done
    order = order[: min(usable_samples(len(source), options), left * group)]
    rest = order[counts.done * group :]
    step_model.prepare(True)
    batches = prefetch(lambda chunk: source.arrays(chunk, counts.epoch), rest, options.batch)
    pending: list[tuple[list[int], dict[str, np.ndarray]]] = []
    for number, batch in enumerate(clock.waiting(batches, "decode"), start=1):
        pending.append(batch)
        if len(pending) < options.accumulate and number * options.batch < len(rest):
            continue
        with clock.spent("train"):
            loss = _step(context, step_model, pending)
        trained = sum(len(positions) for positions, _ in pending)
        counts.loss += loss * trained
        counts.seen += trained
        advance(trained, _progress_note(context))
        pending = []
        _after_step(context)


def _progress_note(context: LoopContext) -> str:
    """The mean loss of this epoch so far and the metric of the last one."""
    counts, name = context.state.counts, context.options.monitor or context.model.task.monitor
    metric = f", {name} {counts.rows[-1][name]:.3f}" if counts.rows else ""
    return f"loss {counts.loss / counts.seen:.3f}{metric}"


def _step(
    context: LoopContext, step_model: StepModel, batches: Sequence[tuple[list[int], dict[str, np.ndarray]]]
) -> float:
    """One optimizer step over these batches; returns their mean loss."""
    options, state = context.options, context.state
    step, optimizer = state.counts.step, state.optimizer
    seed_generators(int(np.random.SeedSequence([options.seed, step]).generate_state(1, np.uint64)[0] >> 1))
    set_learning_rate(optimizer, step, context.steps, options.warmup)
    optimizer.zero_grad()
    samples = sum(len(positions) for positions, _ in batches)
    total = 0.0
    for number, (positions, arrays) in enumerate(batches):
        loss = batch_loss(context.model, step_model, positions, arrays, options, [options.seed, step, number])
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The loss became {loss.item()} at step {step + 1}.{_snapshot_note(context)}",
                hint=_lr_hint(context),
                parameter="lr",
            )
        state.scaler.scale(loss * (len(positions) / samples)).backward()  # type: ignore[no-untyped-call]
        total += loss.item() * len(positions) / samples
    state.scaler.unscale_(optimizer)
    parameters = {name: tensor for name, tensor in state.changing.items() if tensor.requires_grad}
    apply_l2_sp(parameters, context.pretrained, options.l2_sp)  # type: ignore[arg-type]
    if options.clip:
        torch.nn.utils.clip_grad_norm_(parameters.values(), options.clip)
    state.step()
    update_ema(state.averages, state.changing, options.ema, step)
    state.counts.step += 1
    state.counts.done += 1
    return total


def _after_step(context: LoopContext) -> None:
    """Log events, and save a snapshot when it is due or a stop signal came."""
    counts, options = context.state.counts, context.options
    if context.writer and (counts.step % 10 == 0 or counts.step == 1):
        rate = context.state.optimizer.param_groups[0]["lr"]
        context.writer.scalars(counts.step, {"train/loss": counts.loss / counts.seen, "train/lr": rate})
    if time.monotonic() - context.saved >= options.snapshot_every:
        _save(context)
    if context.stop.signal is not None:
        raise _StopRequested


def _save(context: LoopContext) -> None:
    if context.folder is None:
        return
    counts = context.state.counts
    counts.seconds += time.monotonic() - context.began
    context.began = context.saved = time.monotonic()
    with context.clock.spent("snapshots"):
        context.state.save(context.folder, dict(context.facts))


def _validate_start(context: LoopContext, step_model: StepModel) -> None:
    """Measure the model as it is before the first step: where no epoch is better, it is what training returns."""
    try:
        metrics = _keep_if_best(context, step_model, 0)
    except _StopRequested:
        context.stop.exit()
    name, headline = context.options.monitor or context.model.task.monitor, context.model.task.headline
    say(
        f"Before training: validation {name} {metrics[name]:.4f}"
        + (f", {headline} {metrics[headline]:.4f}" if headline != name else "")
    )


def _keep_if_best(context: LoopContext, step_model: StepModel, epoch: int) -> dict[str, float]:
    """The metrics on validation; the weights are kept if these are the best so far."""
    counts, model = context.state.counts, context.model
    name = context.options.monitor or model.task.monitor
    found = outputs(model, step_model, "validation", context)
    with watch_task("Computing metrics", model.task.plugin):
        metrics = step_model.sources["validation"].data.metrics(found)
    value = metrics[name] if model.task.better(name) == "min" else -metrics[name]
    if counts.best is None or value < counts.best:
        context.state.keep_best()
        counts.best, counts.best_epoch = value, epoch
    return metrics


def _validate(context: LoopContext, step_model: StepModel) -> None:
    """Validate the epoch, keep its weights if they are the best, and count the epoch as done."""
    counts, model = context.state.counts, context.model
    name = context.options.monitor or model.task.monitor
    with context.state.averaged():
        metrics = _keep_if_best(context, step_model, counts.epoch + 1)
    better = counts.best_epoch == counts.epoch + 1
    counts.stale = 0 if better else counts.stale + 1
    elapsed = counts.seconds + time.monotonic() - context.began
    loss = counts.loss / max(1, counts.seen)
    counts.rows.append(
        {"epoch": counts.epoch + 1, "steps": counts.step, "loss": loss, **metrics, "seconds": round(elapsed, 2)}
    )
    counts.epoch, counts.done, counts.loss, counts.seen = counts.epoch + 1, 0, 0.0, 0
    headline = model.task.headline
    say(
        f"Epoch {counts.epoch}/{context.options.epochs}: loss {loss:.4f}, validation {name} {metrics[name]:.4f}"
        + (f", {headline} {metrics[headline]:.4f}" if headline != name else "")
    )
    if context.writer:
        context.writer.epoch(counts.rows)
    _save(context)


def _is_over(context: LoopContext) -> bool:
    counts, options = context.state.counts, context.options
    if counts.epoch >= options.epochs or (counts.step >= context.steps and not counts.done):
        return True
    if options.patience and counts.stale >= options.patience:
        say(f"Early stopping: no improvement since epoch {counts.best_epoch}.")
        return True
    return False


def outputs(
    model: TaskModel, step_model: StepModel, part: str, context: LoopContext | None = None, batch: int = 32
) -> Outputs:
    """The task's outputs for a part of the data in eval mode; raises TrainingError where one is not finite."""
    source, clock = step_model.sources[part], context.clock if context else Clock()
    step_model.prepare(False)
    rows = OutputCollector(model.task.outputs, len(source))
    batches = prefetch(lambda chunk: source.arrays(chunk, 0), order_by_length(source.data), batch)
    with progress(f"Evaluating on {part}", len(source)) as advance, torch.no_grad():
        for positions, arrays in clock.waiting(batches, "decode"):
            with clock.spent("validate"), watch("The forward pass", *model.plugins):
                made = model.named(step_model.evaluate(*to_tensors(arrays, step_model.device)))
            rows.put(
                positions, {name: value.cpu().numpy() for name, value in made.items()}, source.data.lengths(positions)
            )
            advance(len(positions))
            if context is not None and context.stop.signal is not None:
                raise _StopRequested
    found = rows.outputs()
    check_finite(
        found, _snapshot_note(context) if context else "", _lr_hint(context) if context else "Try a smaller `lr`."
    )
    return found


def _snapshot_note(context: LoopContext) -> str:
    best = context.state.counts.best_epoch
    return f" The last good snapshot is in {context.folder}." if context.folder and best else ""


def _lr_hint(context: LoopContext) -> str:
    best = context.state.counts.best_epoch
    return (
        "Continue from it with `resume=True` and a smaller `lr`." if context.folder and best else "Try a smaller `lr`."
    )
