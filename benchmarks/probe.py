"""How much `tlzoo finetune --strategy probe` costs beside one ONNX Runtime pass over the same data. Both run here, now.

    uv run python benchmarks/probe.py [--only vision|nlp] [--samples N] [--rounds 2]

The pass is the least that frozen features can cost: a bare process that imports NumPy, ONNX Runtime and the
preprocessing (its imports are counted), decodes or tokenises every sample and runs the backbone's fp32 graph on it in
batches of 32, texts sorted by length. It runs as it is and with the allocator's thresholds that tlzoo sets for itself.
The command is a process too: start-up, torch, splitting, features, choosing the regularisation, measuring, saving.

`first` exports the backbone; `new data` finds its graph in the cache but none of its features, `again` finds both, as a
second run with another seed does. `start-up` is `again` on 100 samples: what any run costs that has nothing to compute.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from children import ALLOCATOR, Cache, run
from figures import add_option, keep, write
from samples import CHECKPOINT, prepare

SAMPLES = {"vision": 4990, "nlp": 9900}
TINY = 100

PASS = """
import csv, sys
from pathlib import Path
import onnxruntime
from pydantic import TypeAdapter
from tlzoo.preprocess import make_preprocessor
from tlzoo.specs import Preprocess

graph, spec, data = map(Path, sys.argv[1:])
session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
wanted = {given.name for given in session.get_inputs()}
preprocess = make_preprocessor(TypeAdapter(Preprocess).validate_json(spec.read_bytes()))
if data.is_dir():
    inputs = sorted(data.rglob("*.png"))
else:
    with data.open(encoding="utf-8", newline="") as file:
        inputs = sorted((row["text"] for row in csv.DictReader(file)), key=len)
for start in range(0, len(inputs), 32):
    arrays = preprocess(inputs[start:start + 32])
    session.run(None, {name: array for name, array in arrays.items() if name in wanted})
"""


def measure(modality: str, samples: int, rounds: int, work: Path) -> None:
    """Print the medians of `rounds` and the ratios."""
    data, tiny = (prepare(modality, work / name, n, 10)[0] for name, n in (("data", samples), ("tiny", TINY)))
    cache, checkpoint = Cache(work / "cache"), CHECKPOINT[modality]
    turns = 0

    def probe(given: Path) -> float:
        nonlocal turns
        turns += 1
        out = work / f"run{turns}"
        return cache.tlzoo("finetune", checkpoint, given, "--out", out, "--seed", str(turns), "--quiet").seconds

    first = probe(data)
    given = [sys.executable, "-c", PASS, cache.newest_graph(), work / "run1" / "preprocess.json", data]
    probe(tiny)
    took: dict[str, list[float]] = {name: [] for name in ("pass", "thresholds", "new data", "again", "start-up")}
    for _ in range(rounds):
        took["pass"].append(run(given).seconds)
        took["thresholds"].append(run(given, **ALLOCATOR).seconds)
        took["start-up"].append(probe(tiny))
        cache.forget_activations()
        took["new data"].append(probe(data))
        took["again"].append(probe(data))
        probe(tiny)
    usual = {name: statistics.median(seconds) for name, seconds in took.items()}
    usual["first"] = first
    report(f"{samples} samples, {checkpoint}, {os.cpu_count()} cores, median of {rounds}", usual)
    shutil.rmtree(work)


def report(title: str, seconds: dict[str, float]) -> None:
    """The table of one modality."""
    least = min(seconds["pass"], seconds["thresholds"])
    print(title)
    for name, took in seconds.items():
        keep(f"{title.split(', ')[1]}, {name}", took, "s")
    print(f"  one ONNX Runtime pass                {seconds['pass']:7.1f} s")
    print(f"  the same, allocator thresholds set   {seconds['thresholds']:7.1f} s")
    for name in ("first", "new data", "again"):
        took = seconds[name]
        over = f"{took / seconds['pass']:5.2f} x the pass, {took / least:.2f} x the faster of both"
        print(f"  probe, {name:<29} {took:7.1f} s   {over}")
    surplus = (seconds["again"] - seconds["start-up"]) / least
    print(
        f"  probe, {'start-up':<29} {seconds['start-up']:7.1f} s   `again` takes {surplus:.1%} of a pass on top of it"
    )
    print("goals: `new data` at most 1.2 x the pass, `again` at most 5 % of it on top of start-up", flush=True)


def main() -> None:
    """Measure one modality or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=sorted(CHECKPOINT))
    parser.add_argument("--samples", type=int, help=f"instead of {SAMPLES}")
    parser.add_argument("--rounds", type=int, default=2)
    add_option(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for modality in [arguments.only] if arguments.only else CHECKPOINT:
            work = Path(folder) / modality
            work.mkdir()
            measure(modality, arguments.samples or SAMPLES[modality], arguments.rounds, work)
    write(arguments.json)


if __name__ == "__main__":
    main()
