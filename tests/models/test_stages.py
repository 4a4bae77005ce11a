"""Stages with their sizes: those in the registry are those that are built."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tlzoo import Backbone, Stage, registry
from tlzoo.models.model import load_backbone
from tlzoo.models.stages import checkpoint_stages, count_stages

SMALL = (
    "nlp/electra-small",
    "speech/resemblyzer",
    "speech/whisper-tiny-en",
    "vision/mobilenetv3-small",
    "vision/resnet18",
    "vision/vit-tiny",
)


@pytest.mark.parametrize("id", SMALL)
def test_the_registrys_stages_are_those_of_the_backbone_that_is_built(id: str):
    checkpoint = registry.get(id)
    backbone = load_backbone(checkpoint, None)
    assert checkpoint.stages == count_stages(backbone.module, backbone.stages) == checkpoint_stages(checkpoint)
    assert sum(p.numel() for p in backbone.module.parameters()) == sum(s.parameters for s in checkpoint.stages)


def test_every_checkpoint_of_the_registry_has_stages_of_different_names():
    for checkpoint in registry.find():
        names = [stage.name for stage in checkpoint.stages]
        assert len(names) == len(set(names)) >= 2


def test_the_stages_are_the_whole_backbone_but_for_positions_cut_away_and_a_vector_that_masks():
    differing = {
        checkpoint.architecture
        for checkpoint in registry.find()
        if sum(stage.parameters for stage in checkpoint.stages) != checkpoint.parameters
    }
    assert differing == {"whisper", "wav2vec2", "hubert", "wavlm"}


def test_a_parameter_shared_by_two_stages_counts_once(zoo: Any):
    module = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    module[1].weight = module[0].weight
    backbone = Backbone(
        module, 3, (Stage("a", ("0",)), Stage("b", ("1",))), {"x": torch.rand(2, 3)}, {}, "vector",
        registry.get("vision/test-resnet").preprocess,
    )  # fmt: skip
    assert [(stage.name, stage.parameters) for stage in count_stages(backbone.module, backbone.stages)] == [
        ("a", 9),
        ("b", 0),
    ]
