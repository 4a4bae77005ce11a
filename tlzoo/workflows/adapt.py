"""`tlzoo.adapt`: from a run and unlabelled data of another domain to an adapted run.

What can be refused without a network is refused here, before torch is imported, which takes seconds.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tlzoo.data import (
    Columns,
    Samples,
    announce,
    check_columns,
    check_used,
    endings_of,
    fingerprint,
    for_other_data,
    read,
    read_labelled,
)
from tlzoo.data.broken import Reading, tolerate
from tlzoo.data.columns import SAMPLE_COLUMNS, without
from tlzoo.data.contents import keep_part
from tlzoo.errors import DataError, RunError, concerning
from tlzoo.io.extras import require_training
from tlzoo.io.inputs.report import ReadReport, Skip
from tlzoo.io.locks import output_lock
from tlzoo.options.arguments import check_paths, check_shares, check_texts, not_none
from tlzoo.plugins.adaptation import check_coral, check_method, is_coral
from tlzoo.plugins.containment import guard_workflow
from tlzoo.plugins.preprocess import checkpoint_preprocessor
from tlzoo.runs.paths import check_output_path
from tlzoo.runs.run import RunFolder, columns_of_training
from tlzoo.workflows.target_data import TargetData

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
    columns: Columns | None = None,
    skip_broken: float = 0.0,
) -> Run:
    """Adapt a run to `target`, a folder or table of the other domain whose labels, if any, are ignored.

    `method="auto"` is CORAL (see `tlzoo.adaptation.coral`) unless the checkpoint's plugin knows better; `plugin/name`
    is a method of any plugin, for runs of any checkpoint. The new run in `out` keeps the labels and the data of the old
    one, so it is exported and proven as usual. `run.adapted` says what became of the answers for the target and of the
    metrics on the source's held-out samples; `test` is labelled data of the target domain, on which both are measured.
    Tables are read as those of the training, but for what `columns` gives. Copies of a target sample count once.
    Samples of the target that cannot be read are an error that names all of them; up to the share `skip_broken` of all,
    from 0 to 1, they are left out.

    Raises RunError when `out` exists, UsageError for an unknown method, DataError when the source or target data cannot
    be read or the target is too small, TrainingError where the adapted model has collapsed or does harm on `test`
    (see `tlzoo.adaptation.verdict`).
    """
    require_training()
    check_paths(target=target, out=out, **not_none(test=test))
    check_texts(method=method)
    check_shares(skip_broken=skip_broken)
    columns = check_columns(columns)
    began = time.monotonic()
    run = RunFolder.of(run)
    check_output_path(Path(out))
    check_method(method, run.checkpoint.plugin)

    def use(data: TargetData) -> Run:
        if is_coral(method, run.checkpoint.plugin):
            check_coral(run.task, data.unlabelled.distinct(), len(data.unlabelled))
        parts = run.splits()
        if fingerprint(parts.train) != run.data.fingerprint:
            raise DataError(
                f"The data in {run.data.path} has changed since {run.path} was trained.", hint="Restore it."
            )
        with output_lock(Path(out), RunError):
            check_output_path(Path(out))  # another process may have ended meanwhile
            from tlzoo.workflows.adapt_run import AdaptRequest, adapt_run

            return adapt_run(AdaptRequest(run, parts, data, Path(out), method), began)

    read = partial(_target_data, run, target, test, columns)
    return tolerate(skip_broken, read, use, lambda: checkpoint_preprocessor(run.checkpoint, run.preprocess))


def _target_data(
    run: RunFolder, target: str | Path, test: str | Path | None, given: Columns, skip: Skip
) -> Reading[TargetData]:
    known = for_other_data(run.data.columns, given)
    found = TargetData(target, test, *_target_samples(run, target, known, skip), *_labelled(run, test, known, skip))
    check_used(given, set().union(*(report.roles for report in found.reports().values())), target)
    whole = [found.unlabelled] if found.labelled is None else [found.unlabelled, found.labelled]
    return Reading(found, whole, list(found.reports().values()))


def _labelled(
    run: RunFolder, test: str | Path | None, columns: Columns, skip: Skip
) -> tuple[Samples | None, ReadReport | None]:
    if test is None:
        return None, None
    report, endings = ReadReport(), endings_of(run.preprocess)
    with columns_of_training(run.path):
        samples = read_labelled(
            test, run.task, columns=columns, endings=endings, parameter="test", report=report, skip=skip
        )
    announce(report, test, skip)
    return samples, report


def _target_samples(run: RunFolder, target: str | Path, known: Columns, skip: Skip) -> tuple[Samples, ReadReport]:
    columns = without(known, "label_column", "label_columns", *SAMPLE_COLUMNS)
    report, endings = ReadReport(), endings_of(run.preprocess)
    with concerning("target", DataError), columns_of_training(run.path):
        found = read(target, run.task, columns=columns, labelled=False, endings=endings, report=report, skip=skip)
    samples = keep_part(found, run.task, report, test=False)
    announce(report, target, skip)
    return samples, report
