"""`tlzoo.adapt`: from a run and unlabelled data of another domain to an adapted run."""

from __future__ import annotations

import time
from pathlib import Path

from tlzoo.adaptation.methods import adapt_model
from tlzoo.allocator import raise_malloc_thresholds
from tlzoo.data import Samples, endings_of, fingerprint, read
from tlzoo.errors import DataError
from tlzoo.progress import say
from tlzoo.runs.run import RunFolder, check_output_path, save_run
from tlzoo.training.evaluation import measure
from tlzoo.workflows.run import Run


def adapt(run: str | Path | RunFolder, target: str | Path, *, out: str | Path, method: str = "auto") -> Run:
    """Adapt a run to `target`, a folder or table of the other domain whose labels, if any, are ignored.

    `method="auto"` is CORAL (see `tlzoo.adaptation.coral`) unless the checkpoint's plugin knows better; `plugin/name`
    is a method of any plugin, for runs of any checkpoint. The new run in `out` keeps the labels and the data of the old
    one, so it is exported and proven as usual. Raises RunError when `out` exists, UsageError for an unknown method,
    DataError when the source or target data cannot be read.
    """
    began = time.monotonic()
    run = run if isinstance(run, RunFolder) else RunFolder.load(run)
    check_output_path(Path(out))
    raise_malloc_thresholds()
    parts = run.splits()
    if fingerprint(parts.train) != run.data.fingerprint:
        raise DataError(f"The data in {run.data.path} has changed since {run.path} was trained.", hint="Restore it.")
    unlabelled = _target_samples(run, target)
    model = run.model()
    both = run.dataset(_join(parts.train, parts.validation))
    say(f"Adapting {run.path} from {both.samples} source to {len(unlabelled)} target samples, seed {run.data.seed}")
    n_train = len(run.dataset(parts.train))
    adapted, used = adapt_model(model, both, run.dataset(unlabelled), method, {"n_train": n_train})
    adapted.eval()
    test = run.dataset(parts.test)
    save_run(
        Path(out),
        adapted,
        test,
        [],
        data=run.data,
        options=dict(run.options),
        metrics=measure(adapted, test),
        seconds={"total": round(time.monotonic() - began, 2)},
        adapted={
            "method": used,
            "from": str(run.path.resolve()),
            "target": str(Path(target).resolve()),
            "target_fingerprint": fingerprint(unlabelled),
            "n_target": len(unlabelled),
            "source_metrics_before": dict(run.metrics),
        },
    )
    return Run.load(out)


def _target_samples(run: RunFolder, target: str | Path) -> Samples:
    columns = run.data.columns.copy()
    columns.pop("label_column", None)
    return read(target, run.task, columns=columns, labelled=False, endings=endings_of(run.preprocess)).train


def _join(first: Samples, second: Samples) -> Samples:
    assert first.targets is not None
    assert second.targets is not None
    return Samples(first.inputs + second.inputs, first.targets + second.targets, first.modality)
