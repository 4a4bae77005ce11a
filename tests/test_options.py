"""Options are checked when they are made."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from tlzoo.errors import UsageError
from tlzoo.options import WITHOUT_EFFECT, Options, differences

AT_THE_ENDS = {
    "epochs": (1, 10**9),
    "batch": (2, 10**9),
    "lr": (0.0, 1.0),
    "weight_decay": (0.0, 10.0),
    "seed": (0, 2**63 - 1),
    "max_steps": (1, 10**9),
    "head_factor": (0.0, 1e6),
    "layer_decay": (1e-3, 1.0),
    "warmup": (0.0, 0.9),
    "clip": (0.0, 1e9),
    "accumulate": (1, 10**9),
    "label_smoothing": (0.0, 0.9),
    "mixup": (0.0, 10.0),
    "cutmix": (0.0, 10.0),
    "l2_sp": (0.0, 1e3),
    "ema": (0.0, 0.999999),
    "patience": (0, 10**9),
    "unfreeze_every": (0, 10**9),
    "cache_gb": (0.0, 1e6),
    "checkpoint_every": (0.0, 1e9),
}
BEYOND = {
    "epochs": (0, -1),
    "batch": (1, 0),
    "lr": (-1e-9, "automatic"),
    "weight_decay": (-0.1, 11.0),
    "seed": (-1, 2**63),
    "max_steps": (0, -5),
    "head_factor": (-1.0, 1e7),
    "layer_decay": (0.0, 1.1),
    "warmup": (-0.1, 1.0),
    "clip": (-1.0, "none"),
    "accumulate": (0, "two"),
    "label_smoothing": (-0.1, 1.0),
    "views": (-1, 1001),
    "mixup": (-0.1, 10.5),
    "cutmix": (-0.1, 10.5),
    "l2_sp": (-1.0, 1e4),
    "ema": (-0.5, 1.0),
    "patience": (-1, "never"),
    "unfreeze_every": (-1, "each"),
    "cache_gb": (-1.0, 1e7),
    "checkpoint_every": (-1.0, "often"),
}


@pytest.mark.parametrize("name", AT_THE_ENDS)
def test_a_number_may_be_the_least_and_the_most_of_its_range(name: str):
    for value in AT_THE_ENDS[name]:
        assert value == getattr(Options(**{name: value}), name)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BEYOND.items() for value in values])
def test_a_number_beyond_its_range_is_refused_by_name(name: str, value: Any):
    with pytest.raises(UsageError, match=name) as error:
        Options(**{name: value, "augment": "light"})
    assert "Give" in error.value.hint


@pytest.mark.parametrize("value", [float("nan"), True, "1", None])
def test_what_is_no_number_is_no_rate(value: Any):
    if value is None:
        with pytest.raises((UsageError, TypeError)):
            replace(Options(), lr="none")  # type: ignore[arg-type]
        return
    with pytest.raises(UsageError, match="lr"):
        Options(lr=value)


@pytest.mark.parametrize("name", ["epochs", "batch", "seed", "accumulate", "patience", "max_steps"])
def test_counts_are_whole(name: str):
    with pytest.raises(UsageError, match=name):
        Options(**{name: 2.5})


@pytest.mark.parametrize("name", ["class_weights", "precision", "cache_precision"])
def test_a_choice_names_the_others(name: str):
    with pytest.raises(UsageError, match=name) as error:
        Options(**{name: "fp8"})
    assert str(getattr(Options(), name)) in error.value.hint


def test_a_rate_may_be_left_to_be_found():
    assert Options(lr="auto").lr == "auto"


def test_views_without_augmentation_are_refused():
    with pytest.raises(UsageError, match="without augmentation"):
        Options(views=2)
    assert Options(views=2, augment="light").views == 2


def test_only_options_that_change_a_weight_make_another_run():
    given = {"epochs": 7, "lr": 1e-2, "augment": "light", "ema": 0.5, "cache_gb": 1.0, "checkpoint_every": 1.0}
    assert sorted(differences(vars(Options()), Options(**given)), key=list(given).index) == [
        "epochs",
        "lr",
        "augment",
        "ema",
    ]
    assert {field.name for field in fields(Options)} >= WITHOUT_EFFECT
    assert differences(vars(Options()), Options()) == []
