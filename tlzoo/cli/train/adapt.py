"""`tlzoo adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tlzoo.cli.shared.options import Json, Out, Quiet
from tlzoo.cli.shared.output import print_json, single


def adapt(
    run: Annotated[Path, typer.Argument(help="The run to adapt")],
    target: Annotated[Path, typer.Option(help="Unlabelled data of the other domain; labels are ignored")],
    out: Out,
    method: Annotated[str, typer.Option(help="auto, coral, or PLUGIN/NAME")] = "auto",
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Adapt a run to unlabelled data of another domain and save it as a new run."""
    from tlzoo.progress import set_quiet
    from tlzoo.workflows.adapt import adapt as adapt_run

    set_quiet(quiet)
    adapted = adapt_run(run, target, out=out, method=method)
    facts = dict(adapted.adapted or {})
    if json:
        print_json(
            {
                "run": str(adapted.path),
                "metrics": dict(adapted.metrics),
                "seconds": adapted.seconds["total"],
                "adapted": facts,
            }
        )
        return
    seen = f"{facts['n_target']} unlabelled samples of {facts['target']}"
    print(f"Run {adapted.path}: adapted by {facts['method']} to {seen}")
    print(f"Next: tlzoo export {adapted.path} --out model.onnx")


app = single(adapt)
