"""`tlzoo.finetune`: from a checkpoint and labelled data to a run.

What can be refused without a network is refused here, before torch is imported, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlzoo import registry
from tlzoo.data import (
    Columns,
    SampleSplits,
    announce,
    check_columns,
    check_enough_folds,
    check_used,
    endings_of,
    read_splits,
)
from tlzoo.data.broken import tolerance, without_broken
from tlzoo.errors import InputError, RegistryError, RunError, concerning
from tlzoo.io.extras import require_training
from tlzoo.io.inputs.report import Skip
from tlzoo.io.locks import output_lock
from tlzoo.io.timings import Clock
from tlzoo.options import Probe, StrategyName, StrategyOptions
from tlzoo.options.arguments import check_mappings, check_paths, check_shares, check_switches, check_texts, not_none
from tlzoo.plugins.containment import guard_workflow
from tlzoo.plugins.preprocess import checkpoint_preprocessor
from tlzoo.preprocess import Preprocessor
from tlzoo.progress import advise
from tlzoo.registry.schema import Checkpoint
from tlzoo.runs.checks import Choices, choose, with_preprocess
from tlzoo.runs.paths import check_output_path, unfinished_dir
from tlzoo.workflows.value_range import with_any_range, with_value_range

if TYPE_CHECKING:
    from tlzoo.workflows.run import Run


@guard_workflow()
def finetune(
    checkpoint: str | Checkpoint,
    data: str | Path,
    *,
    out: str | Path,
    test: str | Path | None = None,
    validation: str | Path | None = None,
    task: str | None = None,
    strategy: StrategyName | str | StrategyOptions | None = None,
    freeze: str | None = None,
    head: str | None = None,
    options: Mapping[str, Any] | None = None,
    columns: Columns | None = None,
    group_by: str | None = None,
    preprocess: Mapping[str, Any] | None = None,
    skip_broken: float = 0.0,
    resume: bool = False,
    **more: Any,
) -> Run:
    """Train a head on `checkpoint`, and as much of the backbone as `strategy` and `freeze` allow; save a run in `out`.

    `strategy` is `probe` (a linear head on frozen features; see `tlzoo.training.strategies.probe_fit`), `finetune`
    (AdamW with warm-up and cosine), `lp-ft` (a probe, then `finetune`), `lora` (adapters, merged at the end) or `auto`
    (a short comparison), a plugin's `plugin/name`, or a name with its options: `tlzoo.Probe`, `Finetune`, `LPFT`,
    `LoRA` or `Auto`; by default `probe`, or `finetune` where the task has no probe.
    Options are also keywords, such as `epochs=3`, `augment="light"`, `cache=False`, or come from the
    mapping `options`; each may be given once. `freeze` is `all`, `none`, `until:<stage>`, `last:<n>`, `norm`,
    `lora:<rank>` or what a plugin adds; the frozen prefix is computed once and cached, and at the end all that is
    frozen is checked to be bit-identical. Beside what trains by gradient descent a probe is measured, see `Run.probe`;
    `probe=False` leaves it out. `head` is `linear`, or `plugin/name` for a plugin's; by default the
    checkpoint's plugin's, else the task's own. `task` is needed where the checkpoint serves several. `preprocess`
    overrides fields of the checkpoint's, such as `{"seconds": 2.0}` or `{"max_length": 128}`, of a plugin's own
    preprocessing its options.

    `test` and `validation` name labelled data for these parts; without them a fifth of `data` is for testing and a
    fifth of the rest for validation. `columns` says what a table calls its columns and how it is written (see
    `tlzoo.data.Columns`): `split_column` says of each row whether it is
    for training, validation or testing, `group_column` which rows stay in one part, and `weight_column` how much each
    counts in training. `group_by` finds groups of files: `folder`, or a regular expression with one group in
    parentheses, found in their paths. Samples that cannot be read end the training, all of
    them named; up to the share `skip_broken` of all, from 0 to 1, they are left out instead. While it trains,
    `out`.unfinished holds snapshots, history and events; `resume` continues from there, on a CPU with bit-identical
    results.

    Raises a TlzooError for anything a user can cause: DataError, UnknownCheckpoint, PluginError, SourceError,
    UsageError, TrainingError, RunError when `out` exists or the snapshot does not match.
    """
    require_training()
    if not isinstance(checkpoint, Checkpoint):
        check_paths(checkpoint=checkpoint)
    check_paths(data=data, out=out, **not_none(test=test, validation=validation))
    check_texts(**not_none(task=task, freeze=freeze, head=head, group_by=group_by))
    check_mappings(**not_none(options=options, preprocess=preprocess))
    check_switches(resume=resume)
    check_shares(skip_broken=skip_broken)
    columns = check_columns(columns)
    clock, out = Clock(), Path(out)
    with clock.spent("prepare"):
        with concerning("checkpoint", RegistryError):
            chosen = registry.get(checkpoint) if isinstance(checkpoint, str) else checkpoint
        chosen = with_preprocess(chosen, preprocess)
        check_output_path(out)
        _check_unfinished(unfinished_dir(out), resume)
        others = [name for name in signature(finetune).parameters if name != "more"]
        choices = choose(chosen, task, strategy, freeze, head, options or {}, more, others=others)
        if strategy is None and choices.strategy != "probe":
            how = f"`strategy={choices.strategy!r}`, `freeze={choices.policy!r}`"
            advise(f"{choices.task.name} has no probe: all layers are trained ({how}).")
        sets: dict[str, Any] = {"validation": validation, "group_by": group_by}
        read = partial(_read, data, test, choices, columns, endings_of(chosen.preprocess), sets)
        parts = read(tolerance(skip_broken, _decoder(with_any_range(chosen), choices)))
        check_used(columns, set().union(*(report.roles for report in parts.reports.values())), data)
        if isinstance(choices.options, Probe) and choices.options.folds is not None:
            check_enough_folds(parts, choices.options.folds)
        chosen = with_value_range(chosen, parts.train)
        decode = _decoder(chosen, choices)
    with output_lock(out, RunError):
        check_output_path(out)  # another process may have ended meanwhile
        _check_unfinished(unfinished_dir(out), resume)
        with clock.spent("prepare"):
            from tlzoo.workflows.train import TrainRequest, train
        request = TrainRequest(
            chosen, choices, head or "", data, test, validation, group_by, columns, parts, out, resume
        )
        try:
            return train(request, clock)
        except (InputError, RunError) as error:
            if decode is None or (isinstance(error, RunError) and not (resume and skip_broken)):
                raise  # a run to resume may be without samples that cannot be decoded
            samples = (parts.train, parts.validation, parts.test)
            skip = without_broken(error, samples, list(parts.reports.values()), skip_broken, decode)
        return train(replace(request, parts=read(skip)), clock)


def _read(
    data: str | Path,
    test: str | Path | None,
    choices: Choices,
    columns: Columns,
    endings: tuple[str, ...],
    sets: Mapping[str, Any],
    skip: Skip,
) -> SampleSplits:
    parts = read_splits(data, test, choices.task, columns, choices.options.seed, endings, skip=skip, **sets)
    for name, report in parts.reports.items():
        announce(report, {"data": data, "test": test, "validation": sets["validation"]}[name], skip)
    return parts


def _decoder(checkpoint: Checkpoint, choices: Choices) -> Callable[[], Preprocessor] | None:
    """What prepares samples to see which cannot be; none for texts: their tokenizer comes with the network, and a text
    can always be prepared."""
    if choices.task.modality == "text":
        return None
    return partial(checkpoint_preprocessor, checkpoint, checkpoint.preprocess)


def _check_unfinished(place: Path, resume: bool) -> None:
    if place.exists() and not resume:
        raise RunError(
            f"There is an unfinished run in {place}.",
            hint="Continue it with `resume=True`, or remove the folder.",
            parameter="resume",
        )
