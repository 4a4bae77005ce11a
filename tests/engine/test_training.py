"""Gradient descent: it learns, repeats itself to the bit, keeps its best epoch and stops when it goes astray."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tlzoo
from tlzoo.engine.freezing import freeze
from tlzoo.engine.optim import adamw, warmup_cosine
from tlzoo.engine.training import Options, logits, measure, train
from tlzoo.errors import TrainingError

Finetune = Callable[..., Any]


@pytest.fixture
def finetuned(zoo: Any, pictures: Path, tmp_path: Path) -> Finetune:
    """Fine-tunes the small network on the pictures with these options, in a folder of this name."""

    def go(name: str, **options: Any) -> Any:
        chosen = Options(**{"epochs": 3, "batch": 8, "lr": 1e-3, **options})
        return tlzoo.finetune("vision/test-resnet", pictures, out=tmp_path / name, strategy="finetune", options=chosen)

    return go


def sets(run: Any) -> tuple[Any, Any]:
    parts = run.parts()
    return run.dataset(parts.train), run.dataset(parts.validation)


def fresh(run: Any) -> Any:
    """The run's model with a head that knows nothing."""
    model = run.model()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
    return model


def test_the_loss_falls_and_the_pictures_are_learnt(finetuned: Finetune):
    run = finetuned("run", epochs=4)
    rows = (run.path / "history.jsonl").read_text().splitlines()
    losses = [float(row.partition('"loss": ')[2].partition(",")[0]) for row in rows]
    assert len(losses) == 4
    assert losses[-1] < losses[0] / 2
    assert run.metrics["accuracy"] >= 0.8


def test_a_seed_repeats_to_the_bit_whatever_was_drawn_before_and_another_differs(finetuned: Finetune):
    options = {"epochs": 1, "seed": 3}
    first = finetuned("first", **options)
    torch.manual_seed(99)
    torch.rand(1000)
    np.random.default_rng().random()
    second, other = finetuned("second", **options), finetuned("other", **options | {"seed": 4})
    weights = [(run.path / "model.safetensors").read_bytes() for run in (first, second, other)]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]
    assert first.metrics == second.metrics


@pytest.mark.parametrize(("lr", "epochs"), [(1e30, 1), (1e30, 3), (float("inf"), 1)])
def test_training_that_goes_astray_stops_and_leaves_nothing(
    finetuned: Finetune, tmp_path: Path, lr: float, epochs: int
):
    with pytest.raises(TrainingError, match=r"finite|became") as error:
        finetuned("run", lr=lr, epochs=epochs)
    assert "--lr" in error.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_weights_of_the_best_epoch_are_kept(zoo: Any, picture_run: Any):
    model = fresh(picture_run)
    data, validation = sets(picture_run)
    wrong = replace(validation, targets=(validation.targets + 1) % 3)  # the more it learns, the worse it is on these
    losses = [row["log_loss"] for row in train(model, freeze(model, "none"), data, wrong, Options(batch=8)).rows]
    assert min(losses) < losses[-1]
    assert min(losses) == pytest.approx(measure(model, wrong)["log_loss"], rel=1e-5)
    assert not model.training


@pytest.mark.parametrize(("steps", "expected"), [(1, [1]), (3, [3]), (4, [3, 1]), (99, [3, 3])])
def test_training_ends_after_so_many_steps(zoo: Any, picture_run: Any, steps: int, expected: list[int]):
    model = fresh(picture_run)
    data, validation = sets(picture_run)
    assert len(data) == 24
    options = Options(epochs=2, batch=8, max_steps=steps)
    rows = train(model, freeze(model, "all"), data, validation, options).rows
    assert expected == [row["steps"] for row in rows]


def test_one_sample_left_over_is_no_step_of_its_own(zoo: Any, picture_run: Any):
    model = fresh(picture_run)
    data, validation = sets(picture_run)
    options = Options(epochs=1, batch=23)
    rows = train(model, freeze(model, "none"), data, validation, options).rows
    assert [row["steps"] for row in rows] == [1]


def test_texts_are_trained_on_once_per_epoch_whatever_their_length(zoo: Any, text_run: Any):
    from tlzoo.engine.training import _shuffled

    data = text_run.dataset(text_run.parts().train)
    random = np.random.default_rng(0)
    first, second = _shuffled(data, random, 4), _shuffled(data, random, 4)
    assert list(range(len(data))) == sorted(first)
    assert first != second


def test_logits_do_not_depend_on_the_batch(zoo: Any, text_run: Any):
    model, data = text_run.model(), text_run.dataset(text_run.parts().test)
    np.testing.assert_allclose(logits(model, data, batch=1), logits(model, data, batch=5), atol=1e-4)


def test_the_rate_warms_up_and_decays_to_nothing_and_only_matrices_decay(zoo: Any, picture_run: Any):
    model = picture_run.model()
    freeze(model, "none")
    optimizer = adamw(model, 1e-3, 0.01)
    schedule = warmup_cosine(optimizer, 50)
    rates = []
    for _ in range(50):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert max(rates) == pytest.approx(1e-3)
    assert rates.index(max(rates)) in (4, 5)
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert schedule.get_last_lr()[0] == pytest.approx(0)
    for group in optimizer.param_groups:
        decays = {parameter.ndim >= 2 for parameter in group["params"]}
        assert decays == {group["weight_decay"] > 0}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))
