"""Gradient descent on a network: epochs, checkpoints, the best epoch on validation kept.

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
from tlzoo.features.extract import by_length
from tlzoo.interfaces import Freeze
from tlzoo.io.timings import Clock
from tlzoo.models.devices import fitting, pick
from tlzoo.models.freezing import mark
from tlzoo.models.model import Model
from tlzoo.options import GradientDescent
from tlzoo.preprocess.prefetch import ahead
from tlzoo.progress import Advance, progress, say
from tlzoo.tasks.rows import Collector, Outputs
from tlzoo.training.early_stopping import Stop, stoppable
from tlzoo.training.evaluation import refuse_not_finite
from tlzoo.training.history import Record, recording
from tlzoo.training.loop_state import Counts, State, Tensors, changing_tensors
from tlzoo.training.optim import adamw, average, pull, set_rate
from tlzoo.training.step_model import Network, Sets, connect, tensors
from tlzoo.training.steps import count_steps, loss_of, shuffled, try_rates, usable


@dataclass(frozen=True)
class Trained:
    """One row per epoch; the network of the last epoch, and what was computed once for it."""

    rows: list[dict[str, float]]
    network: Network
    facts: dict[str, Any]


@dataclass
class Under:
    """What a run under way needs at hand."""

    model: Model
    options: GradientDescent
    state: State
    pretrained: Tensors
    steps: int
    clock: Clock
    record: Record
    folder: Path | None
    facts: Mapping[str, Any]
    stop: Stop = field(default_factory=Stop)
    saved: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.monotonic)


def train(
    model: Model,
    plan: Sequence[Freeze],
    sets: Sets,
    options: GradientDescent,
    *,
    clock: Clock | None = None,
    folder: Path | None = None,
    resumed: tuple[Tensors, dict[str, Any]] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Trained:
    """Train `model` in place and leave it in eval mode with the weights of its best epoch; `finish` is for afterwards.

    `plan` says for every epoch what trains; none may train more than the last. `folder` takes checkpoints (with
    `facts`), history and events; `resumed` is a checkpoint to go on from. Raises TrainingError at the first step whose
    loss is not finite, where validation gives such outputs, and where a checkpoint cannot be written.
    """
    clock, last = clock or Clock(), plan[-1]
    mark(model, last)
    model.to(device=pick(options.device)).to(memory_format=torch.channels_last)
    steps = count_steps(len(sets.train), options)
    network: Network | None = None
    if resumed is None:
        mark(model, plan[0])
        network = connect(model, plan[0], sets, options, clock)
    with clock.spent("prepare"):
        lr = resumed[1]["counts"]["lr"] if resumed else _rate(model, last, network, options)
        state = _start(model, last, options, lr)
        pretrained = _pretrained(state.changing, options)
        if resumed:
            state.restore(resumed[0], resumed[1]["counts"])
            state.counts.lr = lr
    at = plan[0]
    with recording(folder, state.counts.step) as record:
        under = Under(model, options, state, pretrained, steps, clock, record, folder, facts or {})
        passing, group = usable(len(sets.train), options), options.batch * options.accumulate
        done = state.counts.epoch * passing + state.counts.done * group
        with progress("Training", min(options.epochs * passing, steps * group), done=done) as advance:
            while not (over := _is_over(under)) or network is None:
                now = plan[state.counts.epoch - over]
                if network is None or now != at:
                    at = now
                    mark(model, at)
                    network = connect(model, at, sets, options, clock)
                    state.changing = changing_tensors(model, last)  # buffers are others after a move to a device
                if over:  # already when it was stopped
                    break
                with stoppable() as under.stop:
                    _finish_epoch(under, network, advance)
    state.restore_best()
    network.prepare(False)
    rows = state.counts.rows
    return Trained(rows, network, {"lr": lr, "best_epoch": state.counts.best_epoch, **network.facts})


def finish(model: Model) -> Model:
    """The model on the CPU, in eval mode and in the usual memory format, as it is saved and exported."""
    return model.cpu().to(memory_format=torch.contiguous_format).eval()


def _rate(model: Model, frozen: Freeze, network: Network | None, options: GradientDescent) -> float:
    if options.lr != "auto":
        return options.lr
    assert network is not None
    with fitting(options.batch):
        return try_rates(model, frozen, network, options)


def _start(model: Model, frozen: Freeze, options: GradientDescent, lr: float) -> State:
    optimizer = adamw(model, frozen.trainable, options, lr)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    changing = changing_tensors(model, frozen)
    averages = {name: tensor.detach().clone() for name, tensor in changing.items()} if options.ema else {}
    return State(changing, averages, optimizer, names, counts=Counts(lr=lr))


def _pretrained(changing: Tensors, options: GradientDescent) -> Tensors:
    if not options.l2_sp:
        return {}
    return {
        name: tensor.detach().clone()
        for name, tensor in changing.items()
        if name.startswith("backbone.") and isinstance(tensor, torch.nn.Parameter)
    }


class _Asked(Exception):
    """The run was asked to stop."""


def _finish_epoch(under: Under, network: Network, advance: Advance) -> None:
    """Train the rest of the present epoch and measure it; when asked to stop, keep a checkpoint first."""
    try:
        with fitting(under.options.batch):
            _epoch(under, network, advance)
        _validate(under, network)
        if under.stop.signal is not None:  # it came after the last look at it, and the next epoch listens anew
            raise _Asked
    except _Asked:
        _save(under)
        if under.folder is not None:
            say(f"Stopped at step {under.state.counts.step}. To go on: the same command with --resume")
        under.stop.leave()


def _epoch(under: Under, network: Network, advance: Advance) -> None:
    """The rest of the present epoch, step by step."""
    options, counts, clock = under.options, under.state.counts, under.clock
    feed, group = network.feeds["train"], options.batch * options.accumulate
    order = shuffled(feed, np.random.default_rng([options.seed, counts.epoch]), options.batch)
    left = under.steps - counts.step + counts.done
    order = order[: min(usable(len(feed), options), left * group)]
    rest = order[counts.done * group :]
    network.prepare(True)
    batches = ahead(lambda chunk: feed.arrays(chunk, counts.epoch), rest, options.batch)
    pending: list[tuple[list[int], dict[str, np.ndarray]]] = []
    for number, batch in enumerate(clock.waiting(batches, "decode"), start=1):
        pending.append(batch)
        if len(pending) < options.accumulate and number * options.batch < len(rest):
            continue
        with clock.spent("train"):
            loss = _step(under, network, pending)
        trained = sum(len(positions) for positions, _ in pending)
        counts.loss += loss * trained
        counts.seen += trained
        advance(trained, _note(under))
        pending = []
        _after_step(under)


def _note(under: Under) -> str:
    """How it goes: the epoch's loss so far, the metric of the last one."""
    counts, name = under.state.counts, under.options.monitor or under.model.task.monitor
    metric = f", {name} {counts.rows[-1][name]:.3f}" if counts.rows else ""
    return f"loss {counts.loss / counts.seen:.3f}{metric}"


def _step(under: Under, network: Network, batches: Sequence[tuple[list[int], dict[str, np.ndarray]]]) -> float:
    """One optimiser step over these batches; their mean loss."""
    options, state = under.options, under.state
    step, optimizer = state.counts.step, state.optimizer
    torch.manual_seed(int(np.random.SeedSequence([options.seed, step]).generate_state(1, np.uint64)[0] >> 1))
    set_rate(optimizer, step, under.steps, options.warmup)
    optimizer.zero_grad()
    samples = sum(len(positions) for positions, _ in batches)
    total = 0.0
    for number, (positions, arrays) in enumerate(batches):
        loss = loss_of(under.model, network, positions, arrays, options, [options.seed, step, number])
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The loss became {loss.item()} at step {step + 1}.{_kept(under)}", hint=_smaller(under), parameter="lr"
            )
        (loss * (len(positions) / samples)).backward()  # type: ignore[no-untyped-call]
        total += loss.item() * len(positions) / samples
    parameters = {name: tensor for name, tensor in state.changing.items() if tensor.requires_grad}
    pull(parameters, under.pretrained, options.l2_sp)  # type: ignore[arg-type]
    if options.clip:
        torch.nn.utils.clip_grad_norm_(parameters.values(), options.clip)
    optimizer.step()
    average(state.averages, state.changing, options.ema, step)
    state.counts.step += 1
    state.counts.done += 1
    return total


def _after_step(under: Under) -> None:
    """Events, and a checkpoint when it is time or the run is asked to stop."""
    counts, options = under.state.counts, under.options
    if counts.step % 10 == 0 or counts.step == 1:
        rate = under.state.optimizer.param_groups[0]["lr"]
        under.record.scalars(counts.step, {"train/loss": counts.loss / counts.seen, "train/lr": rate})
    if time.monotonic() - under.saved >= options.checkpoint_every:
        _save(under)
    if under.stop.signal is not None:
        raise _Asked


def _save(under: Under) -> None:
    if under.folder is None:
        return
    counts = under.state.counts
    counts.seconds += time.monotonic() - under.began
    under.began = under.saved = time.monotonic()
    with under.clock.spent("checkpoint"):
        under.state.save(under.folder, dict(under.facts))


def _validate(under: Under, network: Network) -> None:
    """Measure the epoch, keep its weights when they are the best, and count it as done."""
    counts, model = under.state.counts, under.model
    name = under.options.monitor or model.task.monitor
    with under.state.averaged():
        metrics = network.feeds["validation"].data.metrics(outputs(model, network, "validation", under))
        value = metrics[name] if model.task.better(name) == "min" else -metrics[name]
        better = counts.best is None or value < counts.best
        if better:
            under.state.keep_best()
            counts.best, counts.best_epoch = value, counts.epoch + 1
    counts.stale = 0 if better else counts.stale + 1
    elapsed = counts.seconds + time.monotonic() - under.began
    loss = counts.loss / max(1, counts.seen)
    counts.rows.append(
        {"epoch": counts.epoch + 1, "steps": counts.step, "loss": loss, **metrics, "seconds": round(elapsed, 2)}
    )
    counts.epoch, counts.done, counts.loss, counts.seen = counts.epoch + 1, 0, 0.0, 0
    headline = model.task.headline
    say(
        f"Epoch {counts.epoch}/{under.options.epochs}: loss {loss:.4f}, validation {name} {metrics[name]:.4f}"
        + (f", {headline} {metrics[headline]:.4f}" if headline != name else "")
    )
    under.record.epoch(counts.rows)
    _save(under)


def _is_over(under: Under) -> bool:
    counts, options = under.state.counts, under.options
    if counts.epoch >= options.epochs or (counts.step >= under.steps and not counts.done):
        return True
    if options.patience and counts.stale >= options.patience:
        say(f"No better epoch since {counts.best_epoch}: training ends early.")
        return True
    return False


def outputs(model: Model, network: Network, part: str, under: Under | None = None, batch: int = 32) -> Outputs:
    """The task's outputs for a part of the data in eval mode; raises TrainingError where one is not finite."""
    feed, clock = network.feeds[part], under.clock if under else Clock()
    network.prepare(False)
    rows = Collector(model.task.outputs, len(feed))
    batches = ahead(lambda chunk: feed.arrays(chunk, 0), by_length(feed.data), batch)
    with progress(f"Measuring on {part}", len(feed)) as advance, torch.inference_mode():
        for positions, arrays in clock.waiting(batches, "decode"):
            with clock.spent("validate"):
                made = model.named(network.evaluate(*tensors(arrays, network.device)))
            rows.put(
                positions, {name: value.cpu().numpy() for name, value in made.items()}, feed.data.lengths(positions)
            )
            advance(len(positions))
            if under is not None and under.stop.signal is not None:
                raise _Asked
    found = rows.outputs()
    refuse_not_finite(found, _kept(under) if under else "", _smaller(under) if under else "Try a smaller `lr`.")
    return found


def _kept(under: Under) -> str:
    best = under.state.counts.best_epoch
    return f" The last good checkpoint is in {under.folder}." if under.folder and best else ""


def _smaller(under: Under) -> str:
    best = under.state.counts.best_epoch
    return "Go on from it with `resume=True` and a smaller `lr`." if under.folder and best else "Try a smaller `lr`."
