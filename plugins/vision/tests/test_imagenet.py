"""The weights are where they belong: with their own classifier the backbones know everyday pictures."""

import pytest
import skimage.data
import torch
from timm.data import ImageNetInfo
from tlzoo_vision.backbone import build, load_classifier

from tlzoo import Weights, registry
from tlzoo.preprocess import make_preprocessor
from tlzoo.registry.schema import Checkpoint
from tlzoo.weights.fetch import fetch

TABBY, TIGER_CAT, EGYPTIAN_CAT = 281, 282, 285
COFFEE_MUG, ESPRESSO, CUP = 504, 967, 968


@pytest.fixture(
    params=["vision/efficientnet-lite0", "vision/efficientnet-lite1", "vision/efficientnet-lite2", "vision/mobilenetv2"]
)
def pretrained(request) -> tuple[Checkpoint, Weights]:
    checkpoint = registry.get(request.param)
    return checkpoint, fetch(checkpoint)


def test_a_cat_and_a_coffee_are_recognised_in_the_top_5(pretrained):
    checkpoint, weights = pretrained
    pictures = make_preprocessor(checkpoint.preprocess)([skimage.data.chelsea(), skimage.data.coffee()])
    with torch.no_grad():
        logits = load_classifier(checkpoint, weights)(torch.from_numpy(pictures["image"]))
    cat, coffee = (set(row.topk(5).indices.tolist()) for row in logits)
    assert {TABBY, TIGER_CAT, EGYPTIAN_CAT} <= cat
    assert {COFFEE_MUG, ESPRESSO, CUP} & coffee
    assert logits.argmax(dim=1)[1] == ESPRESSO


def test_the_backbone_gives_what_the_classifier_classifies(pretrained):
    checkpoint, weights = pretrained
    backbone, whole = build(checkpoint, weights, "vector"), load_classifier(checkpoint, weights)
    images = backbone.example_inputs["image"]
    with torch.no_grad():
        torch.testing.assert_close(whole.net.classifier(backbone.module(images)), whole(images))
    assert sum(p.numel() for p in backbone.module.parameters()) == checkpoint.parameters


def test_the_class_numbers_used_here_are_imagenets():
    wanted = {TABBY: "tabby", TIGER_CAT: "tiger cat", EGYPTIAN_CAT: "Egyptian cat", COFFEE_MUG: "coffee mug"}
    wanted |= {ESPRESSO: "espresso", CUP: "cup"}
    info = ImageNetInfo()
    assert {n: info.index_to_description(n).split(",")[0] for n in wanted} == wanted
