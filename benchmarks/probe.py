"""How much `tlzoo finetune --strategy probe` costs beside one ONNX Runtime pass over the same data. Both run here, now.

    uv run python benchmarks/probe.py [--samples 4990] [--rounds 2]

The pass is the least that frozen features can cost: a process that decodes every picture and runs the backbone's ONNX
graph on it in batches of 32, nothing else. The command is a process too: start-up, torch, splitting, features, choosing
the regularisation, measuring, saving. Both see the same MNIST pictures. `cold` exports the backbone first, `warm` finds
its graph in the cache.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKPOINT = "vision/efficientnet-lite0"

PASS = """
import sys
from pathlib import Path
import numpy as np
import onnxruntime
from tlzoo import registry
from tlzoo.preprocess import make_preprocessor

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
preprocess = make_preprocessor(registry.get(sys.argv[2]).preprocess)
files = sorted(Path(sys.argv[3]).rglob("*.png"))
for start in range(0, len(files), 32):
    session.run(None, preprocess(files[start:start + 32]))
"""


def seconds(command: list[str]) -> float:
    """Wall seconds of one process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Print the seconds of each round and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4990)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()

    from tlzoo.demo.digits import prepare
    from tlzoo.registry.sources import cache

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        prepare(work / "mnist", n_train=arguments.samples, n_test=10)
        data = work / "mnist" / "train"
        graphs = cache.root() / "graphs"
        shutil.rmtree(graphs, ignore_errors=True)
        finetune = [sys.executable, "-m", "tlzoo", "finetune", CHECKPOINT, str(data), "--out"]
        cold = seconds([*finetune, str(work / "cold")])
        graph = max(graphs.glob("*.onnx"), key=os.path.getmtime)
        passes, warm = [], []
        for turn in range(arguments.rounds):
            passes.append(seconds([sys.executable, "-c", PASS, str(graph), CHECKPOINT, str(data)]))
            warm.append(seconds([*finetune, str(work / f"warm{turn}")]))
            print(f"round {turn + 1}: pass {passes[-1]:.1f} s, probe {warm[-1]:.1f} s", flush=True)
    least = statistics.median(passes)
    print(f"{arguments.samples} pictures, {CHECKPOINT}, {os.cpu_count()} cores")
    print(f"one ONNX Runtime pass     {least:7.1f} s")
    usual = statistics.median(warm)
    print(f"finetune --strategy probe {usual:7.1f} s   {usual / least:.2f} x the pass (warm)")
    print(f"                          {cold:7.1f} s   {cold / least:.2f} x the pass (cold: exports the backbone first)")


if __name__ == "__main__":
    main()
