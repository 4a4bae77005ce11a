"""The proof that frozen weights did not move: it holds when they did not, and names what did."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tlzoo import Backbone, Stage, registry
from tlzoo.errors import TrainingError
from tlzoo.features.check import check_frozen, hash_frozen
from tlzoo.interfaces import Freeze, Head
from tlzoo.models.freezing import freeze, train_mode
from tlzoo.models.model import TaskModel, build_model, load_backbone
from tlzoo.tasks import make_task
from tlzoo.weights.fetch import fetch


def resnet() -> TaskModel:
    checkpoint = registry.get("vision/test-resnet")
    torch.manual_seed(0)
    task = make_task("image-classification", ("a", "b"))
    return build_model(checkpoint, task, load_backbone(checkpoint, fetch(checkpoint)))


def test_a_real_training_is_proven(zoo: Any):
    model = resnet()
    frozen = freeze(model, "last:1")
    before = hash_frozen(model, frozen)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(2):
        train_mode(model, frozen)
        model(*model.parts.example_inputs.values()).square().sum().backward()
        optimizer.step()
    proof = check_frozen(before, model)
    still = [p for name, p in model.named_parameters() if name not in frozen.trainable]
    assert (len(before), sum(p.numel() for p in still), True) == (proof.tensors, proof.parameters, proof.identical)
    assert any(name.endswith("running_mean") for name in before)
    assert proof == check_frozen(before, resnet())


@pytest.mark.parametrize(
    "name",
    ["backbone.net.layer1.0.conv1.weight", "backbone.net.bn1.running_var", "backbone.net.bn1.num_batches_tracked"],
)
def test_the_smallest_change_is_found_and_named(zoo: Any, name: str):
    model = resnet()
    before = hash_frozen(model, freeze(model, "all"))
    tensor = model.state_dict()[name].view(-1)
    with torch.no_grad():
        tensor[-1:] = (
            torch.nextafter(tensor[-1:], torch.tensor([9.0])) if tensor.is_floating_point() else tensor[-1:] + 1
        )
    with pytest.raises(TrainingError, match=f"'{name}' changed") as error:
        check_frozen(before, model)
    assert "'vision'" in error.value.hint


def test_what_trains_is_not_in_the_snapshot(zoo: Any):
    model = resnet()
    assert hash_frozen(model, freeze(model, "none")) == {}
    frozen = freeze(model, "until:layer1")
    assert not frozen.trainable & set(hash_frozen(model, frozen))


def judged(outputs: Mapping[str, torch.Tensor], batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """A head's loss."""
    return cross_entropy(outputs["logits"], batch["labels"])


class Tied(nn.Module):
    """Two layers of one weight, and a buffer that is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False)
        self.second = nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight
        self.register_buffer("table", torch.ones(3, dtype=torch.bfloat16), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


def tied_model() -> TaskModel:
    checkpoint = registry.get("vision/test-resnet")
    backbone = Backbone(
        Tied(),
        4,
        (Stage("all", ("first", "second", "table")),),
        {"x": torch.rand(2, 4)},
        {},
        "vector",
        checkpoint.preprocess,
    )
    task = make_task("image-classification", ("a", "b"))
    return TaskModel(checkpoint, task, backbone, Head(nn.Linear(4, 2), judged))


def test_a_shared_weight_has_all_its_names_and_counts_once(zoo: Any):
    model = tied_model()
    before = hash_frozen(model, freeze(model, "all"))
    assert {"backbone.first.weight", "backbone.second.weight", "backbone.table"} == set(before)
    proof = check_frozen(before, model)
    assert (proof.tensors, proof.parameters) == (3, 16)
    model.backbone.second.weight = nn.Parameter(model.backbone.first.weight + 1)
    with pytest.raises(TrainingError, match=r"'backbone\.second\.weight' changed"):
        check_frozen(before, model)


def test_a_weight_that_trains_under_one_of_its_names_is_not_frozen_under_the_other(zoo: Any):
    model = tied_model()
    assert hash_frozen(model, Freeze(frozenset({"backbone.first.weight"}))).keys() == {"head.weight", "head.bias"}


def test_a_tensor_that_is_gone_is_named(zoo: Any):
    model = tied_model()
    before = hash_frozen(model, freeze(model, "all"))
    del model.backbone.table
    with pytest.raises(TrainingError, match=r"'backbone\.table' disappeared"):
        check_frozen(before, model)


def test_the_layout_in_memory_does_not_matter_but_dtype_and_shape_do(zoo: Any):
    model = resnet()
    before = hash_frozen(model, freeze(model, "all"))
    check_frozen(before, model.to(memory_format=torch.channels_last))
    with pytest.raises(TrainingError, match="changed"):
        check_frozen(before, model.double())


def test_a_tensor_under_two_names_is_hashed_once_and_without_a_copy(zoo: Any, monkeypatch: pytest.MonkeyPatch):
    model = tied_model()
    table = model.backbone.table = torch.zeros(2**20, dtype=torch.uint8)
    model.backbone.register_buffer("again", table)
    real, read = hashlib.sha256, []

    class Counted:
        def __init__(self, head: bytes) -> None:
            self.hash = real(head)

        def update(self, data: memoryview) -> None:
            read.append((data.nbytes, np.frombuffer(data, np.uint8).ctypes.data))
            self.hash.update(data)

        def hexdigest(self) -> str:
            return self.hash.hexdigest()

    monkeypatch.setattr(hashlib, "sha256", Counted)
    hash_frozen(model, freeze(model, "all"))
    assert [where for size, where in read if size == 2**20] == [table.data_ptr()]
