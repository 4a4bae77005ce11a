"""`tlzoo.adapt`: from a run and unlabelled data of another domain to an adapted run.

What can be refused without a network is refused here, before torch is imported, which takes seconds.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from tlzoo.data import Samples, announce, endings_of, fingerprint, read, read_labelled
from tlzoo.data.columns import SAMPLE_COLUMNS, without
from tlzoo.errors import DataError, RunError, concerning
from tlzoo.io.extras import require_training
from tlzoo.io.inputs.report import ReadReport
from tlzoo.io.locks import output_lock
from tlzoo.options.arguments import check_paths, check_texts, not_none
from tlzoo.plugins.adaptation import check_coral, check_method, is_coral
from tlzoo.plugins.containment import guard_workflow
from tlzoo.runs.paths import check_output_path
from tlzoo.runs.run import RunFolder, columns_of_training

if TYPE_CHECKING:
    from tlzoo.workflows.run import Run


@guard_workflow()
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
    require_training()
    check_paths(target=target, out=out, **not_none(test=test))
    check_texts(method=method)
    began = time.monotonic()
    run = RunFolder.of(run)
    check_output_path(Path(out))
    check_method(method, run.checkpoint.plugin)
    unlabelled, labelled = _target_samples(run, target), _labelled(run, test)
    if is_coral(method, run.checkpoint.plugin):
        check_coral(run.task, unlabelled.distinct(), len(unlabelled))
    parts = run.splits()
    if fingerprint(parts.train) != run.data.fingerprint:
        raise DataError(f"The data in {run.data.path} has changed since {run.path} was trained.", hint="Restore it.")
    with output_lock(Path(out), RunError):
        check_output_path(Path(out))  # another process may have ended meanwhile
        from tlzoo.workflows.adapt_run import AdaptRequest, adapt_run

        return adapt_run(AdaptRequest(run, parts, target, unlabelled, labelled, Path(out), method), began)


def _labelled(run: RunFolder, test: str | Path | None) -> Samples | None:
    if test is None:
        return None
    endings = endings_of(run.preprocess)
    report = ReadReport()
    with columns_of_training(run.path):
        samples = read_labelled(
            test, run.task, columns=run.data.columns, endings=endings, parameter="test", report=report
        )
    announce(report, test)
    return samples


def _target_samples(run: RunFolder, target: str | Path) -> Samples:
    columns = without(run.data.columns, "label_column", *SAMPLE_COLUMNS)
    report, endings = ReadReport(), endings_of(run.preprocess)
    with concerning("target", DataError), columns_of_training(run.path):
        found = read(target, run.task, columns=columns, labelled=False, endings=endings, report=report)
    announce(report, target)
    return found.train
