"""`tlzoo evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tlzoo.cli.shared.options import Data, Json, LabelColumn, Others, PathColumn, Quiet, TextColumn, columns
from tlzoo.cli.shared.output import announce_file, print_json, single


def evaluate(
    model: Annotated[Path, typer.Argument(help="A run folder, or an exported ONNX file")],
    data: Data,
    text_column: TextColumn = None,
    path_column: PathColumn = None,
    label_column: LabelColumn = None,
    column: Others = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Compute the metrics of a run (with torch) or an ONNX file (without torch) on labelled DATA."""
    from tlzoo.io.files import check_exists

    if model.exists():
        check_exists(data)
    announce_file(model, quiet)
    if model.is_dir():
        from tlzoo.runs.record import read_record

        read_record(model)
    from tlzoo.workflows.evaluate import evaluate as measure

    result = measure(model, data, columns=columns(text_column, path_column, label_column, column))
    if json:
        seen = {"trained_on": result.trained_on, "heldout": result.heldout}
        print_json({"metrics": result.metrics, "n": result.n, **seen, "model": str(model)})
        return
    for name, value in result.metrics.items():
        print(f"{name}\t{value:.4f}")
    print(f"n\t{result.n}")
    if not result.trained_on:
        return
    if result.heldout is None:
        print(f"All of these {result.n} samples were trained on: the figures say nothing of new ones.")
        return
    left = result.n - result.trained_on
    print(f"{result.trained_on} of these {result.n} samples were trained on; on the {left} others:")
    for name, value in result.heldout.items():
        print(f"{name}\t{value:.4f}")


app = single(evaluate)
