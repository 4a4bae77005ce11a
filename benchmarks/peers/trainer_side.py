"""transformers' Trainer as its documentation teaches it, on one job of benchmarks/peers.py; prints one JSON line.

The batch, split, length limit and weights are tlzoo's. The classifier is transformers' own for BERT, on the pooler: the
pooler trains with it, since frozen it would leave the classifier little to tell sentences apart by. Nothing is saved or
evaluated on the way, as is the default. Only tokenising and the fits are timed as `call`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    set_seed,
)

LR = {"frozen": 2e-3, "last": 5e-5, "full": 5e-5}


def freeze(model: PreTrainedModel, trainable: tuple[str, ...]) -> None:
    """Leave the classifier, the pooler and what starts with one of these names to train."""
    for name, parameter in model.base_model.named_parameters():
        parameter.requires_grad_(name.startswith(("pooler", *trainable)))


def trainer_for(job: dict, phase: str, model: PreTrainedModel, rows: list[dict], collate: object) -> Trainer:
    """A Trainer for one phase, quiet, on the CPU."""
    settings = TrainingArguments(
        output_dir=job["folder"],
        num_train_epochs=job["epochs"][phase],
        per_device_train_batch_size=job["batch"],
        per_device_eval_batch_size=job["batch"],
        learning_rate=LR[phase],
        warmup_steps=0.1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        seed=job["seed"],
    )
    return Trainer(model=model, args=settings, train_dataset=rows, data_collator=collate)


def train(job: dict, model: PreTrainedModel, rows: list[dict], collate: object) -> tuple[dict[str, float], Trainer]:
    """Seconds of each phase, and the last Trainer."""
    names = {"frozen": ["frozen"], "last": ["frozen", "last"], "full": ["full"]}[job["part"]]
    seconds = {}
    for phase in names:
        freeze(model, {"frozen": (), "last": tuple(job["last"]), "full": ("",)}[phase])
        began = time.perf_counter()
        trainer = trainer_for(job, phase, model, rows, collate)
        trainer.train()
        seconds[phase] = time.perf_counter() - began
    return seconds, trainer


def main() -> None:
    """Train, measure on the test set, print."""
    job = json.loads(Path(sys.argv[1]).read_text())
    set_seed(job["seed"])
    labels = sorted({label for _, label in job["train"]})
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=job["tokenizer"], pad_token="[PAD]")
    model = AutoModelForSequenceClassification.from_pretrained(job["weights"], num_labels=len(labels))

    def encode(part: list[list[str]]) -> list[dict]:
        made = tokenizer([text for text, _ in part], truncation=True, max_length=job["max_length"])
        ids = [labels.index(label) for _, label in part]
        return [
            {"input_ids": made["input_ids"][i], "attention_mask": made["attention_mask"][i], "labels": ids[i]}
            for i in range(len(part))
        ]

    began = time.perf_counter()
    rows = encode(job["train"])
    tokenising = time.perf_counter() - began
    phases, trainer = train(job, model, rows, DataCollatorWithPadding(tokenizer))
    found = trainer.predict(encode(job["test"]))
    score = float(np.mean(found.predictions.argmax(axis=1) == found.label_ids))
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    call = tokenising + sum(phases.values())
    threads = torch.get_num_threads()
    print(json.dumps({"call": call, "phases": phases, "accuracy": score, "trained": trained, "threads": threads}))


if __name__ == "__main__":
    main()
