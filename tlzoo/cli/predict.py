"""`tlzoo predict`. Torch-free."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tlzoo.cli.options import Json, Quiet
from tlzoo.cli.output import print_json, print_table, single

LINES: dict[str, tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]] = {
    "single": (("input", "label", "score"), lambda p: (p.input, p.label, f"{p.score:.4f}")),
    "multilabel": (
        ("input", "labels", "scores"),
        lambda p: (p.input, ";".join(p.labels), ";".join(f"{p.scores[label]:.4f}" for label in p.labels)),
    ),
    "regression": (("input", "value"), lambda p: (p.input, f"{p.value:.6g}")),
}
"""What each kind of answer looks like as a table: its header, and its line."""


def predict(
    file: Annotated[Path, typer.Argument(help="An exported ONNX file")],
    inputs: Annotated[
        list[str], typer.Argument(help="Files or folders; texts for a text model; '-' reads lines from stdin")
    ],
    batch: Annotated[int, typer.Option(min=1, help="Inputs per inference")] = 32,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Label or rate pictures, recordings or texts with an exported ONNX file."""
    from tlzoo.progress import set_quiet
    from tlzoo.runtime import load

    set_quiet(quiet)
    predictor = load(file)
    predictions = predictor.predict(expand(inputs, predictor.task.modality), batch=batch)
    if json:
        print_json([asdict(prediction) for prediction in predictions])
        return
    header, line = LINES[predictor.task.kind]
    print_table(header, [line(prediction) for prediction in predictions])


def expand(inputs: Sequence[str], modality: str) -> list[str]:
    """Inputs as the predictor takes them: '-' is the lines of stdin; for files, a folder is what lies in it."""
    given = [line for item in inputs for line in (sys.stdin.read().splitlines() if item == "-" else [item])]
    if modality == "text":
        return given
    from tlzoo.data import read

    files: list[str] = []
    for item in given:
        files += read(item, modality, labelled=False).train.inputs if Path(item).is_dir() else [item]
    return files


app = single(predict)
