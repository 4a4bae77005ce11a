"""What arguments in messages are called on a command line."""

from __future__ import annotations

import pytest

from tlzoo.cli.deploy import bench, export, predict
from tlzoo.cli.shared.flags import with_flags
from tlzoo.cli.train import evaluate, finetune


@pytest.mark.parametrize(
    ("app", "text", "shown"),
    [
        (finetune.app, "`epochs=3` and `cache=False`, `resume=True`", "--epochs 3 and --no-cache, --resume"),
        (finetune.app, "`strategy='lora'`", "--strategy lora"),
        (finetune.app, "`strategy=''` is unknown", "--strategy '' is unknown"),
        (finetune.app, "`preprocess={'max_length': 512}`", "--max-length 512"),
        (finetune.app, "`preprocess={'crop': 0.5}`", "--preprocess crop=0.5"),
        (finetune.app, "`columns={'label_column': 'mood'}`", "--label-column mood"),
        (finetune.app, "`columns={'others': {'tags': 'ner'}}`", "--column tags=ner"),
        (finetune.app, "`columns`", "--column"),
        (finetune.app, "`data`", "DATA"),
        (evaluate.app, "`data`", "DATA"),
        (export.app, "`data`", "--data"),
        (export.app, "`drop` and `difference`", "--max-drop and --max-difference"),
        (export.app, "`raw_input=True`", "--raw-input"),
        (bench.app, "`files`", "--files"),
        (predict.app, "`columns={'label_column': 'mood'}`", "--column label=mood"),
        (predict.app, "`providers`", "--provider"),
        (None, "`cache_gb` sets the limit", "--cache-gb sets the limit"),
        (None, "a label `{not one` stays", "a label `{not one` stays"),
    ],
)
def test_arguments_between_backticks_are_the_commands_flags(app: object, text: str, shown: str):
    assert with_flags(text, app) == shown
