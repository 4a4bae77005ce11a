"""The trained model's outputs inside a file: they come back as they went in, and a change of them is noticed."""

from __future__ import annotations

import base64
import hashlib
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from tlzoo.artifact.reference import KEY, MAX_BYTES, MAX_SAMPLES, digest, pack, select_samples, unpack
from tlzoo.errors import ArtifactError
from tlzoo.tasks import Output

LOGITS = (Output("logits", ("batch", 2)),)
RAGGED = (Output("tags", ("batch", "length", 3)),)


def named(count: int) -> list[bytes]:
    return [hashlib.sha256(str(number).encode()).digest() for number in range(count)]


def manifest_for(text: str) -> Any:
    return SimpleNamespace(reference=SimpleNamespace(sha256=digest(text)))


def again(count: int, outputs: Any, declared: tuple[Output, ...]) -> Any:
    """What comes back of outputs for so many samples."""
    text = pack(select_samples(named(count), outputs))
    found = unpack({KEY: text}, manifest_for(text), declared, "model.onnx")
    assert found.contents == tuple(name[:16] for name in named(count))
    assert set(found.outputs) == {output.name for output in declared}
    return found.outputs


@given(some.integers(1, 40), some.integers(1, 7), some.integers(0, 2**32 - 1))
def test_what_was_packed_is_what_is_unpacked(count: int, classes: int, seed: int):
    logits = np.random.default_rng(seed).normal(0, 10, (count, classes)).astype(np.float32)
    found = again(count, {"logits": logits}, (Output("logits", ("batch", classes)),))["logits"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, logits)


@given(some.lists(some.integers(0, 5), min_size=1, max_size=12), some.integers(0, 2**32 - 1))
def test_outputs_that_differ_in_size_come_back_as_a_list_of_their_own_shapes(lengths: list[int], seed: int):
    random = np.random.default_rng(seed)
    rows = [random.normal(0, 10, (length, 3)).astype(np.float32) for length in lengths]
    found = again(len(rows), {"tags": rows}, RAGGED)["tags"]
    assert isinstance(found, list)
    for row, right in zip(found, rows, strict=True):
        assert (row.shape, row.dtype) == (right.shape, np.float32)
        np.testing.assert_array_equal(row, right)


@pytest.mark.parametrize("count", [1, 4])
def test_two_outputs_of_other_types_and_axes_both_come_back(count: int):
    declared = (
        Output("path", ("batch", "length"), "int64"),
        Output("state", ("batch", 2, 2)),
        Output("there", ("batch", 3), "bool"),
    )
    given = {
        "path": [np.arange(at, 2 * at + 1) for at in range(count)],
        "state": np.arange(4 * count, dtype=np.float32).reshape(count, 2, 2),
        "there": np.arange(3 * count).reshape(count, 3) % 2 == 0,
    }
    found = again(count, given, declared)
    for row, right in zip(found["path"], given["path"], strict=True):
        assert row.dtype == np.int64
        np.testing.assert_array_equal(row, right)
    for name in ("state", "there"):
        assert (found[name].shape, found[name].dtype) == (given[name].shape, given[name].dtype)
        np.testing.assert_array_equal(found[name], given[name])


def test_files_of_version_2_hold_logits_alone():
    logits = np.arange(6, dtype="<f4").reshape(3, 2)
    text = json.dumps(
        {"contents": [name[:16].hex() for name in named(3)], "logits": base64.b64encode(logits.tobytes()).decode()}
    )
    found = unpack({KEY: text}, manifest_for(text), LOGITS, "old.onnx")
    assert found.contents == tuple(name[:16] for name in named(3))
    np.testing.assert_array_equal(found.outputs["logits"], logits)


@pytest.mark.parametrize(("count", "classes"), [(5000, 2), (3000, 1000), (3, 400_000)])
def test_large_test_sets_are_thinned_evenly_to_what_has_room(count: int, classes: int):
    chosen = select_samples(named(count), {"logits": np.zeros((count, classes), np.float32)})
    assert 1 <= len(chosen.contents) <= MAX_SAMPLES
    assert len(chosen.contents) == len(chosen.outputs["logits"])
    assert len(chosen.contents) == 1 or np.asarray(chosen.outputs["logits"]).nbytes <= MAX_BYTES
    assert chosen.contents[0] == named(1)[0][:16]
    assert len(chosen.contents) == 1 or chosen.contents[-1] == named(count)[-1][:16]


def test_all_outputs_together_have_the_room():
    outputs = {"tags": [np.zeros((1000, 3), np.float32)] * 300, "state": np.zeros((300, 250), np.float32)}
    chosen = select_samples(named(300), outputs)
    assert 1 < len(chosen.contents) < 300
    assert len(chosen.outputs["tags"]) == len(chosen.outputs["state"]) == len(chosen.contents)
    assert sum(row.nbytes for rows in chosen.outputs.values() for row in rows) <= MAX_BYTES


def test_a_file_without_answers_says_so():
    with pytest.raises(ArtifactError, match="no reference outputs"):
        unpack({}, SimpleNamespace(reference=None), LOGITS, "old.onnx")  # type: ignore[arg-type]


def test_answers_that_were_changed_are_not_believed():
    text = pack(select_samples(named(3), {"logits": np.zeros((3, 2), np.float32)}))
    other = pack(select_samples(named(3), {"logits": np.ones((3, 2), np.float32)}))
    with pytest.raises(ArtifactError, match="do not match its manifest"):
        unpack({KEY: other}, manifest_for(text), LOGITS, "model.onnx")


def packed(count: int, **changes: Any) -> str:
    """Reference outputs of so many samples with something wrong with their logits."""
    data = base64.b64encode(bytes(8 * count)).decode()
    logits = {"dtype": "<f4", "shapes": [[2]], "data": data, **changes}
    return json.dumps({"contents": [name[:16].hex() for name in named(count)], "outputs": {"logits": logits}})


BROKEN = {
    "nothing": "",
    "a list": "[]",
    "empty": "{}",
    "no hex": '{"contents": ["zz"], "logits": ""}',
    "a number": '{"contents": [], "logits": 3}',
    "another output": '{"contents": [], "outputs": {"scores": {}}}',
    "no samples": packed(0, shapes=[]),
    "truncated": packed(3, data=base64.b64encode(bytes(20)).decode()),
    "truncated, each of its shape": packed(3, shapes=[[2]] * 3, data=base64.b64encode(bytes(20)).decode()),
    "too few shapes": packed(3, shapes=[[2], [2]]),
    "shapes that differ where none may": packed(3, shapes=[[1], [2], [3]]),
    "negative shapes": packed(3, shapes=[[-2], [4], [4]]),
    "objects": packed(3, dtype="O"),
    "no type": packed(3, dtype="?!"),
    "texts": packed(3, dtype="<U1"),
    "numbers for shapes": packed(3, shapes=[2]),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_broken_answers_are_an_error_of_the_file(text: str):
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        unpack({KEY: text}, manifest_for(text), LOGITS, "model.onnx")
