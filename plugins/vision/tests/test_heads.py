"""Heads of timm that hold more than the classifier: their weights are left over, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from tlzoo_vision.backbone import build, load_classifier
from tlzoo_vision.resolving import resolve_repository

from tlzoo import Repository, Weights
from tlzoo.errors import SourceError
from tlzoo.registry.schema import Checkpoint

NETWORKS = {
    "repvit_m0_9": "head.head.bn.weight",
    "levit_128s": "head.bn.weight",
    "caformer_s18": "head.fc.fc1.weight",
    "convformer_s18": "head.fc.fc1.weight",
    "efficientvit_m0": "head.bn.weight",
    "iformer_t": "head.head.bn.weight",
    "shvit_s1": "head.bn.weight",
    "rdnet_tiny": "head.fc.weight",
}
"""Each with a tensor of its head."""
LONG = ("caformer_s18", "convformer_s18", "rdnet_tiny")


def saved(name: str, folder: Path) -> tuple[torch.nn.Module, Checkpoint, Weights]:
    """A network with a head of five classes, its entry and its weights."""
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=5)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5) if tensor.ndim < 2 else tensor.normal_(0, 0.05)
    given = {**net.pretrained_cfg, "num_classes": 5}
    document = {"architecture": name, "num_classes": 5, "pretrained_cfg": given}
    sizes, sha256 = {"config.json": 10, "model.safetensors": 10}, {"model.safetensors": "0" * 64}
    described = Repository("tiny/net", "a" * 40, sizes, sha256, {"config.json": document}, None, (), ())
    found = resolve_repository("hf/tiny/net", described)
    assert found is not None
    save_file({key: value.contiguous() for key, value in net.state_dict().items()}, folder / "model.safetensors")
    return net.eval(), found, Weights(folder, {"model.safetensors": folder / "model.safetensors"})


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.release] if name in LONG else []) for name in NETWORKS]
)
def test_a_heads_weights_are_left_over(name: str, tmp_path: Path):
    net, entry, weights = saved(name, tmp_path)
    assert NETWORKS[name] in net.state_dict()
    backbone = build(entry, weights, "vector")
    images = backbone.example_inputs["image"]
    with torch.no_grad():
        logits = load_classifier(entry, weights)(images)
        torch.testing.assert_close(logits, net(backbone.module.pixels(images)))
        net.reset_classifier(0)
        torch.testing.assert_close(backbone.module(images), net(backbone.module.pixels(images)))


def test_a_tensor_that_is_neither_the_heads_nor_the_backbones_is_refused(tmp_path: Path):
    net, entry, weights = saved("levit_128s", tmp_path)
    save_file({**net.state_dict(), "head.more": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(SourceError, match=r"'head\.more' is not in the model"):
        build(entry, weights, "vector")
