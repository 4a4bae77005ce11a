"""The state of the training loop: kept, averaged, saved and restored, on a layer of a few numbers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from tlzoo.interfaces import Freeze, Head
from tlzoo.models.devices import grad_scaler
from tlzoo.models.model import TaskModel
from tlzoo.training.loop_state import LoopCounters, TrainingState, changing_tensors
from tlzoo.training.resume import load_snapshot


def state_of(value: float, averages: bool = True) -> TrainingState:
    """Of a weight [2, 3, 1, 1] in another memory format and a bias, after one step of AdamW where `value` is not 0."""
    weight = nn.Parameter(torch.full((2, 3, 1, 2), value).to(memory_format=torch.channels_last))
    bias = nn.Parameter(torch.full((2,), value))
    optimizer = torch.optim.AdamW([{"params": [weight]}, {"params": [bias]}], lr=0.5, weight_decay=0.0)
    state = TrainingState(
        {"weight": weight, "bias": bias},
        {"weight": torch.full_like(weight, 10 * value)} if averages else {},
        optimizer,
        {id(weight): "weight", id(bias): "bias"},
        grad_scaler("fp32", torch.device("cpu")),
    )
    if value:
        weight.grad = torch.ones_like(weight)
        state.step()
    return state


def values(tensors: dict[str, torch.Tensor]) -> dict[str, float]:
    """The one value of each tensor."""
    assert all((tensor == tensor.flatten()[0]).all() for tensor in tensors.values())
    return {name: tensor.flatten()[0].item() for name, tensor in tensors.items()}


def test_counters_begin_with_nothing():
    assert asdict(LoopCounters()) == {
        "lr": 0.0, "step": 0, "epoch": 0, "done": 0, "loss": 0.0, "seen": 0, "best": None, "best_epoch": 0, "stale": 0,
        "seconds": 0.0, "scaler": {}, "rows": [],
    }  # fmt: skip


def test_a_step_is_the_optimizers():
    state = state_of(1.0)
    assert values(state.changing) == {"weight": pytest.approx(0.5), "bias": 1.0}
    assert state.counts.scaler == {}


class Scaler:
    """Notes in which order it is asked."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def step(self, optimizer: Any) -> None:
        self.calls.append("step")

    def update(self) -> None:
        self.calls.append("update")

    def state_dict(self) -> dict[str, float]:
        return {"scale": float(len(self.calls))}

    def is_enabled(self) -> bool:
        return True

    def load_state_dict(self, given: dict[str, float]) -> None:
        self.calls.append(f"load {given['scale']}")


def test_the_scale_is_kept_as_it_is_after_the_step_and_is_loaded_again():
    state = state_of(0.0)
    state.scaler = Scaler()  # type: ignore[assignment]
    state.step()
    assert state.counts.scaler == {"scale": 2.0}
    state.restore({}, asdict(state.counts))
    assert state.scaler.calls == ["step", "update", "load 2.0"]  # type: ignore[attr-defined]
    state.restore({}, asdict(LoopCounters(step=3)))
    assert len(state.scaler.calls) == 3  # type: ignore[attr-defined]
    assert state.counts.step == 3


def test_the_best_weights_are_copies_that_come_back():
    state = state_of(1.0)
    state.restore_best()  # none were kept
    assert values(state.changing) == {"weight": pytest.approx(0.5), "bias": 1.0}
    state.keep_best()
    weight = state.changing["weight"]
    with torch.no_grad():
        weight.fill_(9)
    assert values(state.best) == {"weight": pytest.approx(0.5), "bias": 1.0}
    assert not state.best["weight"].requires_grad
    state.restore_best()
    assert state.changing["weight"] is weight
    assert values(state.changing) == {"weight": pytest.approx(0.5), "bias": 1.0}


def test_averages_are_in_the_model_inside_the_block_only():
    state = state_of(1.0)
    with pytest.raises(KeyError), state.averaged():
        assert_and_fail(values(state.changing) == {"weight": 10.0, "bias": 1.0})
    assert values(state.changing) == {"weight": pytest.approx(0.5), "bias": 1.0}
    plain = state_of(1.0, averages=False)
    with plain.averaged():
        assert values(plain.changing) == {"weight": pytest.approx(0.5), "bias": 1.0}


def assert_and_fail(right: bool) -> None:
    assert right
    raise KeyError


@pytest.fixture
def saved(tmp_path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """A snapshot after one step, whose best weights are those before another."""
    state = state_of(1.0)
    state.keep_best()
    state.changing["weight"].grad = None
    state.changing["bias"].grad = torch.ones(2)
    state.step()
    state.counts.step, state.counts.best, state.counts.rows = 2, 0.25, [{"epoch": 1.0}]
    state.save(tmp_path, {"policy": "none"})
    found = load_snapshot(tmp_path)
    assert found is not None
    return found


def test_a_snapshot_holds_everything_by_name(saved: tuple[dict[str, torch.Tensor], dict[str, Any]]):
    tensors, facts = saved
    moments = [f"{moment}.{name}" for moment in ("step", "exp_avg", "exp_avg_sq") for name in ("weight", "bias")]
    assert set(tensors) == {
        "model.weight", "model.bias", "best.weight", "best.bias", "averages.weight", *moments
    }  # fmt: skip
    assert values(tensors) == {
        "model.weight": 0.5, "model.bias": 0.5, "best.weight": 0.5, "best.bias": 1.0, "averages.weight": 10.0,
        "step.weight": 1.0, "step.bias": 1.0, "exp_avg.weight": pytest.approx(0.1),
        "exp_avg.bias": pytest.approx(0.1), "exp_avg_sq.weight": pytest.approx(1e-3),
        "exp_avg_sq.bias": pytest.approx(1e-3),
    } | {name: pytest.approx(0.5) for name in ("model.weight", "model.bias", "best.weight")}  # fmt: skip
    assert facts["policy"] == "none"
    assert facts["counts"] == {**asdict(LoopCounters()), "step": 2, "best": 0.25, "rows": [{"epoch": 1.0}]}


def test_what_was_saved_is_restored_in_the_memory_format_of_the_parameters(
    saved: tuple[dict[str, torch.Tensor], dict[str, Any]],
):
    tensors, facts = saved
    state = state_of(0.0)
    state.restore(tensors, {**facts["counts"], "unknown": 5})
    assert values(state.changing) == {"weight": pytest.approx(0.5), "bias": pytest.approx(0.5)}
    assert values(state.averages) == {"weight": 10.0}
    assert values(state.best) == {"weight": pytest.approx(0.5), "bias": 1.0}
    assert (state.counts.step, state.counts.best, state.counts.rows) == (2, 0.25, [{"epoch": 1.0}])
    weight = state.changing["weight"]
    for tensor in (state.best["weight"], *(state.optimizer.state[weight][name] for name in ("exp_avg", "exp_avg_sq"))):
        assert tensor.stride() == weight.stride()
    for parameter, name in ((weight, "weight"), (state.changing["bias"], "bias")):
        kept = state.optimizer.state[parameter]
        assert set(kept) == {"step", "exp_avg", "exp_avg_sq"}
        assert all(torch.equal(kept[moment], tensors[f"{moment}.{name}"]) for moment in kept)


def test_a_parameter_without_moments_gets_none(saved: tuple[dict[str, torch.Tensor], dict[str, Any]]):
    tensors, facts = saved
    state = state_of(0.0)
    state.restore({name: each for name, each in tensors.items() if not name.endswith(".bias")}, facts["counts"])
    assert list(state.optimizer.state) == [state.changing["weight"]]
    assert values(state.changing) == {"weight": pytest.approx(0.5), "bias": 0.0}


def test_what_may_change_is_what_trains_and_the_statistics_outside_frozen_modules():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.first2, self.second = nn.BatchNorm1d(2), nn.BatchNorm1d(2), nn.Linear(2, 2)

    parts: Any = SimpleNamespace(module=Net())
    model = TaskModel(SimpleNamespace(plugin=""), SimpleNamespace(), parts, Head(nn.Linear(2, 1), lambda *given: None))  # type: ignore[arg-type]
    chosen = {"backbone.second.weight", "head.bias"}
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    found = changing_tensors(model, Freeze(frozenset(chosen), frozenset({"backbone.first"})))
    assert set(found) == chosen | {f"backbone.first2.{name}" for name in statistics}
    assert found["head.bias"] is model.head.bias
    assert found["backbone.first2.running_mean"] is model.backbone.first2.running_mean
    every = {f"backbone.{norm}.{name}" for norm in ("first", "first2") for name in statistics}
    assert set(changing_tensors(model, Freeze(frozenset()))) == every
