"""`tlzoo demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tlzoo.cli.shared.options import Json, Quiet
from tlzoo.cli.shared.output import announce, print_json, print_table, single
from tlzoo.demo import MODALITIES
from tlzoo.errors import UsageError

COLUMNS = ("", "checkpoint", "data", "train", "test", "features", "training", "export", "trained", "onnx", "scratch")


def demo(
    modalities: Annotated[
        list[str] | None, typer.Argument(metavar="MODALITY", help="vision, nlp, speech; all three by default")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the runs and the ONNX files")] = Path("runs/demo"),
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train, export and evaluate on small real data sets, and compare with training from scratch."""
    chosen = modalities or list(MODALITIES)
    if strange := [name for name in chosen if name not in MODALITIES]:
        raise UsageError(f"Unknown demo {strange[0]!r}.", hint=f"Demos: {', '.join(MODALITIES)}.")
    announce("Preparing the demo", quiet)
    from tlzoo.demo.chain import run_demo

    rows = [run_demo(name, out) for name in chosen]
    if json:
        print_json(rows)
        return
    print_table(COLUMNS, [_cells(row) for row in rows])
    print(
        "features, training, export: seconds. trained, onnx: accuracy on the test samples of the model in torch and of"
    )
    print(
        "its ONNX file. scratch: the same network from random weights, trained as long as features and training took."
    )
    print(f"Next: tlzoo inspect {rows[-1]['onnx']}")


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    timing, accuracy = row["timing"], row["accuracy"]
    return (
        row["modality"],
        row["checkpoint"],
        row["data"],
        row["n_train"],
        row["n_test"],
        *(f"{timing[name]:.1f}" for name in ("features", "training", "export")),
        *(f"{accuracy[name]:.1%}" for name in ("trained", "onnx", "scratch")),
    )


app = single(demo)
