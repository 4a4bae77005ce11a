"""Adapters: where they go, that only they and the head train, and that merging leaves the plain network."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, linear
from torch.nn.utils.parametrizations import weight_norm

from tlzoo import Backbone, Stage, registry
from tlzoo.errors import UsageError
from tlzoo.features.check import check_frozen, hash_frozen
from tlzoo.interfaces import Freeze, Head
from tlzoo.models import lora
from tlzoo.models.freezing import freeze, train_mode
from tlzoo.models.model import TaskModel, build_model, load_backbone
from tlzoo.tasks import make_task
from tlzoo.weights.fetch import fetch

ZOO = ("vision/test-resnet", "vision/test-vit", "nlp/test-bert", "speech/test-wav2vec2")


def model_of(id: str) -> TaskModel:
    checkpoint = registry.get(id)
    torch.manual_seed(0)
    model = build_model(
        checkpoint, make_task(checkpoint.tasks[0], ("a", "b")), load_backbone(checkpoint, fetch(checkpoint))
    )
    for norm in model.backbone.modules():
        if isinstance(norm, nn.BatchNorm2d):  # timm's fresh blocks end in norms of weight zero: nothing gets through
            nn.init.ones_(norm.weight)
    return model


def two_steps(model: TaskModel, frozen: Freeze) -> None:
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(2):
        train_mode(model, frozen)
        optimizer.zero_grad()
        cross_entropy(model(*model.parts.example_inputs.values()), torch.tensor([0, 1])).backward()
        optimizer.step()
    model.eval()


def outputs(model: TaskModel) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(*model.parts.example_inputs.values())


@pytest.mark.parametrize("id", ZOO)
def test_only_adapters_and_head_move_and_merging_leaves_the_plain_network_with_the_same_outputs(zoo: Any, id: str):
    model = model_of(id)
    plain, untrained = list(model.state_dict()), outputs(model)
    frozen = freeze(model, "lora:4")
    torch.testing.assert_close(untrained, outputs(model))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    proof = hash_frozen(model, frozen)
    two_steps(model, frozen)
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert frozen.trainable == moved
    assert {name.partition(".")[0] for name in moved} == {"backbone", "head"}
    assert check_frozen(proof, model).tensors == len(proof) > 0
    trained = outputs(model)
    assert not torch.allclose(untrained, trained, rtol=1e-3)
    lora.merge(model)
    assert plain == list(model.state_dict())
    torch.testing.assert_close(outputs(model), trained, rtol=0, atol=1e-5 * float(trained.abs().max()))
    model.load_state_dict(model_of(id).state_dict(), strict=True)


@pytest.mark.parametrize("id", ZOO)
def test_each_adapter_is_in_the_stage_of_its_layer(zoo: Any, id: str):
    model = model_of(id)
    freeze(model, "lora:2")
    for name, _ in model.backbone.named_parameters():
        assert len([stage for stage in model.parts.stages if stage.owns(name)]) == 1


def test_a_second_call_changes_nothing_and_another_rank_is_refused(zoo: Any):
    model = model_of("nlp/test-bert")
    first = freeze(model, "lora:4")
    values = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert first == freeze(model, "lora:4") == freeze(model, "lora:4:8")
    assert all(torch.equal(values[name], tensor) for name, tensor in model.state_dict().items())
    for other in ("lora:5", "lora:4:4"):
        with pytest.raises(UsageError, match="rank 4 and alpha 8"):
            freeze(model, other)
    with pytest.raises(UsageError, match="rank 4"):
        freeze(model, "last:1")
    lora.merge(model)
    freeze(model, "lora:2")
    assert lora.adapter_size(model) == (2, 4.0)


def test_the_seed_decides_the_adapters(zoo: Any):
    def adapters(seed: int) -> list[torch.Tensor]:
        model = model_of("vision/test-resnet")
        torch.manual_seed(seed)
        names = freeze(model, "lora:2").trainable
        return [p for name, p in model.named_parameters() if name in names and ".lora_A." in name]

    one, same, other = adapters(1), adapters(1), adapters(2)
    assert one
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_dropout_and_statistics_of_layers_without_adapters_rest(zoo: Any):
    model = model_of("vision/test-resnet")
    train_mode(model, freeze(model, "lora:2"))
    norms = [module for module in model.backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)


def test_nothing_is_said_while_adapters_are_put_in(zoo: Any, capfd: Any):
    model = model_of("nlp/test-bert")
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        freeze(model, "lora:4")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "policy", ["lora", "lora:", "lora:0", "lora:-1", "lora:257", "lora:two", "lora:8:", "lora:8:0", "lora:8:x"]
)
def test_what_is_no_rank_is_refused_with_an_example(zoo: Any, policy: str):
    with pytest.raises(UsageError) as error:
        freeze(model_of("nlp/test-bert"), policy)
    assert "lora:8" in error.value.hint


def test_a_rank_that_fits_no_layer_is_answered_with_the_largest_that_does(zoo: Any):
    model = model_of("nlp/test-bert")
    with pytest.raises(UsageError, match="Rank 33") as error:
        freeze(model, "lora:33")
    assert "lora:32" in error.value.hint
    assert len(freeze(model, "lora:32").trainable) > 2


def judged(outputs: Mapping[str, torch.Tensor], batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """A head's loss."""
    return cross_entropy(outputs["logits"], batch["labels"])


class Shifted(nn.Linear):
    """A subclass that computes something else."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + 1


class Odd(nn.Module):
    """One layer that can take an adapter among many that cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.fits = nn.Conv2d(3, 8, 3, padding=1)
        self.nested = nn.ModuleDict({"narrow": nn.Linear(8, 1), "fits": nn.Linear(8, 8)})
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.dilated = nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.reflected = nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")
        self.normed = weight_norm(nn.Linear(8, 8))
        self.subclass = Shifted(8, 8)
        self.functional = nn.Linear(8, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.embedding = nn.Embedding(8, 8)
        self.tied = nn.Linear(8, 8, bias=False)
        self.tied.weight = self.embedding.weight

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.reflected(self.dilated(self.grouped(self.fits(image)))).mean(dim=(2, 3))
        x = linear(self.nested["fits"](x), self.functional.weight)
        x = self.tied(self.subclass(self.normed(x))) + self.nested["narrow"](x)
        return self.attention(x[:, None], x[:, None], x[:, None])[0][:, 0] + self.embedding.weight[0]


def odd_model() -> TaskModel:
    checkpoint = registry.get("vision/test-resnet")
    module = Odd()
    prefixes = tuple(name for name, _ in module.named_children())
    backbone = Backbone(
        module, 8, (Stage("odd", prefixes),), {"image": torch.rand(2, 3, 8, 8)}, {}, "vector", checkpoint.preprocess
    )
    task = make_task("image-classification", ("a", "b"))
    return TaskModel(checkpoint, task, backbone, Head(nn.Linear(8, 2), judged))


def test_layers_for_which_the_arithmetic_does_not_hold_are_left_alone(zoo: Any):
    model = odd_model()
    freeze(model, "lora:2")
    layers = {name.removeprefix("backbone.").partition(".lora_")[0] for name in lora.adapter_names(model)}
    assert layers == {"fits", "nested.fits"}


def test_a_backbone_without_a_place_for_adapters_is_refused(zoo: Any):
    model = odd_model()
    model.backbone.fits = nn.Conv2d(3, 8, 3, padding=2, dilation=2)
    model.backbone.nested = nn.ModuleDict({"narrow": Shifted(8, 1), "fits": Shifted(8, 8)})
    with pytest.raises(UsageError, match="no layer") as error:
        freeze(model, "lora:2")
    assert "`freeze=" in error.value.hint
