"""The probe that a run by gradient descent is compared with: what it is, and that the run is the same without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tlzoo
from tlzoo.cli.train.finetune import _beside_probe
from tlzoo.errors import TrainingError
from tlzoo.training.strategies import finetune as module

RESNET, VIT, BERT = "vision/test-resnet", "vision/test-vit", "nlp/test-bert"
Train = Callable[..., Any]


pytestmark = pytest.mark.beside_probe


@pytest.fixture
def train(zoo: Any, pictures: Path, tmp_path: Path) -> Train:
    """Trains one epoch on the pictures by a strategy."""

    def finetune(checkpoint: str, strategy: str, **options: Any) -> Any:
        out = tmp_path / f"{strategy}-{len(list(tmp_path.iterdir()))}"
        given = {"epochs": 1, "batch": 8, "lr": 1e-3, **options}
        return tlzoo.finetune(checkpoint, pictures, out=out, strategy=strategy, options=given)

    return finetune


@pytest.mark.parametrize(
    ("checkpoint", "strategy"), [(RESNET, "finetune"), pytest.param(VIT, "lora", marks=pytest.mark.release)]
)
def test_beside_a_run_stands_what_the_strategy_probe_reaches(
    train: Train, pictures: Path, tmp_path: Path, checkpoint: str, strategy: str
):
    run = train(checkpoint, strategy)
    alone = tlzoo.finetune(checkpoint, pictures, out=tmp_path / "alone")
    assert run.probe is not None
    assert run.probe["metrics"] == pytest.approx(alone.metrics, abs=1e-5)
    assert run.probe["difference"]["metric"] == "accuracy"
    gain = run.metrics["accuracy"] - alone.metrics["accuracy"]
    assert run.probe["difference"]["value"] == pytest.approx(gain)
    assert alone.probe is None


@pytest.mark.parametrize("strategy", ["finetune", pytest.param("lp-ft", marks=pytest.mark.release)])
def test_a_run_trains_the_same_weights_with_the_probe_and_without(train: Train, strategy: str):
    beside, without = train(RESNET, strategy), train(RESNET, strategy, probe=False)
    weights = [(run.path / "model.safetensors").read_bytes() for run in (beside, without)]
    assert weights[0] == weights[1]
    assert (beside.probe is None, without.probe) == (False, None)
    assert "probe" not in json.loads((without.path / "run.json").read_text())


def test_without_a_cache_it_is_the_same_probe(train: Train):
    kept, computed = train(RESNET, "finetune"), train(RESNET, "finetune", cache=False)
    assert kept.probe is not None
    assert computed.probe is not None
    assert computed.probe["metrics"] == pytest.approx(kept.probe["metrics"], abs=1e-4)


def test_lp_ft_returns_its_probe_where_training_makes_it_worse(train: Train):
    run = train(RESNET, "lp-ft", lr=0.5, head_factor=1.0, warmup=0.0)
    assert run.options["best_epoch"] == 0
    assert run.probe is not None
    assert run.metrics == pytest.approx(run.probe["metrics"], abs=1e-4)
    assert run.probe["verdict"] == "chance"


def test_auto_keeps_the_probe_of_the_strategy_it_selects(train: Train, monkeypatch: pytest.MonkeyPatch):
    from tlzoo.training.strategies import auto

    monkeypatch.setattr(auto, "_simplest_unbeaten", lambda scores: ("lp-ft", "none"))
    assert train(RESNET, "auto").probe is not None


def test_a_probe_that_fails_is_said_and_the_run_goes_on(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def fail(job: Any) -> Any:
        raise TrainingError("The cache is full.", hint="Free disk space.")

    monkeypatch.setattr(module, "extract_splits", fail)
    assert train(RESNET, "finetune").probe is None
    assert "No probe to compare with: The cache is full." in capsys.readouterr().err


def test_a_task_without_a_probe_has_none_beside_it(train: Train, monkeypatch: pytest.MonkeyPatch):
    from tlzoo.tasks.classification.task import Classification

    monkeypatch.setattr(Classification, "supports", Classification.supports - {"probe"})
    assert train(RESNET, "finetune").probe is None


@pytest.mark.parametrize("probe", [True, False])
def test_a_resumed_run_is_compared_too_and_may_leave_it_out(
    zoo: Any, tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, probe: bool
):
    given: dict[str, Any] = {"epochs": 1, "batch": 8, "lr": 1e-3}

    def train(**more: Any) -> Any:
        return tlzoo.finetune(RESNET, pictures, out=tmp_path / "run", strategy="lp-ft", **given, **more)

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "outputs", stop)
        with pytest.raises(KeyboardInterrupt):
            train()
    assert (train(probe=probe, resume=True).probe is not None) == probe


@pytest.mark.parametrize(
    ("verdict", "value", "said"),
    [("better", 0.02, "better"), ("worse", -0.02, "--strategy probe"), ("chance", 0.01, "by chance")],
)
def test_the_summary_says_what_the_probe_reaches_and_how_the_run_compares(verdict: str, value: float, said: str):
    difference = {"metric": "accuracy", "level": 0.95, "value": value, "low": -0.5, "high": 0.5}
    probe = {"metrics": {"accuracy": 0.9, "log_loss": 0.3}, "difference": difference, "verdict": verdict}
    [line] = _beside_probe(SimpleNamespace(probe=probe))
    assert "accuracy 0.9000" in line
    assert f"{value:+.4f}" in line
    assert said in line
    assert ("--strategy probe" in line) == (verdict == "worse")
