"""`tlzoo export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tlzoo.cli.options import Json, Quiet
from tlzoo.cli.output import print_json, single


def export(
    run: Annotated[Path, typer.Argument(help="The run to export")],
    out: Annotated[Path, typer.Option("--out", help="The ONNX file to write")],
    data: Annotated[
        Path | None, typer.Option(help="Labelled data to prove it on, instead of the run's own test part")
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Write one ONNX file and prove on held-out data that it equals the trained model."""
    from tlzoo.engine.run import Run
    from tlzoo.progress import set_quiet

    set_quiet(quiet)
    trained = Run.load(run)
    exported = trained.export(out, data=data)
    parity = exported.parity
    if json:
        print_json(
            {
                "path": str(exported.path),
                "bytes": exported.bytes,
                "parity": parity.model_dump(mode="json"),
                "metrics": exported.metrics,
                "seconds": exported.seconds,
            }
        )
        return
    print(f"{exported.path}: {exported.bytes / 1e6:.1f} MB")
    answers, outputs = ("values", "they") if trained.task.kind == "regression" else ("labels", "logits")
    print(
        f"Proof: {parity.samples} held-out samples at batches {', '.join(map(str, parity.batches))}: {answers} agree "
        f"on {parity.top1_agreement:.1%}, {outputs} differ by {parity.max_abs_diff:.1e} at most "
        f"({parity.tolerance:.1e} allowed)"
    )
    for name, value in exported.metrics["reference"].items():
        print(f"{name}\t{value:.4f} trained\t{exported.metrics['exported'][name]:.4f} exported")
    print(f"Next: tlzoo predict {exported.path} INPUT...")


app = single(export)
