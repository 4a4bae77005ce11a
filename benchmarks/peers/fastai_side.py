"""fastai as its documentation teaches it, on one job of benchmarks/peers.py; prints one JSON line.

The picture sizes, batch, split and weights are tlzoo's; the head is fastai's own (pooling by mean and maximum, 512
hidden units, batch norm, dropout), the rates are those of its one-cycle policy. Only the fits are timed as `call`.
"""

from __future__ import annotations

import json
import sys
import time
from operator import itemgetter
from pathlib import Path

from fastai.vision.all import (
    BnFreeze,
    CategoryBlock,
    CropPad,
    DataBlock,
    DataLoaders,
    ImageBlock,
    IndexSplitter,
    L,
    Learner,
    Resize,
    accuracy,
    params,
    set_seed,
    vision_learner,
)
from PIL import Image
from torch import nn

HEAD_LR = 5e-3
LAST_LR = 1e-3
FULL_LR = slice(1e-4, 1e-3)


def loaders(job: dict) -> DataLoaders:
    """Training and validation samples, resized and cropped as tlzoo does; no augmentation."""
    items = job["train"] + job["validation"]
    crop = CropPad(job["size"])
    crop.order = Resize.order + 1  # fastai sorts transforms by it and would pad a small picture before resizing it
    geometry = [Resize(job["resize"], resamples=(Image.Resampling.BICUBIC, 0)), crop]
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=IndexSplitter(range(len(job["train"]), len(items))),
        item_tfms=geometry,
    )
    return block.dataloaders(items, bs=job["batch"])


def groups(job: dict, model: nn.Sequential) -> L:
    """The body before its last stage, that stage, the head."""
    body, head = model
    last = tuple(job["last"])
    named = [(name.removeprefix("model."), parameter) for name, parameter in body.named_parameters()]
    before = [parameter for name, parameter in named if not name.startswith(last)]
    stage = [parameter for name, parameter in named if name.startswith(last)]
    return L(L(before), L(stage), params(head))


def learner(job: dict) -> Learner:
    """A learner on the given weights. Frozen means all frozen, batch norms too, unless the job says otherwise."""
    return vision_learner(
        loaders(job),
        job["architecture"],
        pretrained_cfg_overlay={"file": job["weights"], "mean": tuple(job["mean"]), "std": tuple(job["std"])},
        splitter=lambda model: groups(job, model),
        metrics=accuracy,
        train_bn=job["train_bn"],
        cbs=BnFreeze(),  # else frozen batch norms would train on batch statistics and be judged on their own
        path=job["folder"],
    )


def train(job: dict, learn: Learner) -> dict[str, float]:
    """Seconds of each phase."""
    seconds = {}

    def fit(phase: str, epochs: int, rate: float | slice) -> None:
        began = time.perf_counter()
        learn.fit_one_cycle(epochs, rate)
        seconds[phase] = time.perf_counter() - began

    if job["part"] == "full":
        learn.unfreeze()
        fit("full", job["epochs"]["full"], FULL_LR)
        return seconds
    fit("frozen", job["epochs"]["frozen"], HEAD_LR)
    if job["part"] == "last":
        learn.freeze_to(-2)
        fit("last", job["epochs"]["last"], slice(LAST_LR / 10, LAST_LR))
    return seconds


def main() -> None:
    """Train, measure on the test set, print."""
    job = json.loads(Path(sys.argv[1]).read_text())
    set_seed(job["seed"])
    learn = learner(job)
    with learn.no_bar(), learn.no_logging():
        phases = train(job, learn)
        _, score = learn.validate(dl=learn.dls.test_dl(job["test"], with_labels=True))
    trained = sum(p.numel() for p in learn.model.parameters() if p.requires_grad)
    print(json.dumps({"call": sum(phases.values()), "phases": phases, "accuracy": float(score), "trained": trained}))


if __name__ == "__main__":
    main()
