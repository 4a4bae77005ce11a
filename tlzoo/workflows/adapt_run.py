"""Adapting as asked for: everything of `adapt` that needs torch."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlzoo.adaptation.methods import adapt_model
from tlzoo.adaptation.verdict import Evidence, answers_of, moved_note, notes, one_label_note, verdict
from tlzoo.allocator import raise_malloc_thresholds
from tlzoo.artifact.trained_on import TrainedOn
from tlzoo.data import Samples, SampleSplits, content_digests, fingerprint, say_cut, unchanged
from tlzoo.models.seeds import keep_generators, seed_generators
from tlzoo.models.threads import limit_threads
from tlzoo.progress import advise, say, working
from tlzoo.runs.run import RunFolder
from tlzoo.runs.trained import save_run
from tlzoo.workflows.run import Run
from tlzoo.workflows.target_data import TargetData

REFITTED = ("l2", "temperature")
"""What a run's options say of a probe that adapting fits again."""


@dataclass(frozen=True)
class AdaptRequest:
    """Which run to adapt to which samples, as `adapt` was asked for it, and where the adapted one goes.

    `parts` is the data of the run, `data` that of the target.
    """

    run: RunFolder
    parts: SampleSplits
    data: TargetData
    out: Path
    method: str


@keep_generators()
def adapt_run(request: AdaptRequest, began: float) -> Run:
    """What `adapt` does once all is known to be there; `began` is when it was asked, as `time.monotonic` says it."""
    run, parts, unlabelled, labelled = request.run, request.parts, request.data.unlabelled, request.data.labelled
    seed_generators(run.data.seed)
    raise_malloc_thresholds()
    limit_threads()
    with working(f"Building the network of {run.path}"):
        model = run.model()
    both = run.dataset(_join(parts.train, parts.validation))
    say(f"Adapting {run.path} from {both.samples} source to {len(unlabelled)} target samples, seed {run.data.seed}")
    n_train, targets = len(run.dataset(parts.train)), parts.train.targets or ()
    data = Evidence(
        run.dataset(unlabelled),
        run.dataset(parts.test),
        None if labelled is None else run.dataset(labelled),
        targets,
        run.data.seed,
    )
    distinct = data.target.distinct()
    with unchanged(parts.train, parts.test, unlabelled, labelled):
        before = answers_of(model, data)
        if labelled is None and (note := one_label_note(before, _shares(run, targets), distinct)):
            advise(note)
        with working("Adapting"):
            adapted, used, fitted = adapt_model(
                model, both, data.target, request.method, {"n_train": n_train, **_head_options(run, targets)}
            )
        adapted.eval()
        after = answers_of(adapted, data)
    facts: dict[str, Any] = {
        "method": used,
        "from": str(run.path.resolve()),
        "target": str(Path(request.data.target).resolve()),
        "target_fingerprint": fingerprint(unlabelled),
        "n_target": len(unlabelled),
        "n_copies": len(unlabelled) - distinct,
        **verdict(run.task, before, after, data),
        "source_metrics_before": dict(run.metrics),
        **_counts(labelled, unlabelled),
    }
    facts["read"] = _read_facts(request.data, data)
    if labelled is None and (moved := moved_note(before.shares, after.shares, _shares(run, targets))):
        advise(moved)
    for note in filter(None, notes(run.task, facts, data)):
        say(note)
    save_run(
        request.out,
        adapted,
        data.heldout,
        [],
        trained_on=_trained_on(parts, unlabelled),
        data=run.data,
        options={**{name: value for name, value in run.options.items() if name not in REFITTED}, **fitted},
        metrics=facts["source_metrics_after"],
        interval=data.heldout.interval(after.heldout, facts["source_metrics_after"], run.data.seed),
        seconds={"total": round(time.monotonic() - began, 2)},
        adapted=facts,
    )
    return Run.load(request.out)


def _read_facts(read: TargetData, data: Evidence) -> dict[str, dict[str, Any]]:
    """The account of what was read of the target, with what was cut of it, which is said."""
    say_cut(read.report, read.target, data.target.cut())
    if read.test_report and read.test and data.labelled:
        say_cut(read.test_report, read.test, data.labelled.cut())
    return {name: dict(report.facts()) for name, report in read.reports().items()}


def _counts(labelled: Samples | None, unlabelled: Samples) -> dict[str, int]:
    """How many labelled samples there are, and how many of them have the content of a target sample."""
    if labelled is None:
        return {}
    known = set(content_digests(unlabelled.inputs, unlabelled.modality))
    found = content_digests(labelled.inputs, labelled.modality)
    return {"n_labelled": len(found), "n_labelled_in_target": sum(each in known for each in found)}


def _trained_on(parts: SampleSplits, unlabelled: Samples) -> TrainedOn:
    """The filter of all that the adapted model has seen: the source's samples and the target's."""
    inputs = (*parts.train.inputs, *parts.validation.inputs, *unlabelled.inputs)
    return TrainedOn.of(content_digests(inputs, parts.train.modality))


def _head_options(run: RunFolder, targets: Any) -> dict[str, Any]:
    """What the head was built with: weights of the labels count again when it is fitted again."""
    given: dict[str, Any] = run.task.head_options(targets)
    if run.options.get("class_weights") == "balanced":
        given["class_weights"] = run.task.balance(targets)
    return given


def _shares(run: RunFolder, targets: Any) -> dict[str, float]:
    """How often each label occurs in training; empty where a target may have several or none."""
    counts = Counter(label for target in targets for label in run.task.labels_in(target))
    return {label: count / len(targets) for label, count in counts.items()} if counts.total() == len(targets) else {}


def _join(first: Samples, second: Samples) -> Samples:
    assert first.targets is not None
    assert second.targets is not None
    weights = first.weights + second.weights
    return Samples(first.inputs + second.inputs, first.targets + second.targets, first.modality, weights=weights)
