"""From an input to its label, one at a time: `Predictor.predict` beside a session by hand, and beside eager torch.

    uv run python benchmarks/predict.py [--only vision|nlp|speech] [--runs RUN ...] [--turns 10] [--calls 20]

Counted is one call from a path (a JPEG or WAV file, in the page cache) or a text to the label, on the demonstration's
test inputs, in batches of 1, with the same number of threads for all. The sides, each a process of its own:

    raw             `InferenceSession.run` with its defaults, Pillow, tokenizers or soundfile and soxr by hand
    timm            timm's evaluation transform and model, eager
    pipeline        transformers' pipeline on the same weights and head; Whisper with its window cut as tlzoo cuts it
    pipeline-whole  the same with Whisper's 30 s, as it is published; its labels may differ
    ..., thresholds the same with the allocator's thresholds that tlzoo sets for itself while it trains
    ..., 1 thread   the same with one thread, which on a busy machine is the faster

They take turns of `--calls` calls. The first three of each do not count: the threads of the side before come to rest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from children import ALLOCATOR, Side, machine
from figures import add_option, keep, write
from samples import MODALITIES, by_modality, exported, test_inputs, trained

HERE = Path(__file__).parent / "peers"
PEERS = {"vision": ("timm",), "nlp": ("pipeline",), "speech": ("pipeline", "pipeline-whole")}
SETTLING = 3
RAW_GOAL, PEER_GOAL = 1.10, 2.0


def job(modality: str, run: Path, arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """All that a side needs."""
    from tlzoo.workflows.run import Run

    loaded = Run.load(run)
    inputs = test_inputs(modality, arguments.inputs)
    return {
        "modality": modality,
        "run": str(run.resolve()),
        "file": str(exported(modality, run, work)),
        "folder": str(work),
        "architecture": loaded.checkpoint.architecture,
        "preprocess": loaded.preprocess.model_dump(mode="json"),
        "labels": loaded.task.labels,
        "inputs": _as_jpegs(inputs, work) if modality == "vision" else inputs,
        "threads": arguments.threads,
    }


def _as_jpegs(paths: list[str], work: Path) -> list[str]:
    """The same pictures, enlarged to what a small photo has, as JPEG."""
    from PIL import Image

    made = []
    for number, path in enumerate(paths):
        made.append(str(work / f"{number}.jpg"))
        Image.open(path).convert("RGB").resize((640, 640), Image.Resampling.BICUBIC).save(made[-1], quality=90)
    return made


def measure(given: dict[str, Any], turns: int, calls: int) -> dict[str, dict[str, list[Any]]]:
    """Seconds and labels of every call that counts, by side."""
    path = Path(given["folder"]) / "job.json"
    path.write_text(json.dumps(given))
    peers = PEERS[given["modality"]]
    script, threads = HERE / "predict_side.py", given["threads"]
    sides = {name: Side([sys.executable, script, path, name, str(threads)]) for name in ("tlzoo", "raw", *peers)}
    for name in peers:
        sides[f"{name}, thresholds"] = Side([sys.executable, script, path, name, str(threads)], **ALLOCATOR)
        sides[f"{name}, 1 thread"] = Side([sys.executable, script, path, name, "1"])
    found: dict[str, dict[str, list[Any]]] = {name: {"seconds": [], "labels": []} for name in sides}
    for turn in range(turns + 1):
        for name, side in sides.items():
            answered = side.turn(SETTLING + calls)
            if turn:  # the first fills caches
                for what, values in answered.items():
                    found[name][what] += values[SETTLING:]
    for side in sides.values():
        side.end()
    return found


def report(given: dict[str, Any], found: dict[str, dict[str, list[Any]]]) -> None:
    """A table, and the lines for benchmarks/README.md."""
    usual = {name: 1000 * statistics.median(side["seconds"]) for name, side in found.items()}
    ours, labels = usual["tlzoo"], found["tlzoo"]["labels"]
    print(
        f"{given['modality']}, {given['architecture']}: {len(labels)} calls each, medians, {given['threads']} threads"
    )
    print(f"  {'':<28}{'ms':>9}{'x tlzoo':>9}{'same label':>12}")
    for name, ms in usual.items():
        keep(f"{given['modality']}, {name}", ms, "ms")
        same = sum(a == b for a, b in zip(labels, found[name]["labels"], strict=True)) / len(labels)
        print(f"  {name:<28}{ms:>9.2f}{ms / ours:>9.2f}{same:>12.1%}")
    verdict = "" if ours / usual["raw"] <= RAW_GOAL else ", missed"
    print(
        f"| `Predictor.predict` beside session and decoding by hand, {given['modality']}, batch 1 | "
        f"{ours:.2f} ms beside {usual['raw']:.2f}, **{ours / usual['raw']:.2f} ×** | ≤ {RAW_GOAL:.2f} ×{verdict} |"
    )
    for name in [side for side in usual if side not in ("tlzoo", "raw")]:
        verdict = "" if usual[name] / ours >= PEER_GOAL else ", missed"
        print(
            f"| {name} beside `Predictor.predict`, {given['modality']}, batch 1 | {usual[name]:.2f} ms beside "
            f"{ours:.2f}, **{usual[name] / ours:.1f} ×** | ≥ {PEER_GOAL:g} ×{verdict} |"
        )
    sys.stdout.flush()


def main() -> None:
    """Measure one modality or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=MODALITIES)
    parser.add_argument("--runs", type=Path, nargs="*", default=[], help="finished runs on the demonstration's data")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--calls", type=int, default=20, help="that count, per turn and side")
    parser.add_argument("--inputs", type=int, default=50, help="different ones, taken in turn")
    parser.add_argument("--threads", type=int, default=2)
    add_option(parser)
    arguments = parser.parse_args()
    runs = by_modality(arguments.runs)
    print(machine())
    for modality in [arguments.only] if arguments.only else MODALITIES:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            given = job(modality, runs.get(modality) or trained(modality, work), arguments, work)
            report(given, measure(given, arguments.turns, arguments.calls))
    write(arguments.json)


if __name__ == "__main__":
    main()
