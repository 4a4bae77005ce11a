"""How much memory `tlzoo finetune` takes at 1,000 and at 20,000 samples: the peak RSS of its process.

    uv run python benchmarks/memory.py [--samples 1000 20000] [--only probe|lp-ft] [--checkpoint ID]

The pictures are made here, 64 x 64, half of them JPEG, one colour per class under noise. `lp-ft --freeze last:1` keeps
what the frozen part computes for each picture in the cache: about 63 KB with EfficientNet-Lite0, 1.3 GB for 20,000.
The peak is `ru_maxrss` of the process, in which pages of memory-mapped files count while they are resident. Each is
measured with the graph in the cache and nothing computed with it, since exporting has a peak of its own.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from children import Cache
from figures import add_option, keep, write
from PIL import Image

GOAL = 1.2
SIDE = 64
COLOUR = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200), "grey": (120, 120, 120)}
OPTIONS = {
    "probe": ("--strategy", "probe"),
    "lp-ft": ("--strategy", "lp-ft", "--freeze", "last:1", "--epochs", "1"),
}
FEW = 41


def write_pictures(folder: Path, count: int) -> Path:
    """A folder per class; no two pictures are the same, as a repeated one would be computed once only."""
    random = np.random.default_rng(0)
    for name in COLOUR:
        (folder / name).mkdir(parents=True)
    for number in range(count):
        name = list(COLOUR)[number % len(COLOUR)]
        pixels = random.normal(COLOUR[name], 60, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
        kind = "jpg" if number // len(COLOUR) % 2 else "png"
        Image.fromarray(pixels).save(folder / name / f"{number}.{kind}")
    return folder


def measure(strategy: str, checkpoint: str, pictures: dict[int, Path], work: Path) -> None:
    """Print the peak at each number of pictures, and its ratio to the first."""
    cache, least = Cache(work / f"cache-{strategy}"), 0.0
    for count, folder in pictures.items():
        cache.forget_activations()
        command = ("finetune", checkpoint, folder, "--out", work / f"{strategy}-{count}", "--quiet")
        done = cache.tlzoo(*command, *OPTIONS[strategy])
        if count == FEW:
            continue
        least = least or done.peak
        keep(f"{strategy}, {count} pictures, peak", done.peak, "MiB")
        keep(f"{strategy}, {count} pictures", done.seconds, "s")
        kept = cache.activation_bytes() / 1e6
        ratio = f"{done.peak / least:.2f} x"
        print(
            f"  {count:>6} pictures{done.peak:>8.0f} MiB  {ratio}   {done.seconds:.0f} s, {kept:.0f} MB kept",
            flush=True,
        )


def main() -> None:
    """Measure one strategy or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[1000, 20_000], help="compared with the first")
    parser.add_argument("--only", choices=sorted(OPTIONS))
    parser.add_argument("--checkpoint", default="vision/efficientnet-lite0")
    add_option(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        counts = dict.fromkeys((FEW, *arguments.samples))
        pictures = {count: write_pictures(work / f"pictures{count}", count) for count in counts}
        for strategy in [arguments.only] if arguments.only else OPTIONS:
            print(f"{' '.join(OPTIONS[strategy])}, {arguments.checkpoint} (goal: at most {GOAL} x)", flush=True)
            measure(strategy, arguments.checkpoint, pictures, work)
    write(arguments.json)


if __name__ == "__main__":
    main()
