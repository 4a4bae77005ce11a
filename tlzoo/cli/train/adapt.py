"""`tlzoo adapt`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tlzoo.cli.shared.options import Json, Out, Quiet, SkipBroken, columns, says_how_written, share_of
from tlzoo.cli.shared.output import announce, print_json, single
from tlzoo.progress import one_line

SHOWN = 5
VERDICTS = {
    "better": "better by more than chance",
    "worse": "worse by more than chance",
    "chance": "no difference beyond chance",
}


@says_how_written("decimal", "label_separator", "label_columns", "label_names")
def adapt(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run to adapt")],
    target: Annotated[Path, typer.Option(help="Unlabelled data of the other domain; labels are ignored")],
    out: Out,
    test: Annotated[Path | None, typer.Option(help="Labelled data of the target, to measure both models on")] = None,
    method: Annotated[str, typer.Option(help="auto, coral, or PLUGIN/NAME")] = "auto",
    skip_broken: SkipBroken = "0%",
    *,
    written: dict[str, Any],
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Adapt a run to unlabelled data of another domain and save it as a new run."""
    from tlzoo.io.files import check_exists
    from tlzoo.runs.paths import check_output_path
    from tlzoo.runs.record import read_record

    check_output_path(out)  # before the import of torch, which takes seconds
    record = read_record(run)
    check_exists(target, test)
    announce(f"Loading {run}", quiet)
    from tlzoo.plugins.adaptation import check_method

    check_method(method, record.checkpoint.plugin)
    from tlzoo.workflows.adapt import adapt as adapt_run

    share, named = share_of("--skip-broken", skip_broken), columns(None, None, None, written=written)
    adapted = adapt_run(run, target, out=out, method=method, test=test, columns=named, skip_broken=share)
    facts = dict(adapted.adapted or {})
    read = facts.pop("read")
    if json:
        print_json(
            {
                "run": str(adapted.path),
                "metrics": dict(adapted.metrics),
                "interval": adapted.interval,
                "seconds": adapted.seconds["total"],
                "adapted": facts,
                "read": read,
            }
        )
        return
    copies = f" ({facts['n_copies']} of them copies)" if facts["n_copies"] else ""
    seen = f"{facts['n_target']} unlabelled samples{copies} of {facts['target']}"
    print(one_line(f"Run {adapted.path}: adapted by {facts['method']} to {seen}"))
    for line in _verdict(facts, int(adapted.data.n_test)):
        print(one_line(line))
    print(f"Next: tlzoo export {adapted.path} --out model.onnx")


def _verdict(facts: dict[str, Any], n_test: int) -> Iterator[str]:
    """What adapting did, in lines."""
    yield f"Source, {n_test} held-out samples: {_change(facts, 'source')}"
    yield f"Target: {facts['changed']:.1%} of {facts['n_target']} answers changed"
    for when in ("before", "after"):
        if shares := facts.get(f"answers_{when}"):
            shown = [f"{label} {share:.0%}" for label, share in list(shares.items())[:SHOWN]]
            yield f"Answers {when}: {', '.join(shown)}{', ...' if len(shares) > SHOWN else ''}"
    if "target_change" in facts:
        yield f"Target, {facts['n_labelled']} labelled samples: {_change(facts, 'target')}"
        if among := facts["n_labelled_in_target"]:
            yield f"{among} of these {facts['n_labelled']} are among the target samples that it was adapted to"
    else:
        yield "Whether it is better on the target, only labels can tell: --test LABELLED measures it"


def _change(facts: dict[str, Any], where: str) -> str:
    """The headline metric before and after, the difference with its interval, and the verdict in words."""
    change = facts[f"{where}_change"]
    found = change["difference"]
    was, now = (facts[f"{where}_metrics_{when}"][found["metric"]] for when in ("before", "after"))
    by = f"{found['value']:+.4f} ({found['level']:.0%}: {found['low']:+.4f} to {found['high']:+.4f})"
    return f"{found['metric']} {was:.4f} before, {now:.4f} after: {by}, {VERDICTS[change['verdict']]}"


app = single(adapt)
