"""The GE2E encoder embeds as Resemblyzer does, and tells voices apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tlzoo_speech.ge2e import BANDS
from tlzoo_speech.plugin import load_backbone
from tlzoo_speech.spectral import HOP, WINDOW, MelPower
from transformers.audio_utils import mel_filter_bank

from tlzoo import Weights
from tlzoo.demo.commands import COMMANDS, TEST_VOICES, TRAIN_VOICES, prepare
from tlzoo.errors import SourceError
from tlzoo.preprocess import make_preprocessor
from tlzoo.registry.schema import Checkpoint

Real = Callable[[str, float], tuple[Checkpoint, Weights]]


@pytest.mark.parametrize("samples", [WINDOW, 1_000, 16_000, 16_077])
def test_mel_power_equals_a_fourier_transform_of_every_window(samples: int) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, samples)
    starts = range(0, samples - WINDOW + 1, HOP)
    windows = np.stack([sound[start : start + WINDOW] for start in starts]) * np.hanning(WINDOW + 1)[:-1]
    filters = mel_filter_bank(WINDOW // 2 + 1, BANDS, 0.0, 8_000.0, 16_000, norm="slaney", mel_scale="slaney")
    expected = (np.abs(np.fft.rfft(windows)) ** 2 @ filters).T
    actual = MelPower(BANDS)(torch.from_numpy(sound.astype(np.float32))[None])[0].numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-7)


def test_embeddings_are_those_that_resemblyzer_computes(real: Real, sweep: np.ndarray) -> None:
    # by Resemblyzer 0.1.4 with librosa 0.11, without trimming of silence: the three largest of 256
    for seconds, largest in SEEN.items():
        checkpoint, weights = real("speech/resemblyzer", seconds)
        module = load_backbone(checkpoint=checkpoint, weights=weights, output="vector").module
        with torch.no_grad():
            embedding = module(torch.from_numpy(sweep[: round(seconds * 16_000)])[None])[0].numpy()
        assert np.argsort(embedding)[-3:].tolist() == list(largest)
        np.testing.assert_allclose(embedding[list(largest)], list(largest.values()), atol=1e-4)


SEEN = {
    1.0: {20: 0.19495, 238: 0.19644, 212: 0.32602},
    1.6: {199: 0.19721, 79: 0.22446, 212: 0.32904},
    3.0: {159: 0.19959, 13: 0.20047, 212: 0.26344},
}


def test_two_words_of_one_voice_are_nearer_than_one_word_of_two_voices(real: Real, tmp_path: Path) -> None:
    data = prepare(
        tmp_path / "commands", words=COMMANDS[:4], train_voices=TRAIN_VOICES[:1], test_voices=TEST_VOICES[:10], takes=1
    )
    checkpoint, weights = real("speech/resemblyzer", 1.6)
    module = load_backbone(checkpoint=checkpoint, weights=weights, output="vector").module
    paths = sorted((data / "test").rglob("*.wav"))
    with torch.no_grad():
        embedded = module(torch.from_numpy(make_preprocessor(checkpoint.preprocess)(paths)["audio"])).numpy()
    np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1, atol=1e-5)
    voices = np.array([path.stem for path in paths])
    similar, same = embedded @ embedded.T, voices[:, None] == voices[None]
    others = ~np.eye(len(paths), dtype=bool)
    assert similar[same & others].mean() > similar[~same].mean() + 0.1


def test_a_file_that_holds_no_such_network_is_refused(real: Real, tmp_path: Path) -> None:
    checkpoint, _ = real("speech/resemblyzer", 1.6)
    path = tmp_path / "pretrained.pt"
    states = {"empty": b"", "garbage": b"not a zip", "other": None, "tensor": None}
    for name, content in states.items():
        if content is not None:
            path.write_bytes(content)
        else:
            torch.save({"model_state": {"linear.weight": torch.zeros(3)}} if name == "other" else torch.zeros(2), path)
        with pytest.raises(SourceError, match="speech/resemblyzer"):
            load_backbone(checkpoint=checkpoint, weights=Weights(tmp_path, {path.name: path}), output="vector")
