"""`tlzoo.adapt`: from a run and unlabelled data of another domain to an adapted run."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from tlzoo.adaptation.methods import adapt_model
from tlzoo.adaptation.verdict import Evidence, answers_of, notes, one_label_note, verdict
from tlzoo.allocator import raise_malloc_thresholds
from tlzoo.artifact.trained_on import TrainedOn
from tlzoo.data import Samples, SampleSplits, content_digests, endings_of, fingerprint, read
from tlzoo.errors import DataError, RunError
from tlzoo.io.locks import output_lock
from tlzoo.models.seeds import keep_generators, seed_generators
from tlzoo.models.threads import limit_threads
from tlzoo.plugins.adaptation import check_method
from tlzoo.plugins.containment import guard_workflow
from tlzoo.progress import say, working
from tlzoo.runs.paths import check_output_path
from tlzoo.runs.run import RunFolder, save_run
from tlzoo.workflows.run import Run

REFITTED = ("l2", "temperature")
"""What a run's options say of a probe that adapting fits again."""


@guard_workflow()
@keep_generators()
def adapt(
    run: str | Path | RunFolder,
    target: str | Path,
    *,
    out: str | Path,
    method: str = "auto",
    test: str | Path | None = None,
) -> Run:
    """Adapt a run to `target`, a folder or table of the other domain whose labels, if any, are ignored.

    `method="auto"` is CORAL (see `tlzoo.adaptation.coral`) unless the checkpoint's plugin knows better; `plugin/name`
    is a method of any plugin, for runs of any checkpoint. The new run in `out` keeps the labels and the data of the old
    one, so it is exported and proven as usual. `run.adapted` says what became of the answers for the target and of the
    metrics on the source's held-out samples; `test` is labelled data of the target domain, on which both are measured.
    Copies of a target sample count once.

    Raises RunError when `out` exists, UsageError for an unknown method, DataError when the source or target data cannot
    be read or the target is too small, TrainingError where the adapted model has collapsed or does harm on `test`
    (see `tlzoo.adaptation.verdict`).
    """
    run = run if isinstance(run, RunFolder) else RunFolder.load(run)
    seed_generators(run.data.seed)
    check_output_path(Path(out))
    check_method(method, run.checkpoint.plugin)
    with output_lock(Path(out), RunError):
        check_output_path(Path(out))  # another process may have ended meanwhile
        return _adapt(run, target, Path(out), method, test)


def _adapt(run: RunFolder, target: str | Path, out: Path, method: str, test: str | Path | None) -> Run:
    """What `adapt` does once nobody else writes to `out`."""
    began = time.monotonic()
    raise_malloc_thresholds()
    limit_threads()
    parts = run.splits()
    if fingerprint(parts.train) != run.data.fingerprint:
        raise DataError(f"The data in {run.data.path} has changed since {run.path} was trained.", hint="Restore it.")
    unlabelled, labelled = _target_samples(run, target), _labelled(run, test)
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
    if copies := len(unlabelled) - distinct:
        say(f"Copies of others among the {len(unlabelled)} target samples: {copies}; {distinct} are distinct.")
    before = answers_of(model, data)
    if labelled is None and (note := one_label_note(before, _shares(run, targets), distinct)):
        say(note)
    with working("Adapting"):
        adapted, used, fitted = adapt_model(
            model, both, data.target, method, {"n_train": n_train, **_head_options(run, targets)}
        )
    adapted.eval()
    after = answers_of(adapted, data)
    facts: dict[str, Any] = {
        "method": used,
        "from": str(run.path.resolve()),
        "target": str(Path(target).resolve()),
        "target_fingerprint": fingerprint(unlabelled),
        "n_target": len(unlabelled),
        "n_copies": copies,
        **verdict(run.task, before, after, data),
        "source_metrics_before": dict(run.metrics),
        **_counts(labelled, unlabelled),
    }
    for note in filter(None, notes(run.task, facts, data)):
        say(note)
    save_run(
        out,
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
    return Run.load(out)


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


def _labelled(run: RunFolder, test: str | Path | None) -> Samples | None:
    if test is None:
        return None
    collection = read(test, run.task, columns=run.data.columns, endings=endings_of(run.preprocess))
    samples = collection.test or collection.train
    if not samples.targets:
        raise DataError(f"{test} has no labels.", hint="Name labelled data of the target domain.", parameter="test")
    return samples


def _target_samples(run: RunFolder, target: str | Path) -> Samples:
    columns = run.data.columns.copy()
    columns.pop("label_column", None)
    return read(target, run.task, columns=columns, labelled=False, endings=endings_of(run.preprocess)).train


def _join(first: Samples, second: Samples) -> Samples:
    assert first.targets is not None
    assert second.targets is not None
    return Samples(first.inputs + second.inputs, first.targets + second.targets, first.modality)
