"""Whisper's encoder: its log-mel is the published one, and its weights are read from CTranslate2's format exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tlzoo_speech.plugin import load_backbone
from transformers import WhisperFeatureExtractor

from tlzoo import Weights
from tlzoo.demo.commands import TEST_VOICES, TRAIN_VOICES, prepare
from tlzoo.errors import SourceError
from tlzoo.preprocess import make_preprocessor
from tlzoo.registry.schema import Checkpoint

Real = Callable[[str, float], tuple[Checkpoint, Weights]]


@pytest.mark.parametrize("seconds", [0.03, 1.0, 1.2345, 30.0])
def test_log_mel_equals_the_published_extractor(
    tiny: Callable[..., Checkpoint], sweep: np.ndarray, seconds: float
) -> None:
    module = load_backbone(checkpoint=tiny("whisper", seconds), weights=None, output="vector").module
    noise = np.random.default_rng(0).normal(0, 0.1, sweep.shape).astype(np.float32)
    click = np.zeros_like(sweep)
    click[100] = 1
    for sound in (sweep, noise, click, np.zeros_like(sweep)):
        window = sound[: round(seconds * 16_000)]
        expected = WhisperFeatureExtractor()(window, sampling_rate=16_000, return_tensors="np").input_features[0]
        actual = module.log_mel(torch.from_numpy(window)[None])[0].numpy()
        np.testing.assert_allclose(actual, expected[:, : actual.shape[1]], atol=1e-4)


def test_hidden_states_are_those_that_ctranslate2_computes(real: Real, sweep: np.ndarray) -> None:
    # by CTranslate2 4.8.5 in float32, from WhisperFeatureExtractor's features: frames by dimensions
    frames, dimensions = [0, 1, 700, 1499], [0, 100, 383]
    expected = [
        [-0.7666, -0.7244, -0.8227],
        [0.0159, -0.9698, -0.1007],
        [-0.0756, -1.0943, 1.1130],
        [-0.1123, 0.2665, 0.0110],
    ]
    checkpoint, weights = real("speech/whisper-tiny-en", 30.0)
    module = load_backbone(checkpoint=checkpoint, weights=weights, output="sequence").module
    with torch.no_grad():
        hidden = module(torch.from_numpy(sweep)[None])[0].numpy()
    assert hidden.shape == (1500, 384)
    np.testing.assert_allclose(hidden[np.ix_(frames, dimensions)], expected, atol=1e-3)


def test_a_linear_head_on_real_weights_tells_words_of_unheard_voices_apart(real: Real, tmp_path: Path) -> None:
    words = ("yes", "no", "up", "down")
    data = prepare(
        tmp_path / "commands", words=words, train_voices=TRAIN_VOICES[:8], test_voices=TEST_VOICES[:8], takes=1
    )
    checkpoint, weights = real("speech/whisper-tiny-en", 1.0)
    module = load_backbone(checkpoint=checkpoint, weights=weights, output="vector").module
    features, labels = {}, {}
    for half in ("train", "test"):
        paths = sorted((data / half).rglob("*.wav"))
        labels[half] = [path.parent.name for path in paths]
        with torch.no_grad():
            features[half] = module(torch.from_numpy(make_preprocessor(checkpoint.preprocess)(paths)["audio"])).numpy()
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    assert head.fit(features["train"], labels["train"]).score(features["test"], labels["test"]) > 0.9


def test_weights_of_another_size_are_refused_with_the_first_parameter_that_differs(real: Real) -> None:
    checkpoint, weights = real("speech/whisper-tiny-en", 1.0)
    for config, word in (
        ({"encoder_layers": 5}, "lack"),
        ({"encoder_layers": 3}, "unexpected"),
        ({"encoder_ffn_dim": 8}, "shape"),
    ):
        other = checkpoint.model_copy(update={"config": checkpoint.config | config})
        with pytest.raises(SourceError, match=rf"speech/whisper-tiny-en.*{word}.*layers"):
            load_backbone(checkpoint=other, weights=weights, output="vector")
