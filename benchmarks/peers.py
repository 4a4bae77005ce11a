"""tlzoo beside fastai (pictures) and transformers' Trainer (texts): seconds to an accuracy on the same test samples.

    uv run python benchmarks/peers.py [--only vision|nlp] [--part frozen|last|full] [--samples N]

Everybody gets the same weights, training and validation samples, test samples, picture size or length limit, batch and
cores. The peers live in an environment of their own, made on first use in <cache>/benchmarks.

    frozen   the body frozen: peers 5 epochs, tlzoo `probe`
    last     the peers go on with the last stage unfrozen for 2 epochs, tlzoo `lp-ft --freeze last:N --epochs 2`
    full     everything trains for 2 epochs: tlzoo `finetune --freeze none`

`process` is from the start of a process to its end, imports and measuring on the test samples included. `call` is the
peer's fits alone, and for tlzoo all of `tlzoo.finetune`, loading and saving included. `first time` exports the frozen
part; `graph kept` finds that in the cache, as with a second data set, but nothing computed with it. The peers run as a
user meets them and, where everything trains, once more with the allocator's thresholds that tlzoo sets for itself.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from children import ALLOCATOR, Cache, Finished, run
from figures import add_option, keep, write
from samples import CHECKPOINT, prepare

HERE = Path(__file__).parent / "peers"
PEER = {"vision": "fastai", "nlp": "trainer"}
TASK = {"vision": "image-classification", "nlp": "text-classification"}
EPOCHS = {"frozen": 5, "last": 2, "full": 2}
BATCH = 32
SAMPLES = {
    "vision": {"frozen": 1500, "last": 800, "full": 500},
    "nlp": {"frozen": 4000, "last": 2000, "full": 1500},
}


@dataclass(frozen=True)
class Result:
    """One side's run: seconds of the process and of the call, accuracy, seconds by phase."""

    side: str
    process: float
    call: float
    accuracy: float
    phases: dict[str, float]


def environment() -> Path:
    """The peers' Python, installed on first use; another requirements.txt is another environment."""
    from tlzoo.weights import cache

    wanted = HERE / "requirements.txt"
    digest = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache.root() / "benchmarks" / f"peers-{digest}"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not (folder / "complete").exists():
        uv = shutil.which("uv")
        if uv is None:
            raise SystemExit("The peers' environment is made with uv, which is not here. Install it: pip install uv")
        print(f"Installing the peers in {folder}", flush=True)
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", python, "-r", wanted], check=True)
        (folder / "complete").touch()
    return python


def job(modality: str, part: str, stages: int, samples: tuple[int, int], work: Path) -> dict[str, Any]:
    """All that a side needs: tlzoo's own split as lists, and the weights in a form that the peers read."""
    from tlzoo import registry
    from tlzoo.data import read_splits
    from tlzoo.runs.prepare import prepare_backbone
    from tlzoo.tasks import make_task

    data, test = prepare(modality, work / "data", *samples)
    task = make_task(TASK[modality])
    parts = read_splits(data, test, task, {}, 0)
    backbone, checkpoint = prepare_backbone(registry.get(CHECKPOINT[modality]), task)
    prefixes = [prefix for stage in backbone.stages[-stages:] for prefix in stage.prefixes]
    return {
        "part": part,
        "checkpoint": checkpoint.id,
        "architecture": checkpoint.architecture,
        "data": str(data),
        "test_data": str(test),
        **{name: _pairs(getattr(parts, name)) for name in ("train", "validation", "test")},
        "stages": stages,
        "last": [prefix.partition(".")[2] for prefix in prefixes],
        "epochs": EPOCHS,
        "batch": BATCH,
        "seed": 0,
        **(_picture_job if modality == "vision" else _text_job)(backbone, checkpoint, work),
    }


def _pairs(samples: Any) -> list[tuple[str, str]]:
    return [(str(given), label) for given, label in zip(samples.inputs, samples.targets, strict=True)]


def _picture_job(backbone: Any, checkpoint: Any, work: Path) -> dict[str, Any]:
    from safetensors.torch import save_file

    save_file(backbone.module.net.state_dict(), work / "weights.safetensors")
    spec = checkpoint.preprocess
    size = spec.size[0]
    return {
        "weights": str(work / "weights.safetensors"),
        "size": size,
        "resize": int(size / spec.crop),
        "mean": spec.mean,
        "std": spec.std,
        "train_bn": False,
    }


def _text_job(backbone: Any, checkpoint: Any, work: Path) -> dict[str, Any]:
    from tlzoo.weights.fetch import fetch

    weights = fetch(checkpoint)
    return {
        "weights": str(weights.folder),
        "tokenizer": str(weights.files["tokenizer.json"]),
        "max_length": checkpoint.preprocess.max_length,
    }


class Sides:
    """Runs the sides of one job, each in a folder of its own."""

    def __init__(self, given: dict[str, Any], work: Path) -> None:
        self.given, self.work, self.turns = given, work, 0

    def run(self, name: str, python: str | Path, script: str, **settings: str) -> Result:
        """One side; `settings` are environment variables."""
        self.turns += 1
        folder = self.work / f"side{self.turns}"
        folder.mkdir()
        path = folder / "job.json"
        path.write_text(json.dumps({**self.given, "folder": str(folder)}))
        finished: Finished = run([python, HERE / script, path], HF_HUB_OFFLINE="1", **settings)
        said = json.loads(finished.output.splitlines()[-1])
        return Result(name, finished.seconds, said["call"], said["accuracy"], said["phases"])


def measure(modality: str, given: dict[str, Any], python: Path, work: Path) -> Iterator[Result]:
    """tlzoo's runs and the peer's, as each is done."""
    sides, peer = Sides(given, work), PEER[modality]
    cache = Cache(work / "cache")
    home = {"TLZOO_CACHE": str(cache.folder)}
    if given["part"] == "full":
        yield sides.run("tlzoo", sys.executable, "tlzoo_side.py", **home)
    else:
        yield sides.run("tlzoo, first time", sys.executable, "tlzoo_side.py", **home)
        cache.forget_activations()
        yield sides.run("tlzoo, graph kept", sys.executable, "tlzoo_side.py", **home)
    yield sides.run(peer, python, f"{peer}_side.py")
    if given["part"] == "full":
        yield sides.run(f"{peer}, thresholds set", python, f"{peer}_side.py", **ALLOCATOR)


def report(title: str, results: Iterator[Result]) -> None:
    """One line per run as it ends; the peer's lines compare it with tlzoo's last run."""
    print(title)
    print(f"  {'':<26}{'process s':>10}{'call s':>9}{'accuracy':>10}   over tlzoo's process, call")
    reference = None
    for result in results:
        name = f"{title.rpartition(', ')[0]}, {result.side}"
        keep(f"{name}, process", result.process, "s")
        keep(f"{name}, call", result.call, "s")
        keep(f"{name}, accuracy", result.accuracy, "share")
        line = f"  {result.side:<26}{result.process:>10.1f}{result.call:>9.1f}{result.accuracy:>10.4f}"
        if result.side.startswith("tlzoo"):
            reference = result
        elif reference is not None:
            line += f"   {result.process / reference.process:.1f} x, {result.call / reference.call:.1f} x"
            phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result.phases.items())
            line += f" (epochs: {phases})"
        print(line, flush=True)


def main() -> None:
    """Measure what is asked for, by default everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=sorted(CHECKPOINT))
    parser.add_argument("--part", choices=sorted(EPOCHS))
    parser.add_argument("--samples", type=int, help=f"of training, validation included, instead of {SAMPLES}")
    parser.add_argument("--test", type=int, default=500, help="samples to test on")
    parser.add_argument("--stages", type=int, default=1, help="how many stages `last` trains")
    parser.add_argument("--train-bn", action="store_true", help="fastai's default: a frozen body's batch norms train")
    add_option(parser)
    arguments = parser.parse_args()
    python = environment()
    for modality in [arguments.only] if arguments.only else CHECKPOINT:
        for part in [arguments.part] if arguments.part else EPOCHS:
            samples = arguments.samples or SAMPLES[modality][part]
            with tempfile.TemporaryDirectory() as folder:
                work = Path(folder)
                given = job(modality, part, arguments.stages, (samples, arguments.test), work)
                if arguments.train_bn:
                    given["train_bn"] = True
                title = f"{part}: {samples} samples, {arguments.test} to test on, {given['checkpoint']}"
                report(f"{title}, {os.cpu_count()} cores", measure(modality, given, python, work))
    write(arguments.json)


if __name__ == "__main__":
    main()
