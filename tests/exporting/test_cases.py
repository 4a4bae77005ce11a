"""Arrays that a proof tries besides held-out samples, each with torch's outputs for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from torch import nn

from tlzoo.data.dataset import TaskDataset
from tlzoo.exporting.cases import (
    _constant,
    _heard,
    _tokens,
    _torch_outputs,
    _widened,
    array_cases,
)
from tlzoo.interfaces import Head
from tlzoo.models.model import TaskModel
from tlzoo.tasks import make_task

TASK: Any = make_task("image-classification", ("a", "b"))


class Sums(nn.Module):
    """Sums of each sample's two halves, of the first array."""

    def forward(self, first: Any, *others: Any) -> Any:
        return first.double().reshape(len(first), 2, -1).sum(2).float()


def model_of(head: nn.Module | None = None) -> TaskModel:
    parts: Any = SimpleNamespace(module=Sums(), output="vector")
    return TaskModel(SimpleNamespace(plugin=""), TASK, parts, Head(head or nn.Identity(), lambda *given: None))  # type: ignore[arg-type]


def data_of(name: str, rows: np.ndarray) -> TaskDataset:
    return TaskDataset(list(rows), None, lambda inputs: {name: np.stack(inputs)}, TASK)


def test_a_plugins_own_inputs_are_not_tried():
    assert array_cases(model_of(), data_of("x", np.ones((3, 4))), SimpleNamespace(kind="plugin")) == []  # type: ignore[arg-type]


def test_pictures_are_black_grey_and_white():
    rows = np.arange(96, dtype=np.uint8).reshape(8, 2, 2, 3)
    found = array_cases(model_of(), data_of("image", rows), SimpleNamespace(kind="image"))  # type: ignore[arg-type]
    assert [(case.where, case.extreme, case.length) for case in found] == [
        ("on a black picture", True, 0), ("on a grey picture", True, 0), ("on a white picture", True, 0)
    ]  # fmt: skip
    for case, value in zip(found, (0, 128, 255), strict=True):
        image = case.arrays["image"]
        assert (image.shape, image.dtype, set(image.ravel().tolist())) == ((1, 2, 2, 3), np.uint8, {value})
        assert case.reference["logits"].tolist() == case.reference["embeddings"].tolist() == [[6 * value, 6 * value]]


def test_recordings_are_cut_to_shares_and_constant():
    rows = 1 + np.arange(140, dtype=np.float32).reshape(7, 20)
    found = array_cases(model_of(), data_of("audio", rows), SimpleNamespace(kind="audio"))  # type: ignore[arg-type]
    assert [(case.where, case.length, case.extreme) for case in found] == [
        ("at a length of 2", 2, False),
        ("at a length of 7", 7, False),
        ("at a length of 14", 14, False),
        ("on silence", 0, True),
        ("on a constant recording", 0, True),
    ]
    for case in found[:3]:
        audio = case.arrays["audio"]
        assert audio.shape == (5, 20)  # of seven samples five
        np.testing.assert_array_equal(audio[:, : case.length], rows[:5, : case.length])
        assert not audio[:, case.length :].any()
        np.testing.assert_allclose(case.reference["logits"].sum(axis=1), rows[:5, : case.length].sum(axis=1))
    assert [case.arrays["audio"].tolist() for case in found[3:]] == [[[0.0] * 20], [[1.0] * 20]]


def test_embeddings_are_what_the_head_is_given_where_that_is_a_vector():
    arrays = {"x": np.arange(8, dtype=np.float32).reshape(2, 4)}
    assert set(_torch_outputs(model_of(), arrays)) == {"logits", "embeddings"}
    turned = _torch_outputs(model_of(nn.Linear(2, 2)), arrays)
    assert turned["embeddings"].tolist() == [[1, 5], [9, 13]]
    several = model_of(nn.Flatten())
    several.backbone = nn.Unflatten(1, (2, 2))
    assert set(_torch_outputs(several, arrays)) == {"logits"}


def texts_of(count: int = 3, length: int = 4) -> dict[str, np.ndarray]:
    ids = 10 + np.arange(count * length).reshape(count, length)
    return {"input_ids": ids, "attention_mask": np.ones((count, length), np.int64)}


def test_texts_are_cut_or_made_longer_by_repeating_and_by_padding():
    cut = _tokens(texts_of(), 2, 9)
    assert cut["input_ids"].tolist() == [[10, 11], [14, 15], [18, 19]]
    assert cut["attention_mask"].tolist() == [[1, 1]] * 3
    same = _tokens(texts_of(), 4, 9)
    assert same["input_ids"].tolist() == texts_of()["input_ids"].tolist()
    longer = _tokens(texts_of(), 6, 9)
    assert longer["input_ids"].tolist() == [[10, 11, 12, 13, 10, 11], [14, 15, 16, 17, 9, 9], [18, 19, 20, 21, 18, 19]]
    assert longer["attention_mask"].tolist() == [[1] * 6, [1, 1, 1, 1, 0, 0], [1] * 6]
    assert all(rows.flags.c_contiguous for rows in (*cut.values(), *longer.values()))


def test_rows_are_widened_by_zeros_behind_them():
    assert _widened(np.array([[1, 2]]), 4).tolist() == [[1, 2, 0, 0]]
    assert _widened(np.ones((1, 2, 3)), 2).shape == (1, 2, 3)
    assert _widened(np.ones((1, 2, 3)), 5).sum() == 6


def test_silence_begins_where_it_is_said_and_the_rest_stays():
    given = {"audio": np.ones((2, 4), np.float32), "other": np.ones(2)}
    found = _heard(given, 3)
    assert found["audio"].tolist() == [[1, 1, 1, 0]] * 2
    assert found["other"] is given["other"]
    assert given["audio"].all()
    assert {name: rows.tolist() for name, rows in _constant(given, 5).items()} == {"audio": [[5] * 4], "other": [5]}
