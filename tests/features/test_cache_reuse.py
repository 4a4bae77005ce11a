"""What the frozen part computed is used again exactly where it would be computed again."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tlzoo.features import extract as frozen_passes
from tlzoo.io.timings import Clock
from tlzoo.models.freezing import freeze
from tlzoo.options import Cache, Finetune
from tlzoo.training.loop import train
from tlzoo.training.step_model import build_step_model

Prepared = Callable[..., tuple[Any, Any]]
VIT = "vision/test-vit"


@pytest.fixture
def cold(zoo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that holds nothing yet."""
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples each pass of a frozen part saw."""
    seen: list[int] = []
    real = frozen_passes.iter_features

    def counted(given: Any, corpus: Any, *rest: Any) -> Any:
        seen.append(len(corpus))
        return real(given, corpus, *rest)

    monkeypatch.setattr(frozen_passes, "iter_features", counted)
    return seen


def test_another_seed_head_rate_or_split_computes_nothing_and_other_weights_or_data_do(
    cold: Path, prepared: Prepared, passes: list[int]
):
    model, sets = prepared(VIT)

    def reused(model: Any = model, sets: Any = sets, policy: str = "last:1", **options: Any) -> bool:
        network = build_step_model(model, freeze(model, policy), sets, Finetune(**options), Clock())
        return bool(network.facts["prefix"]["reused"])

    assert not reused()
    assert reused()
    assert reused(seed=3, lr=1e-2, batch=4, epochs=9, label_smoothing=0.2)
    other_head = copy.deepcopy(model)
    with torch.no_grad():
        other_head.head.weight.add_(1.0)
        other_head.backbone.net.norm.weight.add_(1.0)  # it trains, so it is behind the cut
    assert reused(other_head)
    assert reused(sets=replace(sets, train=sets.test, test=sets.train))
    assert passes == [36]
    other_weights = copy.deepcopy(model)
    with torch.no_grad():
        other_weights.backbone.net.blocks[0].mlp.fc1.weight[0, 0] += 1e-3
    assert not reused(other_weights)
    fewer = replace(sets.train, inputs=sets.train.inputs[1:], targets=sets.train.targets[1:])
    assert not reused(sets=replace(sets, train=fewer))
    assert not reused(cache=Cache(precision="fp16"))
    assert passes == [36, 36, 35, 36]


def test_a_cache_that_may_not_hold_them_is_not_used_and_half_precision_takes_half(
    cold: Path, prepared: Prepared, capfd: pytest.CaptureFixture[str]
):
    model, sets = prepared(VIT)
    facts = {}
    for name, options in {
        "small": Finetune(epochs=1, batch=8, cache=Cache(gb=1e-5)),
        "full": Finetune(epochs=1, batch=8),
        "half": Finetune(epochs=1, batch=8, cache=Cache(precision="fp16")),
        "off": Finetune(epochs=1, batch=8, cache=False),
    }.items():
        found = copy.deepcopy(model)
        trained = train(found, [freeze(found, "last:1")], sets, options)
        facts[name] = trained.facts["prefix"], trained.rows[-1]["log_loss"]
    said = capfd.readouterr().err
    assert "without the cache" in said
    assert facts["small"] == facts["off"] == (None, pytest.approx(facts["full"][1], abs=1e-5))
    assert facts["half"][0]["bytes"] < 0.6 * facts["full"][0]["bytes"]
    assert facts["half"][1] == pytest.approx(facts["full"][1], abs=1e-2)
