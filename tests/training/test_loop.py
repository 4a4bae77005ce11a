"""Gradient descent: it learns, repeats itself to the bit, keeps its best epoch and stops when it goes astray."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import tlzoo
from tlzoo.errors import TrainingError
from tlzoo.io.timings import Clock
from tlzoo.models import devices
from tlzoo.models.devices import grad_scaler
from tlzoo.models.freezing import freeze
from tlzoo.options import Finetune, combine
from tlzoo.training import loop, steps
from tlzoo.training.evaluation import measure, outputs
from tlzoo.training.loop import train
from tlzoo.training.loop_state import LoopCounters, TrainingState, changing_tensors
from tlzoo.training.step_model import BatchSource, build_step_model
from tlzoo.training.steps import count_steps, lr_range_test, shuffled_order, usable_samples

Go = Callable[..., Any]
Prepared = Callable[..., tuple[Any, Any]]
RESNET, VIT, BERT = "vision/test-resnet", "vision/test-vit", "nlp/test-bert"


@pytest.fixture
def finetuned(zoo: Any, pictures: Path, tmp_path: Path) -> Go:
    """Fine-tunes the small network on the pictures with these options, in a folder of this name."""

    def go(name: str, **options: Any) -> Any:
        chosen = {"epochs": 3, "batch": 8, "lr": 1e-3, **options}
        return tlzoo.finetune(RESNET, pictures, out=tmp_path / name, strategy="finetune", options=chosen)

    return go


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def trained(model: Any, sets: Any, policy: str, **options: Any) -> Any:
    chosen = combine(Finetune, "finetune", {"epochs": 2, "batch": 8, "lr": 1e-3, **options})
    return train(model, [freeze(model, policy)] * chosen.epochs, sets, chosen)


def mislabelled(data: Any) -> Any:
    """The same samples, each with the label that comes after its own."""
    labels = data.task.labels
    return replace(data, targets=tuple(labels[(labels.index(target) + 1) % len(labels)] for target in data.targets))


def test_the_loss_falls_and_the_pictures_are_learnt(finetuned: Go):
    run = finetuned("run", epochs=4)
    rows = [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]
    assert [row["steps"] for row in rows] == [3, 6, 9, 12]
    assert rows[-1]["loss"] < rows[0]["loss"] / 2
    assert run.metrics["accuracy"] >= 0.8
    assert list(run.path.glob("events.out.tfevents.*"))
    assert run.frozen["identical"]


def test_a_seed_repeats_to_the_bit_whatever_was_drawn_before_and_another_differs(finetuned: Go):
    options = {"epochs": 1, "seed": 3}
    first = finetuned("first", **options)
    torch.manual_seed(99)
    torch.rand(1000)
    np.random.default_rng().random()
    second, other = finetuned("second", **options), finetuned("other", **options | {"seed": 4})
    found = [(run.path / "model.safetensors").read_bytes() for run in (first, second, other)]
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert first.metrics == second.metrics


@pytest.mark.parametrize("epochs", [1, 3])
def test_training_that_goes_astray_stops_and_says_what_to_change(finetuned: Go, tmp_path: Path, epochs: int):
    with pytest.raises(TrainingError, match=r"finite|became") as error:
        finetuned("run", lr=1e9, epochs=epochs)
    assert "`lr`" in error.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_weights_of_the_best_epoch_are_kept(zoo: Any, prepared: Prepared):
    model, sets = prepared(VIT)
    wrong = mislabelled(sets.validation)  # learning makes these worse
    wrong_sets = replace(sets, validation=wrong)
    found = trained(model, wrong_sets, "last:1", epochs=4)
    losses = [row["log_loss"] for row in found.rows]
    assert min(losses) < losses[-1]
    assert found.facts["best_epoch"] == 1 + losses.index(min(losses))
    assert min(losses) == pytest.approx(measure(model, wrong)["log_loss"], rel=1e-4)


def test_epochs_without_a_better_one_end_training(zoo: Any, prepared: Prepared):
    model, sets = prepared(VIT)
    wrong = mislabelled(sets.validation)
    found = trained(model, replace(sets, validation=wrong), "all", epochs=30, patience=2, lr=3e-3)
    assert len(found.rows) == found.facts["best_epoch"] + 2 < 30


def test_another_metric_may_choose_the_best_epoch(zoo: Any, prepared: Prepared):
    model, sets = prepared(VIT)
    found = trained(model, sets, "all", epochs=4, monitor="accuracy")
    scores = [row["accuracy"] for row in found.rows]
    assert found.facts["best_epoch"] == 1 + scores.index(max(scores))


@pytest.mark.parametrize(("steps", "expected"), [(1, [1]), (3, [3]), (4, [3, 4]), (99, [3, 6])])
def test_training_ends_after_so_many_steps(zoo: Any, prepared: Prepared, steps: int, expected: list[int]):
    model, sets = prepared(VIT)
    assert len(sets.train) == 24
    assert expected == [row["steps"] for row in trained(model, sets, "all", max_steps=steps).rows]


def test_one_sample_left_over_is_no_step_of_its_own(zoo: Any, prepared: Prepared):
    model, sets = prepared(RESNET)
    found = trained(model, sets, "none", epochs=1, batch=23)
    assert [row["steps"] for row in found.rows] == [1]
    assert usable_samples(1, Finetune(batch=8)) == 1
    assert usable_samples(17, Finetune(batch=8)) == 16
    assert count_steps(17, Finetune(batch=8, accumulate=2, epochs=3)) == 3


def test_texts_are_trained_on_once_per_epoch_and_share_batches_by_length(zoo: Any, prepared: Prepared):
    _, sets = prepared(BERT)
    feed, random = BatchSource(sets.train, lambda positions, view: {}), np.random.default_rng(0)
    first, second = shuffled_order(feed, random, 4), shuffled_order(feed, random, 4)
    assert list(range(len(feed))) == sorted(first)
    assert first != second
    lengths = np.array([len(sets.train.inputs[at]) for at in first])
    spread = np.mean([np.ptp(lengths[at : at + 4]) for at in range(0, len(first), 4)])
    assert spread < np.ptp(lengths) / 4


def test_accumulated_batches_are_one_larger_batch(zoo: Any, prepared: Prepared):
    model, sets = prepared(VIT)
    other, before = copy.deepcopy(model), weights(model)
    trained(model, sets, "last:1", batch=4, accumulate=4)
    trained(other, sets, "last:1", batch=16)
    assert distance(weights(model), weights(other)) < 1e-6
    assert distance(weights(model), before) > 1e-3


def test_averaged_weights_lag_behind_and_are_what_is_kept(zoo: Any, prepared: Prepared):
    model, sets = prepared(VIT)
    other, before = copy.deepcopy(model), weights(model)
    trained(model, sets, "all", max_steps=2, epochs=1)
    trained(other, sets, "all", max_steps=2, epochs=1, ema=0.999)
    moved, lagging = (
        float((m.state_dict()["head.weight"] - before["head.weight"]).abs().max()) for m in (model, other)
    )
    assert 0 < lagging < moved


@pytest.mark.release
def test_l2_sp_keeps_the_backbone_nearer_to_where_it_was(zoo: Any, prepared: Prepared):
    model, sets = prepared(VIT)
    distances = {}
    for strength in (0.0, 1000.0):
        found, before = copy.deepcopy(model), weights(model)
        trained(found, sets, "last:2", epochs=3, l2_sp=strength, weight_decay=0.0)
        after = weights(found)
        named = [name for name in before if name.startswith("backbone")]
        distances[strength] = sum(float((after[name] - before[name]).square().sum()) for name in named)
    assert 0 < distances[1000.0] < 0.9 * distances[0.0]


def test_l2_sp_pulls_stages_that_unfreeze_later_too(zoo: Any, prepared: Prepared):
    model, sets = prepared(VIT)
    plan = [freeze(model, "all"), freeze(model, "last:2"), freeze(model, "last:2")]
    found = []
    for strength in (0.0, 1000.0):
        copied = copy.deepcopy(model)
        train(copied, plan, sets, Finetune(epochs=3, batch=8, lr=1e-3, l2_sp=strength, weight_decay=0.0))
        found.append(weights(copied))
    assert distance(*found) > 1e-4


@pytest.mark.parametrize(("mixed", "cached"), [({"mixup": 0.5}, True), ({"cutmix": 1.0}, False)])
def test_mixing_trains_and_mixup_does_so_behind_the_cut(
    zoo: Any, prepared: Prepared, mixed: dict[str, float], cached: bool
):
    model, sets = prepared(VIT)
    other = copy.deepcopy(model)
    found = trained(model, sets, "last:1", epochs=1, **mixed)
    assert cached == (found.facts["prefix"] is not None)
    trained(other, sets, "last:1", epochs=1)
    assert 1e-4 < distance(weights(model), weights(other)) < 0.1


def test_augmentation_is_drawn_in_every_epoch_and_views_are_cached_and_take_turns(zoo: Any, prepared: Prepared):
    model, sets = prepared(VIT)
    frozen = freeze(model, "last:1")

    def inputs(epochs: int, **options: Any) -> tuple[list[np.ndarray], Any]:
        network = build_step_model(
            model, frozen, sets, combine(Finetune, "finetune", {"augment": "light", **options}), Clock()
        )
        read = network.sources["train"].arrays
        return [next(iter(read([3, 5], epoch).values())) for epoch in range(epochs)], network.facts["prefix"]

    drawn, prefix = inputs(3)
    assert prefix is None
    assert drawn[0].dtype == np.uint8
    assert not any(np.array_equal(drawn[0], other) for other in drawn[1:])
    kept, prefix = inputs(4, views=2)
    assert not prefix["reused"]
    assert not np.array_equal(kept[0], kept[1])
    np.testing.assert_array_equal(kept[:2], kept[2:])
    again, prefix = inputs(4, views=2, seed=5)
    assert prefix["reused"]
    np.testing.assert_array_equal(kept, again)


def test_finding_a_rate_leaves_the_model_as_it_was(zoo: Any, prepared: Prepared):
    model, sets = prepared(RESNET)
    frozen, options = freeze(model, "last:1"), Finetune(lr="auto", batch=8)
    network = build_step_model(model, frozen, sets, options, Clock())
    before = weights(model)
    rate = lr_range_test(model, frozen, network, options)
    assert 1e-7 <= rate <= 1e-2
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(model).items())
    assert all(tensor.grad is None for tensor in changing_tensors(model, frozen).values())


@pytest.mark.release
def test_a_rate_that_was_found_is_the_one_of_the_run(finetuned: Go):
    run = finetuned("run", lr="auto", epochs=1)
    assert isinstance(run.options["lr"], float)
    assert 1e-7 <= run.options["lr"] <= 1e-2


def test_bf16_trains_on_a_cpu_to_nearly_the_same_weights(zoo: Any, prepared: Prepared):
    model, sets = prepared(VIT)
    other = copy.deepcopy(model)
    trained(model, sets, "last:1", precision="bf16")
    trained(other, sets, "last:1", precision="fp32")
    assert 0 < distance(weights(model), weights(other)) < 0.02
    assert {torch.float32} == {parameter.dtype for parameter in model.parameters()}


def test_float16_gradients_are_scaled_and_a_snapshot_keeps_the_scale(
    zoo: Any, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
):
    model, sets = prepared(VIT)
    for place in (devices, steps):
        monkeypatch.setattr(place, "autocast_dtype", lambda precision, device: torch.float16)
    frozen, options = freeze(model, "last:1"), Finetune(epochs=1, batch=8, lr=1e-3)
    state = loop._initial_state(model, frozen, options, 1e-3)
    assert state.scaler.is_enabled()
    before = weights(model)
    found = trained(model, sets, "last:1", epochs=1)
    assert distance(weights(model), before) > 1e-4
    assert found.rows[-1]["loss"] > 0
    state.counts.scaler = {**state.scaler.state_dict(), "scale": 128.0, "_growth_tracker": 5}
    other = loop._initial_state(model, frozen, options, 1e-3)
    other.restore({f"model.{name}": tensor for name, tensor in other.changing.items()}, asdict(state.counts))
    assert other.scaler.state_dict()["scale"] == 128.0
    assert other.scaler.state_dict()["_growth_tracker"] == 5


def test_an_optimizers_steps_are_restored_to_the_device_of_their_parameters():
    parameter = nn.Parameter(torch.empty(3, device="meta"))
    optimizer = torch.optim.AdamW([parameter])
    state = TrainingState({}, {}, optimizer, {id(parameter): "weight"}, grad_scaler("fp32", torch.device("cpu")))
    moments = {f"{name}.weight": torch.zeros(3) for name in ("exp_avg", "exp_avg_sq")}
    state.restore({"step.weight": torch.tensor(7.0), **moments}, asdict(LoopCounters()))
    assert {tensor.device.type for tensor in optimizer.state[parameter].values()} == {"meta"}


def test_a_snapshot_from_before_there_were_scales_is_gone_on_with():
    parameter = nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.AdamW([parameter])
    state = TrainingState({}, {}, optimizer, {id(parameter): "weight"}, grad_scaler("fp32", torch.device("cpu")))
    counts = {name: value for name, value in asdict(LoopCounters(step=7)).items() if name != "scaler"}
    state.restore({}, counts)
    assert (state.counts.step, state.counts.scaler) == (7, {})


def test_where_no_epoch_is_better_the_model_from_before_training_is_kept_and_it_is_said(
    zoo: Any, prepared: Prepared, capsys: pytest.CaptureFixture[str]
):
    model, sets = prepared(RESNET)
    trained(model, sets, "none", epochs=3)
    before = weights(model)
    found = trained(model, replace(sets, train=mislabelled(sets.train)), "none", epochs=2, lr=1e-2)
    assert found.facts["best_epoch"] == 0
    assert distance(weights(model), before) < 1e-6
    assert [row["epoch"] for row in found.rows] == [1, 2]
    said = capsys.readouterr().err
    assert "Before training: validation log_loss" in said
    assert "No epoch was better on validation than the model before training, which is kept." in said


@pytest.mark.parametrize("cause", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 1 EB")])
def test_a_batch_that_does_not_fit_says_what_to_type(
    zoo: Any, prepared: Prepared, monkeypatch: pytest.MonkeyPatch, cause: Exception
):
    model, sets = prepared(VIT)

    def full(*given: Any) -> Any:
        raise cause

    monkeypatch.setattr(loop, "batch_loss", full)
    with pytest.raises(TrainingError, match="batch of 8") as error:
        trained(model, sets, "all")
    assert "`batch=4` `accumulate=2`" in error.value.hint


def test_outputs_do_not_depend_on_the_batch(zoo: Any, prepared: Prepared):
    model, sets = prepared(BERT)
    one, several = (outputs(model, sets.test, batch=batch) for batch in (1, 5))
    assert list(one) == list(several) == ["logits"]
    np.testing.assert_allclose(one["logits"], several["logits"], atol=1e-4)
