"""A folder of small JPEGs through the predictor, beside the session alone on the same pictures already prepared.

    uv run python benchmarks/folder.py [--files vision.onnx] [--samples 10000] [--slice 640]

The pictures, 160 x 120 pixels of gradients, blobs and noise, are made once with a seed. `stream` is `Predictor.stream`
over a slice of the folder: reading, decoding, resizing, inference, answers; its start and end count. `session` is
`InferenceSession.run` with its defaults on the slice's own tensors in batches of 32, made beforehand. Both take turns
in one process, slice by slice, through the whole folder; which goes first alternates. CPU seconds, of all threads and
with their waiting for work, are counted too.

Memory is the peak of `tlzoo predict FILE FOLDER --out`, a process of its own, on a tenth of the folder and on all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from children import apart, machine, run
from figures import add_option, keep, write
from PIL import Image
from samples import by_modality, exported

SIZE = (120, 160)
BATCH = 32
RATE_GOAL, MEMORY_GOAL = 0.90, 1.1


def make_folder(folder: Path, samples: int) -> list[Path]:
    """JPEGs that compress and decode like small photos: two gradients, coarse blobs and a little noise."""
    random = np.random.default_rng(0)
    down, across = np.mgrid[0 : SIZE[0], 0 : SIZE[1]][:, :, :, None] / SIZE[1]
    paths = [folder / f"{number:06}.jpg" for number in range(samples)]
    for path in paths:
        slope = random.uniform(-200, 200, (2, 3))
        blobs = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8)).resize(
            SIZE[::-1], Image.Resampling.BICUBIC
        )
        pixels = 64 + slope[0] * down + slope[1] * across + 0.5 * np.asarray(blobs) + random.normal(0, 5, (*SIZE, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=85)
    return paths


def compare(file: Path, paths: list[Path], each: int, threads: int) -> dict[str, list[tuple[float, float]]]:
    """Wall and CPU seconds of every slice, for the predictor and for the session."""
    import onnxruntime

    import tlzoo

    predictor = tlzoo.load(file, threads=threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    taken: dict[str, list[tuple[float, float]]] = {"stream": [], "session": []}
    for number, start in enumerate(range(0, len(paths), each)):
        part = paths[start : start + each]
        tensors = [predictor.prepare(part[at : at + BATCH]) for at in range(0, len(part), BATCH)]
        labels: dict[str, list[str | None]] = {}

        def stream(part: list[Path] = part, labels: dict[str, list[str | None]] = labels) -> None:
            labels["stream"] = [answer.label for answer in predictor.stream(iter(part), batch=BATCH)]

        def alone(tensors: list[dict[str, np.ndarray]] = tensors, labels: dict[str, list[str | None]] = labels) -> None:
            rows = [session.run(["logits"], arrays)[0].argmax(axis=1) for arrays in tensors]
            labels["session"] = [predictor.labels[at] for at in np.concatenate(rows)]

        ways = [("stream", stream), ("session", alone)]
        for name, way in ways if number % 2 else ways[::-1]:
            session.run(["logits"], tensors[0])  # the other's threads come to rest meanwhile
            taken[name].append(_timed(way))
        assert labels["stream"] == labels["session"]
    return taken


def _timed(way: Callable[[], None]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    way()
    return time.perf_counter() - wall, time.process_time() - cpu


def peaks(file: Path, paths: list[Path], work: Path) -> dict[int, tuple[float, float]]:
    """Peak RSS in MiB and wall seconds of `tlzoo predict`, for a tenth of the pictures and for all."""
    found = {}
    for many in (max(1, len(paths) // 10), len(paths)):
        folder = work / f"first{many}"
        folder.mkdir()
        for path in paths[:many]:
            (folder / path.name).hardlink_to(path)
        out = work / f"{many}.jsonl"
        done = run([sys.executable, "-m", "tlzoo", "predict", file, folder, "--out", out, "--quiet"])
        assert len([json.loads(line)["label"] for line in out.open()]) == many
        found[many] = (done.peak, done.seconds)
    return found


def report(
    samples: int, each: int, taken: dict[str, list[tuple[float, float]]], memory: dict[int, tuple[float, float]]
) -> None:
    """A table, and the lines for benchmarks/README.md."""
    wall, cpu = ({name: sum(part[at] for part in parts) for name, parts in taken.items()} for at in (0, 1))
    ratios = [alone[0] / stream[0] for stream, alone in zip(taken["stream"], taken["session"], strict=True)]
    print(f"{samples} pictures, slices of {each}")
    for name in taken:
        keep(f"{name}, pictures", samples / wall[name], "/s")
        keep(f"{name}, processor time per picture", 1000 * cpu[name] / samples, "ms")
        print(
            f"  {name:<9}{samples / wall[name]:>8.1f} pictures/s   {1000 * wall[name] / samples:.2f} ms, "
            f"{1000 * cpu[name] / samples:.2f} ms of CPU per picture"
        )
    ratio = statistics.median(ratios)
    print(f"  a slice's rate, of the session's: median {ratio:.3f}, {min(ratios):.3f} to {max(ratios):.3f}")
    for many, (peak, seconds) in memory.items():
        keep(f"tlzoo predict, {many} pictures", seconds, "s")
        keep(f"tlzoo predict, {many} pictures, peak", peak, "MiB")
        print(
            f"  tlzoo predict, {many} pictures: {seconds:.1f} s, {many / seconds:.1f} pictures/s, peak {peak:.0f} MiB"
        )
    few, all_of_them = memory
    (less, _), (more, _) = memory[few], memory[all_of_them]
    rates = f"{samples / wall['stream']:.0f} beside {samples / wall['session']:.0f} pictures/s, **{ratio:.0%}**"
    missed = "" if ratio >= RATE_GOAL else ", missed"
    print(
        f"| folder of {samples} small JPEGs beside the session alone on the same tensors | {rates} "
        f"| ≥ {RATE_GOAL:.0%}{missed} |"
    )
    missed = "" if more / less < MEMORY_GOAL else ", missed"
    print(
        f"| peak memory of `tlzoo predict`, {all_of_them} pictures beside {few} | {more:.0f} MiB beside {less:.0f}, "
        f"{more / less:.2f} × | < {MEMORY_GOAL} ×{missed} |"
    )


def main() -> None:
    """Make the folder, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, nargs="*", default=[], help="exported files, else one is made here")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--slice", type=int, default=640, help="pictures per turn")
    parser.add_argument("--threads", type=int, default=2)
    add_option(parser)
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        file = apart(by_modality, arguments.files).get("vision") or apart(exported, "vision", None, work)
        (work / "pictures").mkdir()
        paths = make_folder(work / "pictures", arguments.samples)
        taken = apart(compare, file, paths, arguments.slice, arguments.threads)
        report(len(paths), arguments.slice, taken, peaks(file, paths, work))
    write(arguments.json)


if __name__ == "__main__":
    main()
