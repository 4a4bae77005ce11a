"""`tlzoo finetune`."""

from __future__ import annotations

from collections.abc import Mapping
from json import loads
from pathlib import Path
from typing import Annotated, Any

import typer

from tlzoo.cli.shared.options import Data, Json, LabelColumn, Others, Out, PathColumn, Quiet, TextColumn, columns
from tlzoo.cli.shared.output import print_json, single
from tlzoo.errors import UsageError

_RATE, _DATA, _FROZEN, _RUN = "Rates and regularisation", "What the model sees", "What is computed once", "The run"


def _option(*names: str, help: str, panel: str | None = None, **bounds: Any) -> Any:
    """An option whose default stands in brackets at the end of its help, as it is not a command line's to set."""
    return typer.Option(*names, help=help.replace("[", r"\["), rich_help_panel=panel, **bounds)


def finetune(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint id, see: tlzoo models")],
    data: Data,
    out: Out,
    test: Annotated[Path | None, _option(help="Labelled data to test on, instead of a fifth of DATA")] = None,
    task: Annotated[
        str | None, _option(help="classification, multilabel, regression, or PLUGIN/NAME [the checkpoint's first]")
    ] = None,
    strategy: Annotated[
        str,
        _option(
            help="probe: a head on frozen features; finetune: gradient descent; lp-ft: the one, then the other; "
            "lora: adapters; auto: whichever a short comparison prefers; or PLUGIN/NAME"
        ),
    ] = "probe",
    freeze: Annotated[
        str | None,
        _option(help="all, none, until:STAGE, last:N, norm, lora:RANK or PLUGIN/NAME; stages: tlzoo models show ID"),
    ] = None,
    head: Annotated[
        str | None, _option(help="linear, or PLUGIN/NAME for a plugin's [the checkpoint's plugin's, or linear]")
    ] = None,
    epochs: Annotated[int | None, _option(help="Passes over the data [5]")] = None,
    batch: Annotated[int | None, _option(help="Samples at a time [32]")] = None,
    lr: Annotated[str | None, _option(help="Peak rate of the backbone, or auto to have it found [1e-4]")] = None,
    seed: Annotated[int | None, _option(help="Seed of the split and of training [0]")] = None,
    head_factor: Annotated[float | None, _option(help="Rate of the head over the backbone's [10]", panel=_RATE)] = None,
    layer_decay: Annotated[
        float | None, _option(help="Rate of each stage over that of the next, 0.001 to 1 [1]", panel=_RATE)
    ] = None,
    warmup: Annotated[
        float | None, _option(help="Share of the steps in which the rate rises [0.1]", panel=_RATE)
    ] = None,
    weight_decay: Annotated[float | None, _option(help="AdamW's, of matrices [0.01]", panel=_RATE)] = None,
    l2_sp: Annotated[float | None, _option("--l2-sp", help="Pull to the pretrained weights [0]", panel=_RATE)] = None,
    clip: Annotated[float | None, _option(help="Largest norm of a gradient, 0 for any [1]", panel=_RATE)] = None,
    accumulate: Annotated[int | None, _option(help="Batches per step [1]", panel=_RATE)] = None,
    label_smoothing: Annotated[
        float | None, _option(help="Share of a label that goes to the others [0]", panel=_RATE)
    ] = None,
    class_weights: Annotated[str | None, _option(help="none or balanced [none]", panel=_RATE)] = None,
    ema: Annotated[
        float | None, _option(help="Decay of averaged weights, such as 0.999 [0: none]", panel=_RATE)
    ] = None,
    unfreeze_every: Annotated[
        int | None,
        _option(help="Start with the head and add a stage every so many epochs [0: all at once]", panel=_RATE),
    ] = None,
    augment: Annotated[
        str | None, _option(help="light, strong; for pictures also light-noflip, strong-noflip [none]", panel=_DATA)
    ] = None,
    mixup: Annotated[float | None, _option(help="Alpha of mixup, such as 0.2 [0]", panel=_DATA)] = None,
    cutmix: Annotated[float | None, _option(help="Alpha of CutMix, for pictures [0]", panel=_DATA)] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Window of a recording, in seconds", rich_help_panel=_DATA)
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=2, help="Longest text, in tokens", rich_help_panel=_DATA)
    ] = None,
    preprocess: Annotated[
        list[str] | None,
        _option(help="An option of a plugin's preprocessing, as NAME=VALUE; again for more", panel=_DATA),
    ] = None,
    text_column: TextColumn = None,
    path_column: PathColumn = None,
    label_column: LabelColumn = None,
    column: Others = None,
    views: Annotated[
        int | None, _option(help="Cache so many augmented views of each sample [0]", panel=_FROZEN)
    ] = None,
    cache: Annotated[bool, _option(help="Keep what the frozen part computes", panel=_FROZEN)] = True,
    cache_precision: Annotated[str | None, _option(help="fp32 or fp16 [fp32]", panel=_FROZEN)] = None,
    cache_gb: Annotated[float | None, _option(help="Bound of the store in GB [20]", panel=_FROZEN)] = None,
    monitor: Annotated[
        str | None, _option(help="Metric that chooses the best epoch [log_loss or rmse]", panel=_RUN)
    ] = None,
    patience: Annotated[
        int | None, _option(help="Stop after so many epochs without a better one [0: never]", panel=_RUN)
    ] = None,
    max_steps: Annotated[int | None, _option(help="Stop after so many steps", panel=_RUN)] = None,
    precision: Annotated[str | None, _option(help="auto, fp32, bf16 or fp16 [auto]", panel=_RUN)] = None,
    device: Annotated[str | None, _option(help="auto, cpu or cuda [auto]", panel=_RUN)] = None,
    checkpoint_every: Annotated[float | None, _option(help="Seconds between checkpoints [60]", panel=_RUN)] = None,
    resume: Annotated[bool, _option("--resume", help="Go on with the unfinished run", panel=_RUN)] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train a head on a pretrained checkpoint, and as much of the checkpoint as you like, with your labelled DATA."""
    given = {name: value for name, value in locals().items() if value is not None}
    from tlzoo import registry

    chosen = registry.get(checkpoint)  # before the import of torch, which takes seconds
    from tlzoo.progress import set_quiet
    from tlzoo.workflows.finetune import finetune as train

    set_quiet(quiet)
    run = train(
        chosen,
        data,
        out=out,
        test=test,
        task=task,
        strategy=strategy,
        freeze=freeze,
        head=head,
        options=_options(given),
        columns=columns(text_column, path_column, label_column, column),
        preprocess=_assigned(preprocess or []) | {n: given[n] for n in ("seconds", "max_length") if n in given},
        resume=resume,
    )
    if json:
        print_json(_document(run))
    else:
        print("\n".join(_summary(run)))


def _assigned(pairs: list[str]) -> dict[str, Any]:
    """NAME=VALUE by name; a value that is JSON, such as 3 or true, is what it says, any other a text."""
    found = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise UsageError(f"--preprocess cannot be {pair!r}.", hint="Give NAME=VALUE, such as length=256.")
        try:
            found[name] = loads(value)
        except ValueError:
            found[name] = value
    return found


def _options(given: dict[str, Any]) -> Any:
    from dataclasses import fields

    from tlzoo.options import Options

    chosen = {field.name: given[field.name] for field in fields(Options) if field.name in given}
    if "lr" in chosen and chosen["lr"] != "auto":
        try:
            chosen["lr"] = float(chosen["lr"])
        except ValueError as cause:
            raise UsageError(
                f"--lr cannot be {chosen['lr']!r}.", hint="Give a number such as 1e-4, or auto."
            ) from cause
    return Options(**chosen)


def _summary(run: Any) -> list[str]:
    figures = [f"{name} {value:.4f}" for name, value in run.metrics.items()]
    sure = run.interval
    headline = list(run.metrics).index(sure["metric"])
    figures[headline] += f" ({sure['level']:.0%}: {sure['low']:.4f} to {sure['high']:.4f})"
    seconds = dict(run.seconds)
    total = seconds.pop("total")
    spent = ", ".join(
        f"{on} {value:.1f}" for on, value in sorted(seconds.items(), key=lambda item: -item[1]) if value >= 0.05
    )
    return [
        f"Run {run.path}: {', '.join(figures)} on {run.data.n_test} held-out samples",
        _parameters(run.frozen),
        *_choices(run.options),
        f"Time: {total:.1f} s ({spent})",
        f"Next: tlzoo export {run.path} --out model.onnx"
        + ("   (or train more of it: --strategy auto)" if run.options["strategy"] == "probe" else ""),
    ]


def _parameters(frozen: dict[str, Any]) -> str:
    still = f"{frozen['parameters']:,} parameters in {frozen['tensors']} tensors, proven bit-identical"
    merged = ", merged into the weights" if frozen.get("merged") else ""
    return f"Frozen: {still if frozen['tensors'] else 'nothing'}; trained: {frozen['trained']:,} parameters{merged}"


def _choices(options: Mapping[str, Any]) -> list[str]:
    """What was found on the way: the strategy, the best epoch, the rate, the part computed once."""
    said = []
    if options.get("auto"):
        said.append(f"{options['auto']['strategy']}, freezing {options['auto']['freeze']}")
    if "best_epoch" in options:
        said.append(f"epoch {options['best_epoch']} of {options['epochs']}, peak rate {options['lr']:.2g}")
    if options.get("prefix"):
        said.append(f"{options['prefix']['share']:.0%} of the work computed once")
    return [f"Kept: {'; '.join(said)}"] if said else []


def _document(run: Any) -> dict[str, Any]:
    return {
        "run": str(run.path),
        "task": run.task.name,
        "labels": list(run.task.labels),
        "metrics": dict(run.metrics),
        "interval": run.interval,
        "frozen": run.frozen,
        "seconds": run.seconds["total"],
        "timing": dict(run.seconds),
        "checkpoint": run.checkpoint.id,
        "options": dict(run.options),
        "n": {"train": run.data.n_train, "validation": run.data.n_validation, "test": run.data.n_test},
    }


app = single(finetune)
