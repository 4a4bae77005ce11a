"""`tlzoo evaluate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlzoo.cli.shared.options import (
    Data,
    Json,
    LabelColumn,
    Others,
    PathColumn,
    Quiet,
    SkipBroken,
    SplitColumn,
    TextColumn,
    columns,
    says_how_written,
    share_of,
)
from tlzoo.cli.shared.output import announce_file, print_json, single, span
from tlzoo.progress import one_line

if TYPE_CHECKING:
    from tlzoo.workflows.evaluate import Evaluation

SHOWN = 10
"""Labels on a screen."""


@says_how_written()
def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A run folder, or an exported ONNX file")],
    data: Data,
    text_column: TextColumn = None,
    path_column: PathColumn = None,
    label_column: LabelColumn = None,
    column: Others = None,
    split_column: SplitColumn = None,
    skip_broken: SkipBroken = "0%",
    *,
    written: dict[str, Any],
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

    named = columns(text_column, path_column, label_column, column, written, split_column=split_column)
    result = measure(model, data, columns=named, skip_broken=share_of("--skip-broken", skip_broken))
    if json:
        print_json({**asdict(result), "model": str(model)})
        return
    _print_figures(result)
    for label, share in list(result.labels.items())[:SHOWN]:
        print(f"{one_line(label)}\trecall {share.found} of {share.n}\t95%: {span(share.low, share.high)}")
    if len(result.labels) > SHOWN:
        print(f"These {SHOWN} of {len(result.labels)} labels have the lowest recall; --json has all.")


def _print_figures(result: Evaluation) -> None:
    _print(result.metrics, result.interval)
    print(f"n\t{result.n}")
    if not result.trained_on:
        return
    if result.heldout is None:
        print(f"All of these {result.n} samples were trained on: the figures say nothing of new ones.")
        return
    left = result.n - result.trained_on
    print(f"{result.trained_on} of these {result.n} samples were trained on; on the {left} others:")
    _print(result.heldout, result.heldout_interval)


def _print(metrics: dict[str, float], interval: dict[str, Any] | None) -> None:
    """A line for each metric: its name, its value and, of the headline, the interval."""
    for name, value in metrics.items():
        sure = f"\t95%: {span(interval['low'], interval['high'])}" if interval and interval["metric"] == name else ""
        print(f"{name}\t{value:.4f}{sure}")


app = single(evaluate)
