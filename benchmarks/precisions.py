"""`tlzoo export --precision int8` and `fp16` beside fp32: size, speed and what the metric loses on the test part.

    uv run python benchmarks/precisions.py [--only vision|nlp|speech] [--runs RUN ...] [--seconds 8]

Every precision is exported from the same run, proven on the run's own test part, and kept only where the proof holds;
where it does not, the refusal is printed. Counted are calls of the session on prepared test inputs, which are real
texts of their own lengths, in turns, at batch 1 and 32 and as many threads as `--threads`; decoding is left out.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from children import machine
from figures import add_option, keep, write
from samples import MODALITIES, by_modality, test_inputs, trained

if TYPE_CHECKING:
    from tlzoo.exporting.export import Exported

PRECISIONS = ("fp32", "fp16", "int8")
BATCHES = (1, 32)
GOALS = {"nlp": 1.8, "vision": 1.3}
DROP_GOAL = 0.5


def export_all(run_path: Path, work: Path) -> dict[str, Exported]:
    """The files that were made, by precision; what was refused is printed."""
    from tlzoo.errors import TlzooError
    from tlzoo.workflows.run import Run

    run, made = Run.load(run_path), {}
    for precision in PRECISIONS:
        try:
            made[precision] = run.export(work / f"{precision}.onnx", precision=precision)
        except TlzooError as error:
            print(f"  {precision} refused: {error}", flush=True)
    return made


def throughput(modality: str, made: dict[str, Exported], threads: int, seconds: float) -> dict[tuple[str, int], float]:
    """Samples per second at the median call, by precision and batch."""
    from tlzoo.runtime.bench import bench

    inputs = test_inputs(modality, max(BATCHES))
    if modality == "nlp":  # batch 1 takes the first, which should be of usual length
        usual = sorted(map(len, inputs))[len(inputs) // 2]
        inputs.sort(key=lambda text: abs(len(text) - usual))
    rows = bench(
        [one.file for one in made.values()], batches=BATCHES, threads=[threads], inputs=inputs, seconds=seconds
    )
    return {
        (row.precision, row.batch): 1000 * row.batch / row.p50_ms
        for row in rows
        if row.engine == "onnxruntime" and row.p50_ms is not None
    }


def report(
    title: str, modality: str, headline: str, made: dict[str, Exported], fast: dict[tuple[str, int], float]
) -> None:
    """A table, and the lines for benchmarks/README.md."""
    print(title)
    print(
        f"  {'':<6}{'MB':>8}{headline:>12}{'lost':>8}{'kept fp32':>11}"
        + "".join(f"{f'{n}: /s, x':>20}" for n in BATCHES)
    )
    for precision, one in made.items():
        lost = _lost(one, headline)
        keep(f"{modality}, {precision}, size", one.bytes / 1e6, "MB")
        keep(f"{modality}, {precision}, points lost", lost, "points")
        for n in BATCHES:
            keep(f"{modality}, {precision}, batch {n}", fast[precision, n], "/s")
        speeds = [(fast[precision, n], fast[precision, n] / fast["fp32", n]) for n in BATCHES]
        print(
            f"  {precision:<6}{one.bytes / 1e6:>8.1f}{one.metrics['exported'][headline]:>12.4f}{lost:>8.2f}"
            f"{len(one.kept_fp32):>11}" + "".join(f"{rate:>12.1f}{ratio:>7.2f}x" for rate, ratio in speeds)
        )
    for precision in [name for name in made if name != "fp32"]:
        one, lost = made[precision], _lost(made[precision], headline)
        ratio = {n: fast[precision, n] / fast["fp32", n] for n in BATCHES}
        goal = GOALS.get(modality) if precision == "int8" else None
        wanted = f"≥ {goal} ×, ≤ {DROP_GOAL} points" if goal else ""
        missed = ", missed" if goal and (ratio[32] < goal or lost > DROP_GOAL) else ""
        print(
            f"| {precision} beside fp32, {modality}, sessions alone | batch 32 **{ratio[32]:.2f} ×**, batch 1 "
            f"{ratio[1]:.2f} ×, {one.bytes / made['fp32'].bytes:.2f} of the size, {lost:.2f} points lost "
            f"| {wanted}{missed} |"
        )


def _lost(one: Exported, headline: str) -> float:
    """Points of the metric between the trained model and the file."""
    return 100 * (one.metrics["reference"][headline] - one.metrics["exported"][headline])


def main() -> None:
    """Measure one modality or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=MODALITIES)
    parser.add_argument("--runs", type=Path, nargs="*", default=[], help="finished runs on the demonstration's data")
    parser.add_argument("--seconds", type=float, default=8.0, help="of calls, per precision and batch")
    parser.add_argument("--threads", type=int, default=2)
    add_option(parser)
    arguments = parser.parse_args()
    runs = by_modality(arguments.runs)
    print(machine())
    for modality in [arguments.only] if arguments.only else MODALITIES:
        with tempfile.TemporaryDirectory() as folder:
            run = runs.get(modality) or trained(modality, Path(folder))
            measure(modality, run, Path(folder), arguments)
    write(arguments.json)


def measure(modality: str, run_path: Path, work: Path, arguments: argparse.Namespace) -> None:
    """Export, measure and print one modality."""
    from tlzoo.workflows.run import Run

    run = Run.load(run_path)
    title = f"{modality}, {run.checkpoint.id}, {run.data.n_test} test samples, {arguments.threads} threads"
    print(f"Exporting {title}", flush=True)
    made = export_all(run_path, work)
    fast = throughput(modality, made, arguments.threads, arguments.seconds)
    report(title, modality, run.task.headline, made, fast)


if __name__ == "__main__":
    main()
