"""Options in Python: every spelling means the same, and what cannot be, or would do nothing, is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import tlzoo
from tlzoo.errors import RunError, UsageError

RESNET = "vision/test-resnet"


def test_keywords_a_mapping_and_a_dataclass_train_the_same(zoo: Any, pictures: Path, tmp_path: Path):
    quick = {"epochs": 1, "batch": 8, "rank": 2, "cache": False}
    ways: dict[str, dict[str, Any]] = {
        "keywords": {"strategy": "lora", **quick},
        "mapping": {"strategy": "lora", "options": {**quick, "cache": tlzoo.Cache(False)}},
        "dataclass": {"strategy": tlzoo.LoRA(epochs=1, batch=8, rank=2, cache=tlzoo.Cache(enabled=False))},
        "freeze": {"strategy": tlzoo.LoRA(epochs=1, batch=8), "freeze": "lora:2", "cache": False},
    }
    runs = {name: tlzoo.finetune(RESNET, pictures, out=tmp_path / name, **way) for name, way in ways.items()}
    weights = {name: load_file(tmp_path / name / "model.safetensors") for name in runs}
    first = runs.pop("keywords")
    assert {"strategy": "lora", "freeze": "lora:2", "rank": 2, "cache": False, "augment": "none"}.items() <= (
        json.loads((first.path / "run.json").read_text())["options"].items()
    )
    for name, run in runs.items():
        assert run.options == first.options
        for tensor, values in weights["keywords"].items():
            np.testing.assert_array_equal(weights[name][tensor], values)


def test_a_probe_of_a_given_strength_says_so_in_its_record(zoo: Any, pictures: Path, tmp_path: Path):
    run = tlzoo.finetune(RESNET, pictures, out=tmp_path / "run", strategy=tlzoo.Probe(l2=0.5))
    assert run.options["l2"] == 0.5
    assert run.options["epochs"] is None


@pytest.mark.parametrize(
    ("given", "parameter", "said"),
    [
        ({"epochs": 3}, "epochs", "`epochs` has no effect with `strategy='probe'`"),
        ({"epoch": 3, "strategy": "finetune"}, "epoch", "Did you mean `epochs`?"),
        ({"stratgy": "finetune"}, "stratgy", "Did you mean `strategy`"),
        ({"options": {"epochs": 0}, "strategy": "finetune"}, "epochs", "`epochs` cannot be 0. Give a whole number"),
        ({"strategy": "lora", "layer_decay": 0.5}, "layer_decay", "no effect with `strategy='lora'`"),
        ({"strategy": "lora", "rank": 4, "freeze": "lora:8"}, "freeze", "`freeze='lora:8'` contradicts `rank=4`"),
        ({"strategy": "finetune", "patience": 5}, "patience", "`patience=5` has no effect with `epochs=5`"),
        ({"strategy": "finetune", "cutmix": 0.2, "augment": "lite"}, "augment", "`augment` cannot be 'lite'"),
        ({"strategy": "finetune", "head": "deep"}, "head", "or leave `head` out"),
        ({"strategy": "auto", "freeze": "last:1"}, "freeze", "no effect with `strategy='auto'`"),
        ({"device": "tpu"}, "device", "`device='cpu'`"),
    ],
)
def test_what_cannot_be_is_refused_by_the_parameters_name(
    zoo: Any, pictures: Path, tmp_path: Path, given: dict[str, Any], parameter: str, said: str
):
    with pytest.raises(UsageError) as error:
        tlzoo.finetune(RESNET, pictures, out=tmp_path / "run", **given)
    assert error.value.parameter == parameter
    assert said in str(error.value)
    assert "--" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_taken_is_an_error_of_the_parameter_out(zoo: Any, pictures: Path, tmp_path: Path):
    with pytest.raises(RunError, match="Choose another `out`") as error:
        tlzoo.finetune(RESNET, pictures, out=tmp_path)
    assert error.value.parameter == "out"
