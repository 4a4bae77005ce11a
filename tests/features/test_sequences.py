"""Features of every token: as many of a text as it has tokens, from the cache or not, the same as torch gives alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from torch import nn

from tlzoo import registry
from tlzoo.data.dataset import TaskDataset, make_dataset
from tlzoo.data.samples import Samples
from tlzoo.errors import TrainingError
from tlzoo.features import extract as extraction
from tlzoo.features.extract import Features, extract
from tlzoo.interfaces import FeatureKind, Head
from tlzoo.models.model import TaskModel
from tlzoo.models.onnx_export import eager_outputs_and_features
from tlzoo.options import Cache, Probe
from tlzoo.plugins.preprocess import checkpoint_preprocessor
from tlzoo.runs.prepare import prepare_backbone
from tlzoo.tasks import Output, Task

TEXTS = (
    "great film",
    "the book was very dull and slow",
    "it",
    "warm warm room service",
    "a story that was of the film",
)


@dataclass(frozen=True)
class Words(Task):
    """A task with an answer for each token."""

    needs: ClassVar[FeatureKind] = "sequence"

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Two logits for each token."""
        return (Output("logits", ("batch", "tokens", 2)),)


@pytest.fixture
def words(zoo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[TaskModel, TaskDataset]:
    """A model of tokens on a cold cache, and texts of different lengths."""
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    task = Words("text-words")
    backbone, checkpoint = prepare_backbone(registry.get("nlp/test-bert"), task)
    head = Head(nn.Linear(backbone.feature_dim, 2), lambda outputs, batch: outputs["logits"].sum())
    preprocessor = checkpoint_preprocessor(checkpoint, backbone.preprocess)
    data = make_dataset(Samples(TEXTS, None, "text"), task, preprocessor)
    return TaskModel(checkpoint, task, backbone, head), data


def alone(model: TaskModel, text: str, data: TaskDataset) -> np.ndarray:
    """The features of one text in a batch of its own, where nothing is padded."""
    [found] = eager_outputs_and_features(model, data.preprocessor([text]))[1]
    return found


def assert_those_of_torch(model: TaskModel, data: TaskDataset, found: Features, within: float = 1e-4) -> None:
    """Every text has its own tokens' features and no other rows."""
    assert found.lengths is not None
    assert [len(text.split()) + 2 for text in data.inputs] == found.lengths.tolist()
    expected = np.concatenate([alone(model, text, data) for text in data.inputs])
    assert found.rows.dtype == np.float32
    np.testing.assert_allclose(found.rows, expected, atol=within * np.abs(expected).max())


@pytest.mark.parametrize("cache", [True, pytest.param(False, marks=pytest.mark.release)])
def test_every_text_has_as_many_rows_as_tokens_whatever_shares_its_batch(
    words: tuple[TaskModel, TaskDataset], monkeypatch: pytest.MonkeyPatch, cache: bool
):
    model, data = words
    for batch in (2, 32):
        monkeypatch.setattr(extraction, "BATCH", batch)
        [found] = extract(model, data, options=Probe(cache=Cache(cache)))
        assert_those_of_torch(model, data, found)


@pytest.mark.release
def test_what_is_kept_serves_any_split_and_half_precision_is_near(words: tuple[TaskModel, TaskDataset]):
    model, data = words
    one, other = (
        make_dataset(Samples(texts, None, "text"), model.task, data.preprocessor)
        for texts in (TEXTS[3:] + TEXTS[:1], TEXTS[1:3])
    )
    for options, within in ((Probe(), 1e-4), (Probe(cache=Cache(precision="fp16")), 2e-3)):
        for _ in range(2):
            found = extract(model, one, other, options=options)
            for part, each in zip((one, other), found, strict=True):
                assert_those_of_torch(model, part, each, within)


@pytest.mark.release
def test_a_text_that_comes_twice_has_its_rows_twice(words: tuple[TaskModel, TaskDataset]):
    model, data = words
    twice = make_dataset(Samples((TEXTS[2], TEXTS[0], TEXTS[2]), None, "text"), model.task, data.preprocessor)
    [found] = extract(model, twice)
    assert_those_of_torch(model, twice, found)


def test_the_rows_of_some_samples_are_theirs_alone():
    found = Features(np.arange(12, dtype=np.float32).reshape(6, 2), np.array([2, 0, 3, 1]))
    some = found.subset(range(1, 3))
    assert some.lengths is not None
    assert (some.rows[:, 0].tolist(), some.lengths.tolist()) == ([4, 6, 8], [0, 3])
    whole = found.subset(range(4))
    np.testing.assert_array_equal(whole.rows, found.rows)
    plain = Features(np.arange(8).reshape(4, 2)).subset(range(2, 4))
    assert (plain.rows.tolist(), plain.lengths) == ([[4, 5], [6, 7]], None)


def test_padding_that_is_no_number_is_no_matter_and_a_token_that_is_none_is_named():
    array = np.zeros((2, 4, 3), np.float32)
    array[1, 2:] = np.nan
    extraction._check_finite([array], ["first", "second"], np.array([4, 2]))
    with pytest.raises(TrainingError, match="'second'"):
        extraction._check_finite([array], ["first", "second"], np.array([4, 3]))
