"""What makes tests cheaper is in use: equal networks have one key, others have another."""

from __future__ import annotations

from typing import Any

import pytest
from shared_fixtures.cheaper import _key
from shared_fixtures.prepared import Prepared

from tlzoo.models.freezing import freeze


def key(model: Any, policy: str = "last:1") -> str | None:
    freeze(model, policy)
    args = tuple(model.parts.example_inputs.values())
    return _key(model, args, {"axes": model.parts.dynamic_axes}, weights=False, trained=True)


@pytest.mark.parametrize("checkpoint", ["vision/test-vit", "nlp/test-bert", "speech/test-wav2vec2"])
def test_two_models_of_one_structure_have_one_key(zoo: Any, prepared: Prepared, checkpoint: str):
    one, other = prepared(checkpoint)[0], prepared(checkpoint)[0]
    assert key(one) is not None
    assert key(one) == key(other)
    assert key(one, "none") != key(other, "last:1")
    other.eval()
    assert key(one) != key(other)


def test_what_a_loss_closes_over_tells_models_apart(zoo: Any, prepared: Prepared):
    one, other = (prepared("vision/test-vit", head={"label_smoothing": smoothing})[0] for smoothing in (0.1, 0.2))
    assert key(one) != key(other)
