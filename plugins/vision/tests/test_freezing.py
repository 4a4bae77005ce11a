"""Freeze policies on timm's families: which layers take adapters, and which are norms."""

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn
from torch.nn.functional import cross_entropy

from tlzoo.models import lora
from tlzoo.models.freezing import freeze, train_mode
from tlzoo.models.model import TaskModel, build_model, load_backbone
from tlzoo.registry.schema import Checkpoint, FileSource, LocalFile
from tlzoo.specs import ImageSpec
from tlzoo.tasks import make_task

DIMENSIONS = {"tf_efficientnet_lite0": 1280, "test_convnext": 64, "test_vit2": 64}


def model_of(architecture: str) -> TaskModel:
    torch.manual_seed(0)
    checkpoint = Checkpoint(
        id="vision/small",
        architecture=architecture,
        source=FileSource(files=(LocalFile(path="weights", sha256="0" * 64, size=1),)),
        tasks=("image-classification",),
        parameters=1,
        feature_dim=DIMENSIONS[architecture],
        preprocess=ImageSpec(size=(160, 160), mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2)),
    )
    return build_model(checkpoint, make_task("image-classification", ("a", "b")), load_backbone(checkpoint, None))


@pytest.mark.parametrize("architecture", DIMENSIONS)
def test_every_adapter_gets_gradients_and_merging_keeps_names_and_outputs(architecture):
    model = model_of(architecture)
    plain, images = list(model.state_dict()), model.parts.example_inputs["image"]
    frozen = freeze(model, "lora:4")
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(2):
        train_mode(model, frozen)
        optimizer.zero_grad()
        cross_entropy(model(images), torch.tensor([0, 1])).backward()
        assert [name for name, p in model.named_parameters() if (p.grad is not None) != p.requires_grad] == []
        optimizer.step()
    with torch.no_grad():
        trained = model.eval()(images)
        lora.merge(model)
        torch.testing.assert_close(model(images), trained, rtol=0, atol=1e-5 * float(trained.abs().max()))
    assert plain == list(model.state_dict())


def test_convolutions_that_pad_by_themselves_or_in_groups_take_none():
    model = model_of("tf_efficientnet_lite0")
    others = {
        f"backbone.{path}"
        for path, module in model.backbone.named_modules()
        if isinstance(module, nn.Conv2d) and (isinstance(module, Conv2dSame) or module.groups > 1)
    }
    assert len(others) > 10
    freeze(model, "lora:4")
    adapted = {name.partition(".lora_")[0] for name in lora.adapter_names(model)}
    assert len(adapted) > 10
    assert adapted.isdisjoint(others)


@pytest.mark.parametrize(
    ("architecture", "kind"), [("test_convnext", nn.LayerNorm), ("tf_efficientnet_lite0", nn.BatchNorm2d)]
)
def test_norm_trains_the_familys_norms_and_nothing_else(architecture, kind):
    model = model_of(architecture)
    expected = {
        f"backbone.{path}.{name}"
        for path, module in model.backbone.named_modules()
        if isinstance(module, kind)
        for name, _ in module.named_parameters()
    }
    assert expected == {name for name in freeze(model, "norm").trainable if not name.startswith("head.")}
