"""`tlzoo export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlzoo.cli.shared.options import (
    Json,
    LabelColumn,
    Others,
    PathColumn,
    Quiet,
    SkipBroken,
    TextColumn,
    columns,
    says_how_written,
    share_of,
)
from tlzoo.cli.shared.output import announce, print_json, single, span

if TYPE_CHECKING:
    from tlzoo.exporting.export import Exported
    from tlzoo.options import Thresholds

NEXT = {
    "onnx": "tlzoo predict {file} INPUT...   (or measure it: tlzoo bench {file})",
    "triton": "tritonserver --model-repository {path}",
    "web": "python -m http.server --directory {path}   (then open the address it prints)",
}


@says_how_written()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run to export")],
    out: Annotated[Path, typer.Option("--out", help="The ONNX file to write; with --format a new folder")],
    data: Annotated[
        Path | None, typer.Option(help="Labelled data for the proof, instead of the run's test split")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="fp32, fp16, int8, or auto: the fastest that passes its proof")
    ] = "fp32",
    raw_input: Annotated[bool, typer.Option("--raw-input", help="Resize and crop pictures inside the graph")] = False,
    format: Annotated[str, typer.Option("--format", help="onnx (one file), triton, web, or a plugin's")] = "onnx",
    max_difference: Annotated[
        float | None, typer.Option(help="Largest allowed output difference, as a share of the output's scale")
    ] = None,
    min_agreement: Annotated[float | None, typer.Option(help="Smallest allowed share of equal answers, 0.5..1")] = None,
    max_drop: Annotated[float | None, typer.Option(help="Largest allowed drop of the metric, in points, 0..10")] = None,
    trained_on: Annotated[
        bool, typer.Option(help="Keep a filter that lets evaluate recognise training samples; it contains none of them")
    ] = True,
    sign: Annotated[
        Path | None, typer.Option(help="Sign it with this private key; make one: tlzoo registry new-key KEYFILE")
    ] = None,
    text_column: TextColumn = None,
    path_column: PathColumn = None,
    label_column: LabelColumn = None,
    column: Others = None,
    skip_broken: SkipBroken = "0%",
    *,
    written: dict[str, Any],
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Export a run as one ONNX file and prove on held-out data that it equals the trained model."""
    from tlzoo.runs.record import read_record

    read_record(run)  # what is no run is not announced
    share = share_of("--skip-broken", skip_broken)
    asked = _thresholds(max_difference, min_agreement, max_drop)
    announce(f"Loading {run}", quiet)
    from tlzoo.workflows.run import Run

    trained = Run.load(run)
    exported = trained.export(
        out,
        data=data,
        precision=precision,
        raw_input=raw_input,
        format=format,
        thresholds=asked,
        trained_on=trained_on,
        sign=sign,
        columns=columns(text_column, path_column, label_column, column, written),
        skip_broken=share,
    )
    if json:
        print_json(_document(exported))
        return
    _print(exported, trained.task.answers, trained.task.headline)
    print("Next: " + NEXT.get(format, "deploy {path}").format(file=exported.file, path=exported.path))


def _thresholds(difference: float | None, agreement: float | None, drop: float | None) -> Thresholds | None:
    """The thresholds that were given; None where none was."""
    from tlzoo.options import Thresholds

    if difference is agreement is drop is None:
        return None
    return Thresholds(difference=difference, agreement=agreement, drop=drop)


def _document(exported: Exported) -> dict[str, Any]:
    parts = {"parity": exported.parity, "calibration": exported.calibration, "measured": exported.measured}
    return {
        "path": str(exported.path),
        "file": str(exported.file),
        "bytes": exported.bytes,
        "precision": exported.precision,
        "kept_fp32": list(exported.kept_fp32),
        **{name: part and part.model_dump(mode="json") for name, part in parts.items()},
        "worst": exported.worst,
        "metrics": exported.metrics,
        "interval": exported.interval.model_dump(mode="json"),
        "seconds": exported.seconds,
        "read": dict(exported.read),
    }


def _change(drop: float) -> str:
    """How many points of a metric a lower precision lost or gained."""
    return f"{abs(drop):.2f} points {'gained' if drop < 0 else 'lost'}"


def _print(exported: Exported, answers: str, headline: str) -> None:
    parity, measured, calibration = exported.parity, exported.measured, exported.calibration
    print(f"{exported.file}: {exported.bytes / 1e6:.1f} MB, {exported.precision}")
    lengths = f", lengths {', '.join(map(str, parity.lengths))}" if parity.lengths else ""
    print(
        f"Proof: {parity.counted} at batches {', '.join(map(str, parity.batches))}{lengths}: "
        f"{answers} agree on {parity.top1_agreement:.1%}, outputs differ by {parity.max_abs_diff:.1e} at most "
        f"({parity.tolerance:.1e} allowed), most on {exported.worst}"
    )
    for name, value in exported.metrics["reference"].items():
        lost = f"\t{_change(parity.drop)}" if name == headline and exported.precision != "fp32" else ""
        between = exported.interval
        sure = f" ({between.level:.0%}: {span(between.low, between.high)})" if name == between.metric else ""
        print(f"{name}\t{value:.4f} trained\t{exported.metrics['exported'][name]:.4f} exported{sure}{lost}")
    if measured:
        kept = f", {len(exported.kept_fp32)} nodes left in fp32" if exported.kept_fp32 else ""
        print(
            f"Compared with fp32: {measured.bytes / measured.fp32_bytes:.2f} x the size, {measured.speedup:.2f} x the "
            f"samples per second at batch {measured.batch} on this machine{kept}"
        )
    if calibration:
        print(
            f"Probabilities: temperature {calibration.temperature:.3f} from {calibration.samples} validation samples; "
            f"expected calibration error {calibration.ece_before:.4f} before, {calibration.ece_after:.4f} after"
        )


app = single(export)
