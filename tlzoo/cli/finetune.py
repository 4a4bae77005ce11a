"""`tlzoo finetune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tlzoo.cli.options import Data, Json, LabelColumn, Out, PathColumn, Quiet, TextColumn, columns
from tlzoo.cli.output import print_json, single


def finetune(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint id, see: tlzoo models")],
    data: Data,
    out: Out,
    test: Annotated[Path | None, typer.Option(help="Labelled data to test on, instead of a fifth of DATA")] = None,
    task: Annotated[str | None, typer.Option(help="Task, where the checkpoint serves several")] = None,
    strategy: Annotated[
        str, typer.Option(help="probe: a head on frozen features; finetune: gradient descent")
    ] = "probe",
    freeze: Annotated[str | None, typer.Option(help="all, none, until:STAGE, last:N or norm")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the data (finetune)")] = 5,
    batch: Annotated[int, typer.Option(min=2, help="Samples per step (finetune)")] = 32,
    lr: Annotated[float, typer.Option(min=0.0, help="Peak learning rate of the backbone (finetune)")] = 1e-4,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split and of training")] = 0,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Window of a recording, in seconds")] = None,
    max_length: Annotated[int | None, typer.Option(min=2, help="Longest text, in tokens")] = None,
    text_column: TextColumn = None,
    path_column: PathColumn = None,
    label_column: LabelColumn = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train a head on a pretrained checkpoint with your labelled DATA and save a run folder."""
    from tlzoo import registry

    chosen = registry.get(checkpoint)  # before the import of torch, which takes seconds
    from tlzoo.engine.finetuning import finetune as train
    from tlzoo.engine.training import Options
    from tlzoo.progress import set_quiet

    set_quiet(quiet)
    run = train(
        chosen,
        data,
        out=out,
        test=test,
        task=task,
        strategy=strategy,
        freeze=freeze,
        options=Options(epochs=epochs, batch=batch, lr=lr, seed=seed),
        columns=columns(text_column, path_column, label_column),
        preprocess=_given(seconds=seconds, max_length=max_length),
    )
    if json:
        print_json(_document(run))
        return
    figures = ", ".join(f"{name} {value:.4f}" for name, value in run.metrics.items())
    print(f"Run {run.path}: {figures} on {run.data.n_test} held-out samples, {run.seconds['total']:.1f} s")
    print(f"Next: tlzoo export {run.path} --out model.onnx")


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _document(run: Any) -> dict[str, Any]:
    return {
        "run": str(run.path),
        "task": run.task.name,
        "labels": list(run.task.labels),
        "metrics": dict(run.metrics),
        "seconds": run.seconds["total"],
        "timing": dict(run.seconds),
        "checkpoint": run.checkpoint.id,
        "options": dict(run.options),
        "n": {"train": run.data.n_train, "validation": run.data.n_validation, "test": run.data.n_test},
    }


app = single(finetune)
