"""What keeping the frozen part's activations is worth, and what keeping them in half precision costs.

    uv run python benchmarks/cache.py [--only vision|nlp] [--samples N] [--epochs 5] [--stages 1]

Trains the last stage and the head by gradient descent (`--strategy finetune --freeze last:N`), with the same data, seed
and epochs: with `--no-cache`, which runs the frozen part again in every epoch; with the cache, empty at first; once
more with what it then holds; and with it empty again and in fp16. The graph is in the cache each time.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from children import Cache
from figures import add_option, keep, write
from samples import CHECKPOINT, prepare

SAMPLES = {"vision": 1000, "nlp": 2000}
TEST = 500


def measure(modality: str, samples: int, epochs: int, stages: int, work: Path) -> None:
    """Print seconds, accuracy and bytes of each way."""
    cache, turns = Cache(work / "cache"), 0
    data, test = prepare(modality, work / "data", samples, TEST)
    given = ("--strategy", "finetune", "--freeze", f"last:{stages}", "--epochs", str(epochs), "--json", "--quiet")

    def train(*options: str) -> tuple[float, float, float]:
        nonlocal turns
        turns += 1
        out = work / f"run{turns}"
        done = cache.tlzoo("finetune", CHECKPOINT[modality], data, "--test", test, "--out", out, *given, *options)
        return done.seconds, json.loads(done.output)["metrics"]["accuracy"], cache.activation_bytes() / 1e6

    train("--max-steps", "1")
    cache.forget_activations()
    print(f"{samples} samples, last:{stages}, {epochs} epochs, {CHECKPOINT[modality]}, {os.cpu_count()} cores")
    print(f"  {'':<24}{'s':>8}{'accuracy':>10}{'MB kept':>9}")
    slow = None
    for name, options in (
        ("--no-cache", ["--no-cache"]),
        ("cache, empty", []),
        ("cache, again", []),
        ("cache in fp16, empty", ["--cache-precision", "fp16"]),
    ):
        if name.endswith("empty"):
            cache.forget_activations()
        seconds, accuracy, kept = train(*options)
        slow = slow or seconds
        keep(f"{modality}, {name}", seconds, "s")
        keep(f"{modality}, {name}, kept", kept, "MB")
        keep(f"{modality}, {name}, accuracy", accuracy, "share")
        print(f"  {name:<24}{seconds:>8.1f}{accuracy:>10.4f}{kept:>9.1f}   {slow / seconds:.2f} x as fast", flush=True)


def main() -> None:
    """Measure one modality or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=sorted(CHECKPOINT))
    parser.add_argument("--samples", type=int, help=f"of training, validation included, instead of {SAMPLES}")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--stages", type=int, default=1)
    add_option(parser)
    arguments = parser.parse_args()
    for modality in [arguments.only] if arguments.only else CHECKPOINT:
        with tempfile.TemporaryDirectory() as folder:
            samples = arguments.samples or SAMPLES[modality]
            measure(modality, samples, arguments.epochs, arguments.stages, Path(folder))
    write(arguments.json)


if __name__ == "__main__":
    main()
