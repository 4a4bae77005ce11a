"""The head of token tagging: what its loss counts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tlzoo.interfaces import Backbone, Head, Stage
from tlzoo.models.heads import default_head
from tlzoo.specs import TextSpec
from tlzoo.tasks import make_task
from tlzoo.tasks.rows import IGNORED

LOGITS = torch.tensor([[[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]], [[2.0, 0.0, 0.0], [9.0, -9.0, 0.0]]])
LABELS = torch.tensor([[0, 2], [1, IGNORED]])


def head(**options: float) -> Head:
    spec = TextSpec(kind="text", max_length=16, tokenizer="tokenizer.json")
    tokens = Backbone(nn.Identity(), 4, (Stage("all", ("",)),), {"input_ids": torch.zeros(2, 4)}, {}, "sequence", spec)
    return default_head(tokens, make_task("text-tokens", ["O", "B-X", "I-X"]), options)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_each_tagged_piece_of_all_texts_weighs_the_same_and_others_nothing(smoothing: float):
    shares = LOGITS.double().softmax(-1).log()
    losses = [
        -(1 - smoothing) * shares[text, at, LABELS[text, at]] - smoothing * shares[text, at].mean()
        for text, at in ((0, 0), (0, 1), (1, 0))
    ]
    found = head(label_smoothing=smoothing).loss({"logits": LOGITS}, {"labels": LABELS})
    assert float(found) == pytest.approx(float(sum(losses)) / 3)


def test_a_batch_without_a_tagged_piece_costs_nothing():
    assert float(head().loss({"logits": LOGITS}, {"labels": torch.full((2, 2), IGNORED)})) == 0.0
