"""`tlzoo finetune`. What concerns training is made from the dataclasses in `tlzoo.options`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from json import loads
from pathlib import Path
from typing import Annotated, Any

import typer

from tlzoo.cli.shared.options import (
    Data,
    GroupColumn,
    Json,
    LabelColumn,
    Others,
    Out,
    PathColumn,
    Quiet,
    SplitColumn,
    TextColumn,
    WeightColumn,
    columns,
    says_how_written,
    share_of,
)
from tlzoo.cli.shared.output import announce, print_json, single, span
from tlzoo.errors import UsageError
from tlzoo.io.stops import AGAIN, if_stopped
from tlzoo.options import CORE_STRATEGIES, Option, core_options
from tlzoo.options import strategies_taking as takers_of

_DATA, _RUN = "Input", "Run"
_TASKS = sorted(file.parent.name for file in (Path(__file__).parents[2] / "tasks").glob("*/task.py"))
"""The core's tasks: a folder each. Their table needs numpy, which a help does not."""


_STRATEGIES = tuple(each.strategy for each in CORE_STRATEGIES)


def _option(*names: str, help: str, panel: str | None = None, **bounds: Any) -> Any:
    """An option whose default stands in brackets at the end of its help, as it is not a command line's to set."""
    return typer.Option(*names, help=help.replace("[", r"\["), rich_help_panel=panel, **bounds)


@says_how_written()
def finetune(
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="Checkpoint id, see: tlzoo models")],
    data: Data,
    out: Out,
    test: Annotated[Path | None, _option(help="Labelled data to test on, instead of a fifth of DATA")] = None,
    validation: Annotated[
        Path | None, _option(help="Labelled data to validate on, instead of a fifth of what is trained on")
    ] = None,
    task: Annotated[
        str | None,
        _option(help=f"{', '.join(_TASKS)}, or PLUGIN/NAME [the checkpoint's first]"),
    ] = None,
    strategy: Annotated[
        str | None,
        _option(
            help="probe: a head on frozen features; finetune: gradient descent; lp-ft: first probe, then finetune; "
            "lora: adapters; auto: the best of a short comparison; or PLUGIN/NAME "
            "[probe, or finetune where the task has none]"
        ),
    ] = None,
    freeze: Annotated[
        str | None,
        _option(help="all, none, until:STAGE, last:N, norm, lora:RANK or PLUGIN/NAME; stages: tlzoo models show ID"),
    ] = None,
    head: Annotated[str | None, _option(help="linear, or PLUGIN/NAME [the plugin's own head, else linear]")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Window of a recording, in seconds", rich_help_panel=_DATA)
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=2, help="Longest text, in tokens", rich_help_panel=_DATA)
    ] = None,
    preprocess: Annotated[
        list[str] | None,
        _option(help="Option of a plugin's preprocessing, as NAME=VALUE; repeatable", panel=_DATA),
    ] = None,
    text_column: TextColumn = None,
    path_column: PathColumn = None,
    label_column: LabelColumn = None,
    column: Others = None,
    split_column: SplitColumn = None,
    group_column: GroupColumn = None,
    weight_column: WeightColumn = None,
    group_by: Annotated[
        str | None,
        _option(
            help="Groups of files that stay in one part: folder, for the folders below those of the classes, or a "
            "regular expression with one group in parentheses, found in the files' paths"
        ),
    ] = None,
    *,
    written: dict[str, Any],
    option: Annotated[
        list[str] | None, _option(help="Option of a plugin's strategy, as NAME=VALUE; repeatable")
    ] = None,
    skip_broken: Annotated[
        str, _option(help="Leave out samples that cannot be read, up to this share of all, such as 1%", panel=_DATA)
    ] = "0%",
    resume: Annotated[bool, _option("--resume", help="Resume the unfinished run", panel=_RUN)] = False,
    quiet: Quiet = False,
    json: Json = False,
    **options: Any,
) -> None:
    """Fine-tune a pretrained checkpoint on labelled DATA: a new head, and as much of the backbone as you choose."""
    from tlzoo import registry
    from tlzoo.io.files import check_exists
    from tlzoo.plugins.discovery import find
    from tlzoo.runs.paths import check_output_path

    chosen = registry.get(checkpoint)
    find(chosen.plugin)
    check_output_path(out)
    check_exists(data, test, validation)
    assigned = _parse_assignments("--option", option)
    given = _joined("--option", option, options)
    prepared = _joined("--preprocess", preprocess, {"seconds": seconds, "max_length": max_length})
    announce(f"Training {chosen.id} on {data}", quiet)
    from tlzoo.workflows.finetune import finetune as train

    with if_stopped(partial(_how_to_go_on, out)), _options_named(assigned, strategy):
        run = train(
            chosen,
            data,
            out=out,
            test=test,
            validation=validation,
            task=task,
            strategy=strategy,
            freeze=freeze,
            head=head,
            options=given,
            columns=columns(
                text_column,
                path_column,
                label_column,
                column,
                written,
                split_column=split_column,
                group_column=group_column,
                weight_column=weight_column,
            ),
            group_by=group_by,
            preprocess=prepared,
            skip_broken=share_of("--skip-broken", skip_broken),
            resume=resume,
        )
    if json:
        print_json(_document(run))
    else:
        print("\n".join(_summary(run)))


def _how_to_go_on(out: Path) -> str:
    """What of a training that was stopped is whole, and how it goes on."""
    from tlzoo.runs.paths import unfinished_dir

    if out.exists():
        return f"The run is complete: {out}."
    if (place := unfinished_dir(out)).exists():  # it is removed where there is no snapshot yet
        return f"The last snapshot is whole, in {place}. Go on with the same command and --resume."
    return f"{AGAIN} Features that were computed are in the cache."


@contextmanager
def _options_named(names: Iterable[str], strategy: str | None) -> Iterator[None]:
    """What is wrong with an option of this strategy is told by how it was given, after --option."""
    try:
        yield
    except UsageError as error:
        if error.parameter in names:
            whose = ": --option is for strategies of plugins" if strategy in (None, *_STRATEGIES) else ""
            said = error.message.replace(
                f"Unknown option `{error.parameter}`", f"--option {error.parameter} is unknown{whose}"
            )
            said = said.replace(f"`{error.parameter}`", f"--option {error.parameter}")
            flags = {*core_options(), *inspect.signature(finetune).parameters}
            hint = re.sub(
                r"`(\w+)`", lambda name: name[0] if name[1] in flags else f"--option {name[1]}=...", error.hint or ""
            )
            raise UsageError(said, hint=hint, parameter=error.parameter) from error
        raise


def _joined(flag: str, pairs: list[str] | None, flags: Mapping[str, Any]) -> dict[str, Any]:
    """What a repeatable flag and flags of their own give, by name; raises UsageError for what is given twice."""
    given = {name: value for name, value in flags.items() if value is not None}
    assigned = _parse_assignments(flag, pairs)
    if twice := sorted(given.keys() & assigned.keys()):
        own = f"--{twice[0].replace('_', '-')}"
        raise UsageError(f"{own} and {flag} {twice[0]}=... are both given.", hint="Leave one of them out.")
    return assigned | given


def _parse_assignments(flag: str, pairs: list[str] | None) -> dict[str, Any]:
    """NAME=VALUE by name; a value that is JSON, such as 3 or true, is what it says, any other a text."""
    found: dict[str, Any] = {}
    for pair in pairs or []:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise UsageError(f"{flag} must be NAME=VALUE, not {pair!r}.", hint=f"Example: {flag} length=256")
        if name in found:
            raise UsageError(f"{flag} {name}=... is given twice.", hint="Leave one of them out.")
        try:
            found[name] = loads(value)
        except ValueError:
            found[name] = value
    return found


def _number(text: str) -> float | str:
    """A number; other text as it is: some options take a word, and it is refused as in Python where one does not."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _parameter(option: Option) -> inspect.Parameter:
    """A parameter of the command for an option of training; `None` where it is not given."""
    number = option.kind in (int, float)
    kind = str if option.choices or number else option.kind
    parser = _number if number else None
    default = f"default {option.default_text}" if option.default_text else ""
    notes = "; ".join(filter(None, [option.allowed, default]))
    flag = "--" + option.name.replace("_", "-")
    names = [f"{flag}/--no-{flag[2:]}"] if kind is bool else [flag]
    takers = takers_of(option.name)
    panel = "Every strategy" if len(takers) == len(CORE_STRATEGIES) else f"Strategy {takers[0]}"
    if 1 < len(takers) < len(CORE_STRATEGIES):
        panel = f"Strategies {', '.join(takers)}"
    metavar = f"<{option.kind.__name__}>" if number else None
    help = option.help + (f" [{notes}]" if notes else "")
    info = _option(*names, help=help, panel=panel, parser=parser, metavar=metavar)
    return inspect.Parameter(
        option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, info]
    )


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of training among its own, behind `head`."""
    signature = inspect.signature(command, eval_str=True)
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    place = [each.name for each in own].index("head") + 1
    parameters = [*own[:place], *map(_parameter, core_options().values()), *own[place:]]
    keywords = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    command.__signature__ = signature.replace(parameters=keywords)  # type: ignore[attr-defined]
    return command


def _summary(run: Any) -> list[str]:
    figures = [f"{name} {value:.4f}" for name, value in run.metrics.items()]
    interval = run.interval
    headline = list(run.metrics).index(interval["metric"])
    figures[headline] += f" ({interval['level']:.0%}: {span(interval['low'], interval['high'])})"
    seconds = dict(run.seconds)
    total = seconds.pop("total")
    spent = ", ".join(
        f"{on} {value:.1f}" for on, value in sorted(seconds.items(), key=lambda item: -item[1]) if value >= 0.05
    )
    return [
        f"Run {run.path}: {', '.join(figures)} on {run.data.n_test} held-out sample{'s' * (run.data.n_test != 1)}",
        *_cross_validated(run),
        *_beside(run),
        *_beside_probe(run),
        _parameters(run.frozen),
        *_selected(run.options),
        f"Time: {total:.1f} s ({spent})",
        f"Next: tlzoo export {run.path} --out model.onnx"
        + ("   (or train more layers: --strategy auto)" if run.options["strategy"] == "probe" else ""),
    ]


def _cross_validated(run: Any) -> list[str]:
    """What a probe reaches on all samples, where few are held out."""
    if run.cross_validation is None:
        return []
    from tlzoo.runs.record import OUT_OF_FOLD

    found, sure = run.cross_validation["metrics"], run.cross_validation["interval"]
    figure = f"{sure['metric']} {found[sure['metric']]:.4f} ({sure['level']:.0%}: {span(sure['low'], sure['high'])})"
    n, folds = run.cross_validation["n"], run.cross_validation["folds"]
    whose = "all" if n == run.data.n_train + run.data.n_validation + run.data.n_test else "the other"
    said = f"Cross-validated, each of {whose} {n} samples by a probe that had not seen it, {folds} folds: {figure}"
    return [f"{said}; its answers: {run.path / OUT_OF_FOLD}"]


def _beside(run: Any) -> list[str]:
    """What the same answer to every input is worth, and whether the run is better by more than chance."""
    if run.baseline is None:
        return []
    name, interval = run.interval["metric"], run.interval
    least = run.baseline[name]
    line = f"Baseline, the same answer to every input: {name} {least:.4f}"
    low, high = interval["low"], interval["high"]
    better = low is not None and low > least if run.task.better(name) == "max" else high is not None and high < least
    return [line if better else f"{line}. The run is not better than that by more than chance"]


def _beside_probe(run: Any) -> list[str]:
    """What a probe of the same features reaches, whether the run is better, and what to type where it is worse."""
    if run.probe is None:
        return []
    found, least = run.probe["difference"], run.probe["metrics"][run.probe["difference"]["metric"]]
    line = f"A probe of the same features: {found['metric']} {least:.4f}."
    by = f"{found['value']:+.4f} ({found['level']:.0%}: {span(found['low'], found['high'], '+.4f')})"
    if run.probe["verdict"] == "chance":
        return [f"{line} The run differs by {by}, no more than by chance"]
    if run.probe["verdict"] == "better":
        return [f"{line} The run is better: {by}"]
    return [f"{line} The run is worse: {by}. Take the probe: the same command with --strategy probe and another --out"]


def _parameters(frozen: dict[str, Any]) -> str:
    still = f"{frozen['parameters']:,} parameters in {frozen['tensors']} tensors, checked bit-identical"
    merged = ", merged into the weights" if frozen.get("merged") else ""
    return f"Frozen: {still if frozen['tensors'] else 'nothing'}; trained: {frozen['trained']:,} parameters{merged}"


def _selected(options: Mapping[str, Any]) -> list[str]:
    """What was found on the way: the strategy, the best epoch, the rate, the part computed once."""
    parts = []
    if options.get("auto"):
        parts.append(f"{options['auto']['strategy']}, freezing {options['auto']['freeze']}")
    if "best_epoch" in options:
        parts.append(f"epoch {options['best_epoch']} of {options['epochs']}, learning rate {options['lr']:.2g}")
    if options.get("prefix"):
        parts.append(f"{options['prefix']['share']:.0%} of the computation cached")
    return [f"Selected: {'; '.join(parts)}"] if parts else []


def _document(run: Any) -> dict[str, Any]:
    return {
        "run": str(run.path),
        "task": run.task.name,
        "labels": list(run.task.labels),
        "metrics": dict(run.metrics),
        "interval": run.interval,
        "baseline": run.baseline,
        "probe": run.probe,
        "cross_validation": run.cross_validation,
        "frozen": run.frozen,
        "seconds": run.seconds["total"],
        "timing": dict(run.seconds),
        "checkpoint": run.checkpoint.id,
        "options": dict(run.options),
        "n": {"train": run.data.n_train, "validation": run.data.n_validation, "test": run.data.n_test},
        "groups": run.data.groups or None,
        "read": run.data.read,
    }


app = single(_with_options(finetune))
