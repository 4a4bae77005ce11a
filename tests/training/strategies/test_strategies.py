"""Strategies: what each trains, what contradicts it, and what `auto` says of its choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import tlzoo
from tlzoo.data import Samples, SampleSplits
from tlzoo.errors import TlzooError, UsageError
from tlzoo.options import Finetune
from tlzoo.plugins.strategies import freeze_policy
from tlzoo.runs.prepare import head_options
from tlzoo.training.strategies.table import STRATEGIES

Go = Callable[..., Any]
Prepared = Callable[..., tuple[Any, Any]]
RESNET, VIT = "vision/test-resnet", "vision/test-vit"


@pytest.fixture
def go(zoo: Any, pictures: Path, tmp_path: Path) -> Go:
    """Trains on the pictures by a strategy, in a folder of its name."""

    def finetune(checkpoint: str, strategy: str, freeze: str | None = None, **options: Any) -> Any:
        chosen = options if strategy == "probe" else {"epochs": 2, "batch": 8, "lr": 1e-3, **options}
        out = tmp_path / f"{strategy}-{len(list(tmp_path.iterdir()))}"
        return tlzoo.finetune(checkpoint, pictures, out=out, strategy=strategy, freeze=freeze, options=chosen)

    return finetune


@pytest.mark.parametrize(
    ("strategy", "given", "expected"),
    [
        ("probe", None, "all"),
        ("probe", "all", "all"),
        ("finetune", None, "none"),
        ("finetune", "last:1", "last:1"),
        ("lp-ft", None, "none"),
        ("lp-ft", "norm", "norm"),
        ("lora", None, "lora:8"),
        ("lora", "lora:2", "lora:2"),
        ("finetune", "lora:2", "lora:2"),
        ("auto", None, "none"),
    ],
)
def test_a_strategy_has_its_policy(strategy: str, given: str | None, expected: str):
    assert expected == freeze_policy(strategy, given)


@pytest.mark.parametrize(
    ("strategy", "policy", "way_out"),
    [
        ("probe", "last:1", "`strategy='finetune'`"),
        ("probe", "none", "`strategy='finetune'`"),
        ("auto", "last:1", "another strategy"),
        ("lora", "none", "`rank=8`"),
        ("distil", None, ", ".join(STRATEGIES)),
    ],
)
def test_a_strategy_and_a_policy_that_contradict_each_other_are_refused(
    strategy: str, policy: str | None, way_out: str
):
    with pytest.raises(UsageError) as error:
        freeze_policy(strategy, policy)
    assert way_out in error.value.hint


@pytest.mark.parametrize(
    ("strategy", "freeze", "options"),
    [
        ("finetune", "lora:4", {"unfreeze_every": 1}),
        ("finetune", "norm", {"unfreeze_every": 1}),
        ("finetune", "until:roof", {}),
        ("finetune", "last:99", {}),
        ("finetune", "last:1", {"monitor": "beauty"}),
        ("finetune", "last:1", {"augment": "wild"}),
        ("finetune", "last:1", {"precision": "fp16", "device": "cpu"}),
        ("finetune", "last:1", {"device": "abacus"}),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_left_behind(
    go: Go, tmp_path: Path, strategy: str, freeze: str, options: dict[str, Any]
):
    with pytest.raises(TlzooError) as error:
        go(RESNET, strategy, freeze, **options)
    assert error.value.hint
    assert list(tmp_path.iterdir()) == []


def test_lp_ft_starts_from_the_probe_and_keeps_the_statistics_it_was_fitted_with(go: Go, picture_run: Any):
    run = go(RESNET, "lp-ft", "last:1", lr=1e-9, epochs=1, head_factor=1.0)
    assert run.metrics["accuracy"] >= 0.8  # a fresh head would be as good as dice
    start, end = picture_run.model().state_dict(), run.model().state_dict()
    statistics = [name for name in start if "running_" in name]
    assert statistics
    assert all(torch.equal(start[name], end[name]) for name in statistics)


def test_lora_trains_few_parameters_and_leaves_a_model_without_adapters(go: Go, picture_run: Any):
    run = go(VIT, "lora", "lora:2", lr=1e-3)
    assert run.frozen["merged"]
    assert 0 < run.frozen["trained"] < 0.2 * run.frozen["parameters"]
    names = set(run.model().state_dict())
    assert not any("lora" in name for name in names)


def test_auto_tries_takes_one_and_says_so(go: Go):
    run = go(RESNET, "auto", epochs=1)
    decision = run.options["auto"]
    tried = [(trial["strategy"], trial["freeze"]) for trial in decision["trials"]]
    assert tried == [("probe", "all"), ("lp-ft", "last:1"), ("lp-ft", "none")]
    assert (decision["strategy"], decision["freeze"]) in tried
    assert all(0 <= trial["accuracy"] <= 1 and trial["log_loss"] >= 0 for trial in decision["trials"])
    assert run.options["strategy"] == "auto"
    assert run.metrics["accuracy"] >= 0.8


def test_auto_takes_the_simplest_where_none_is_better_and_its_trials_train_copies(go: Go, picture_run: Any):
    run = go(RESNET, "auto", epochs=1, lr=1e-9)  # so small a rate makes the trials what the probe is
    assert run.options["auto"]["strategy"] == "probe"
    start, end = picture_run.model().state_dict(), run.model().state_dict()
    assert all(torch.equal(start[name], end[name]) for name in start if name.startswith("backbone"))


def test_gradual_unfreezing_ends_with_what_the_policy_trains(go: Go, picture_run: Any):
    run = go(RESNET, "finetune", "last:2", unfreeze_every=1, epochs=3)
    start, end = picture_run.model().state_dict(), run.model().state_dict()
    moved = {
        name.split(".")[2] for name in start if name.startswith("backbone") and not torch.equal(start[name], end[name])
    }
    assert moved <= {"layer3", "layer4"}
    assert "layer4" in moved
    assert run.frozen["identical"]


def test_smoothing_and_class_weights_are_the_loss(zoo: Any, prepared: Prepared):
    task, targets = prepared(RESNET)[0].task, ("blue",) * 6 + ("green",) * 3 + ("red",)
    samples = Samples(tuple(map(str, range(10))), targets, "image")
    parts = SampleSplits(samples, samples.subset([0]), samples.subset([0]))  # what trains is what counts
    options = head_options(task, parts, Finetune(label_smoothing=0.2, class_weights="balanced"))
    assert pytest.approx(options["class_weights"]) == [10 / 18, 10 / 9, 10 / 3]
    model, _ = prepared(RESNET, head=options)
    logits, given = (
        torch.randn(10, 3, generator=torch.Generator().manual_seed(0)),
        torch.tensor([0] * 6 + [1] * 3 + [2]),
    )
    outputs, batch = {"logits": logits}, {"labels": given}
    weight = torch.tensor(options["class_weights"])
    expected = torch.nn.functional.cross_entropy(logits, given, weight=weight, label_smoothing=0.2)
    torch.testing.assert_close(model.loss(outputs, batch), expected)
    assert head_options(task, parts, Finetune()).keys().isdisjoint({"label_smoothing", "class_weights"})
    plain = prepared(RESNET)[0].loss(outputs, batch)
    assert float(plain) != pytest.approx(float(expected))


def test_a_probe_of_features_that_are_kept_rounded_says_what_that_does(go: Go, picture_run: Any):
    run = go(RESNET, "probe", cache_precision="fp16")
    rounding = run.options["rounding"]
    assert 0 < rounding["max_logit_change"] < 0.05
    assert rounding["agreement"] == 1.0
    assert rounding["samples"] == run.data.n_validation
    assert "rounding" not in picture_run.options
