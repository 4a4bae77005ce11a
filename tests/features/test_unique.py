"""The corpus: each sample once, in an order that its contents decide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import InputError
from tlzoo.features.unique import deduplicate
from tlzoo.tasks import make_task


def dataset(*inputs: str, modality: str = "text") -> TaskDataset:
    def lengths(given: list[str]) -> dict[str, np.ndarray]:
        return {"length": np.array([len(text) for text in given])}

    return TaskDataset(inputs, ("a",) * len(inputs), lengths, make_task(f"{modality}-classification", ("a", "b")))


def test_every_sample_is_found_where_the_rows_say():
    sets = dataset("one", "two", "three", "two"), dataset("four", "one")
    corpus = deduplicate(*sets)
    assert {"one", "two", "three", "four"} == set(corpus.data.inputs)
    assert len(corpus) == 4
    for data, rows in zip(sets, corpus.rows, strict=True):
        assert list(data.inputs) == [corpus.data.inputs[row] for row in rows]
    assert corpus.data.arrays([0])["length"][0] == len(corpus.data.inputs[0])


def test_neither_the_split_nor_the_order_makes_another_corpus():
    one = deduplicate(dataset("a", "b", "c"), dataset("d"))
    other = deduplicate(dataset("d", "c"), dataset("b"), dataset("a", "d"))
    assert one.digest == other.digest
    assert one.data.inputs == other.data.inputs
    assert one.digest != deduplicate(dataset("a", "b", "c")).digest
    assert one.digest != deduplicate(dataset("a", "b", "c", "e")).digest


def test_files_are_known_by_what_they_hold_not_by_their_names(tmp_path: Path):
    for name, held in {"a": b"1", "b": b"2", "c": b"1"}.items():
        (tmp_path / name).write_bytes(held)
    a, b, c = (str(tmp_path / name) for name in "abc")
    corpus = deduplicate(dataset(a, b, c, modality="image"))
    assert len(corpus) == 2
    assert corpus.rows[0][0] == corpus.rows[0][2] != corpus.rows[0][1]
    assert corpus.digest == deduplicate(dataset(b, c, modality="image")).digest
    (tmp_path / "b").write_bytes(b"3")
    assert corpus.digest != deduplicate(dataset(a, b, c, modality="image")).digest


def test_a_file_that_is_gone_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="gone"):
        deduplicate(dataset(str(tmp_path / "gone.png"), modality="image"))
