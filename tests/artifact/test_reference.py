"""The trained model's answers inside a file: they come back as they went in, and a change of them is noticed."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from tlzoo.artifact.reference import KEY, MAX_BYTES, MAX_SAMPLES, choose, digest, pack, unpack
from tlzoo.errors import ArtifactError


def named(count: int) -> list[bytes]:
    return [hashlib.sha256(str(number).encode()).digest() for number in range(count)]


def manifest_for(text: str) -> Any:
    return SimpleNamespace(reference=SimpleNamespace(sha256=digest(text)))


@given(some.integers(1, 40), some.integers(1, 7), some.integers(0, 2**32 - 1))
def test_what_was_packed_is_what_is_unpacked(count: int, classes: int, seed: int):
    logits = np.random.default_rng(seed).normal(0, 10, (count, classes)).astype(np.float32)
    text = pack(choose(named(count), logits))
    found = unpack({KEY: text}, manifest_for(text), "model.onnx")
    assert found.contents == tuple(name[:16] for name in named(count))
    np.testing.assert_array_equal(found.logits, logits)


@pytest.mark.parametrize(("count", "classes"), [(5000, 2), (3000, 1000), (3, 400_000)])
def test_large_test_sets_are_thinned_evenly_to_what_has_room(count: int, classes: int):
    chosen = choose(named(count), np.zeros((count, classes), np.float32))
    assert 1 <= len(chosen.contents) <= MAX_SAMPLES
    assert len(chosen.contents) == 1 or chosen.logits.nbytes <= MAX_BYTES
    assert chosen.contents[0] == named(1)[0][:16]
    assert len(chosen.contents) == 1 or chosen.contents[-1] == named(count)[-1][:16]


def test_a_file_without_answers_says_so():
    with pytest.raises(ArtifactError, match="no reference outputs"):
        unpack({}, SimpleNamespace(reference=None), "old.onnx")  # type: ignore[arg-type]


def test_answers_that_were_changed_are_not_believed():
    text = pack(choose(named(3), np.zeros((3, 2), np.float32)))
    other = pack(choose(named(3), np.ones((3, 2), np.float32)))
    with pytest.raises(ArtifactError, match="not those it was proven by"):
        unpack({KEY: other}, manifest_for(text), "model.onnx")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"contents": ["zz"], "logits": ""}', '{"contents": [], "logits": 3}']
)
def test_broken_answers_are_an_error_of_the_file(text: str):
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        unpack({KEY: text}, manifest_for(text), "model.onnx")
