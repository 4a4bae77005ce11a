"""`tlzoo bench`. Torch-free, unless it is measured too."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlzoo.cli.shared.options import Json, Quiet
from tlzoo.cli.shared.output import announce_file, print_json, print_table, single
from tlzoo.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tlzoo.io.inputs.report import ReadReport
    from tlzoo.runtime.bench import BenchResult

COLUMNS = "file precision engine provider threads batch shape calls p50_ms p95_ms p99_ms samples_per_s note".split()
PLOT_FORMATS = (".png", ".svg")


def bench(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An exported ONNX file")],
    also: Annotated[
        list[Path] | None, typer.Option(help="Another file to compare, such as an int8 one; repeatable")
    ] = None,
    batch: Annotated[str, typer.Option(help="Batch sizes")] = "1,8,32",
    threads: Annotated[str, typer.Option(help="Thread counts; all cores by default")] = "",
    provider: Annotated[str, typer.Option(help="ONNX Runtime's providers: cpu, cuda ...")] = "cpu",
    data: Annotated[
        list[str] | None, typer.Option(help="Files, folders or texts to measure on, also end to end; repeatable")
    ] = None,
    length: Annotated[int | None, typer.Option(min=1, help="Length of synthetic texts, in tokens \\[128]")] = None,
    seconds: Annotated[float, typer.Option(min=0.01, help="Seconds per row")] = 2.0,
    against: Annotated[str, typer.Option(help="'torch' adds eager and compiled torch; needs --run")] = "",
    run: Annotated[Path | None, typer.Option(help="The run that the file was exported from")] = None,
    out: Annotated[Path | None, typer.Option(help="Also plot to this .png or .svg file")] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Measure latency and throughput of ONNX files on this machine."""
    announce_file(file, quiet)
    from tlzoo.workflows.bench import bench as measure

    batches, counts = _numbers(batch, "--batch"), _numbers(threads, "--threads") if threads else ()
    providers = tuple(name.strip() for name in provider.split(","))
    if out is not None:
        _check_plot(out)
    inputs, reports = _inputs(file, data) if data else (None, {})
    rows = measure(
        [file, *(also or [])],
        batch=batches,
        threads=counts,
        provider=providers,
        data=inputs,
        length=length,
        seconds=seconds,
        run=_torch_run(against, run),
    )
    if out is not None:
        _plot(rows, out)
    machine = _machine()
    if json:
        read = {item: dict(report.facts()) for item, report in reports.items()}
        given = "given" if data else "made up"
        print_json({"inputs": given, "read": read, **machine, "rows": [asdict(row) for row in rows]})
        return
    print_table(COLUMNS, [_cells(row) for row in rows])
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print("Inputs: your own." if data else "Inputs: synthetic; --data INPUTS measures your own, also end to end.")
    if out is not None:
        print(f"Plot: {out}")


def _numbers(text: str, option: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise UsageError(f"{option} cannot be {text!r}.", hint=f"Give whole numbers, 1 or more: {option} 1,8")
    return tuple(dict.fromkeys(map(int, parts)))


def _inputs(file: Path, data: Sequence[str]) -> tuple[list[Any], dict[str, ReadReport]]:
    """The given inputs as the file takes them, and the account of those that were read: a folder is what lies in it.

    Raises DataError for none.
    """
    from tlzoo.data import announce, endings_of, read
    from tlzoo.data.contents import keep_part
    from tlzoo.errors import DataError
    from tlzoo.io.inputs.report import ReadReport
    from tlzoo.runtime.predictor import open_artifact
    from tlzoo.runtime.unknown_task import task_of_manifest

    _, manifest = open_artifact(file)
    task, endings = task_of_manifest(manifest), endings_of(manifest.preprocess)
    found: list[Any] = []
    reports: dict[str, ReadReport] = {}
    for item in data:
        if Path(item).is_dir() or (task.modality == "text" and Path(item).is_file()):
            reports[item] = ReadReport()
            collection = read(item, task, labelled=False, endings=endings, report=reports[item])
            found += keep_part(collection, task, reports[item], test=False).inputs
            announce(reports[item], item)
        else:
            found.append(item)
    if not found:
        raise DataError(f"There are no inputs in {', '.join(data)}.", hint="Give files, folders or texts.")
    return found, reports


def _torch_run(against: str, run: Path | None) -> Path | None:
    """The run to measure in torch; raises UsageError where only one of the two options is given."""
    if against not in ("", "torch"):
        raise UsageError(f"--against cannot be {against!r}.", hint="Use --against torch.")
    if against and run is None:
        raise UsageError("--against torch needs the run that the file was exported from.", hint="Add --run RUN.")
    if run is not None and not against:
        raise UsageError("--run has no effect without --against.", hint="Add --against torch.")
    return run


def _machine() -> dict[str, Any]:
    import onnxruntime

    from tlzoo.io.cores import available_cores

    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": available_cores(),
        "onnxruntime": onnxruntime.__version__,
    }


def _cells(row: BenchResult) -> list[object]:
    cells = asdict(row)
    return [f"{cells[name]:.4g}" if isinstance(cells[name], float) else cells[name] for name in COLUMNS]


def _check_plot(out: Path) -> None:
    """Raise UsageError before anything is measured where the picture could not be drawn."""
    from importlib.util import find_spec

    from tlzoo.io.files import why_unwritable

    if out.suffix.lower() not in PLOT_FORMATS:
        raise UsageError(
            f"--out {out} is not a file that can be plotted to.", hint=f"End it in {' or '.join(PLOT_FORMATS)}."
        )
    if find_spec("matplotlib") is None:
        raise UsageError("Plotting needs matplotlib.", hint="Install it: pip install 'tlzoo[bench]'")
    if reason := "it is a folder" if out.is_dir() else why_unwritable(out):
        raise UsageError(f"{out} cannot be written: {reason}.", hint="Choose another --out.")


def _plot(rows: Sequence[BenchResult], out: Path) -> None:
    from tlzoo.io.files import atomic_file

    figure = _figure(rows)
    with atomic_file(out) as temporary:
        figure.savefig(temporary, format=out.suffix[1:].lower(), dpi=120)


def _figure(rows: Sequence[BenchResult]) -> Figure:
    """Throughput, and latency from its median to the 99th percentile, by batch size; a line for each way."""
    from matplotlib.figure import Figure

    series: dict[str, list[BenchResult]] = {}
    for row in rows:
        if row.p50_ms is not None:
            name = f"{row.file} {row.precision}, {row.engine}, {row.provider}, {row.threads} threads"
            series.setdefault(name, []).append(row)
    figure = Figure(figsize=(12, 5), layout="constrained")
    speed, latency = figure.subplots(1, 2)
    for name, points in series.items():
        sizes = [row.batch for row in points]
        speed.plot(sizes, [row.samples_per_s or 0 for row in points], marker="o", label=name)
        [line] = latency.plot(sizes, [row.p50_ms or 0 for row in points], marker="o")
        low, high = ([getattr(row, name) or 0 for row in points] for name in ("p50_ms", "p99_ms"))
        latency.fill_between(sizes, low, high, color=line.get_color(), alpha=0.2)
    for axes, what in ((speed, "samples per second"), (latency, "milliseconds per batch, median to 99th percentile")):
        axes.set(xlabel="batch", ylabel=what, xscale="log", xticks=(ticks := sorted({row.batch for row in rows})))
        axes.set_xticks(ticks, list(map(str, ticks)), minor=False)
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", fontsize="small")
    return figure


app = single(bench)
