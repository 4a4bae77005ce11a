"""The demonstration: the whole chain on real weights and small real data, beside the same network without transfer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tlzoo.demo import commands, digits, tweets
from tlzoo.demo.folders import is_complete, write_card
from tlzoo.models.freezing import freeze
from tlzoo.models.model import TaskModel, build_model, load_backbone
from tlzoo.models.seeds import seed_generators
from tlzoo.options import Finetune
from tlzoo.progress import say
from tlzoo.runs.prepare import make_dataset_splits
from tlzoo.training.evaluation import measure
from tlzoo.training.loop import finish, train
from tlzoo.training.steps import seconds_per_step
from tlzoo.weights import cache
from tlzoo.workflows.evaluate import evaluate
from tlzoo.workflows.finetune import finetune
from tlzoo.workflows.run import Run

SCRATCH_LR = 1e-3
FEATURES = ("decode", "features")


@dataclass(frozen=True)
class Demo:
    """One modality's demonstration: which checkpoint, on which data, prepared how."""

    checkpoint: str
    data: str
    prepare: Callable[[Path], object]
    preprocess: Mapping[str, Any]


DEMOS = {
    "vision": Demo(
        "vision/efficientnet-lite0",
        "MNIST digits",
        lambda folder: digits.prepare(folder, n_train=1000, n_test=500),
        {},
    ),
    "nlp": Demo(
        "nlp/all-minilm-l6-v2",
        "sentiment of tweets",
        lambda folder: tweets.prepare(folder, n_train=1200, n_test=500),
        {"max_length": 64},
    ),
    "speech": Demo(
        "speech/whisper-tiny-en",
        "spoken commands by unseen voices (synthetic: eSpeak NG)",
        commands.prepare,
        {"seconds": 1.0},
    ),
}


def run_demo(modality: str, out: Path) -> dict[str, Any]:
    """The chain for one modality, written to `out`/<modality>; returns the row that `tlzoo demo --json` lists.

    A folder that an earlier demonstration wrote there is replaced; any other content is left alone (DataError).
    """
    demo, folder = DEMOS[modality], out / modality
    card: dict[str, object] = {"demo": modality, "made": time.time()}
    is_complete(folder, card)
    began = time.monotonic()
    data = cache.root() / "demo-data" / modality
    say(f"{modality}: preparing {demo.data}")
    demo.prepare(data)
    # without the cache the features are computed here, and their time is what they cost
    run = finetune(demo.checkpoint, data, out=folder / "run", preprocess=demo.preprocess, cache=False)
    write_card(folder, card)
    exported = run.export(folder / "model.onnx")
    shipped = evaluate(exported.path, data)
    features, training = sum(run.seconds.get(part, 0.0) for part in FEATURES), run.seconds["train"]
    scratch = from_scratch(run, features + training)
    return {
        "modality": modality,
        "checkpoint": demo.checkpoint,
        "data": demo.data,
        "n_train": run.data.n_train + run.data.n_validation,
        "n_test": shipped.n,
        "seconds": round(time.monotonic() - began, 2),
        "timing": {
            "prepare": run.seconds["prepare"],
            "features": round(features, 2),
            "training": training,
            "export": exported.seconds,
            "scratch": scratch["seconds"],
        },
        "accuracy": {
            "trained": exported.metrics["reference"]["accuracy"],
            "onnx": shipped.metrics["accuracy"],
            "scratch": scratch["accuracy"],
        },
        "scratch_steps": scratch["steps"],
        "onnx": str(exported.path),
    }


def from_scratch(run: Run, budget: float) -> dict[str, float]:
    """The run's network from random weights, all of it trained on the same samples for `budget` seconds.

    Returns its accuracy on the run's test samples, the steps taken and the seconds they took.
    """
    options = Finetune(lr=SCRATCH_LR, seed=run.data.seed)
    seed_generators(options.seed)
    backbone = replace(load_backbone(run.checkpoint, None), preprocess=run.preprocess)
    model: TaskModel = build_model(run.checkpoint, run.task, backbone)
    sets = make_dataset_splits(run.splits(), model)
    frozen = freeze(model, "none")
    steps = max(1, int(budget / seconds_per_step(model, frozen, sets, options)))
    epochs = math.ceil(steps * options.batch / len(sets.train))
    say(f"From random weights: {steps} steps in the same {budget:.0f} s")
    began = time.monotonic()
    trained = train(model, [frozen] * epochs, sets, replace(options, epochs=epochs, max_steps=steps))
    finish(model)
    return {
        "accuracy": measure(model, sets.test)["accuracy"],
        "steps": trained.rows[-1]["steps"],
        "seconds": round(time.monotonic() - began, 2),
    }
