"""Checkpoints for the tests: the two whose weights come by package, and tiny ones of every other architecture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tlzoo import Weights, registry
from tlzoo.registry.schema import Checkpoint, FileSource, LocalFile
from tlzoo.specs import AudioSpec
from tlzoo.weights.fetch import fetch

TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 37,
    "conv_dim": (16, 16, 16),
    "conv_stride": (5, 4, 4),
    "conv_kernel": (10, 3, 3),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "num_feat_extract_layers": 3,
}
TINY_WHISPER = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 48}
CONFIGS = {"whisper": TINY_WHISPER, "wav2vec2": TINY, "hubert": TINY, "wavlm": TINY, "ge2e-lstm": {}}


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Checkpoint]:
    """Makes a checkpoint of this architecture for random weights."""
    return _tiny


def _tiny(architecture: str, seconds: float = 0.5, **config: object) -> Checkpoint:
    return Checkpoint(
        id=f"speech/tiny-{architecture}",
        architecture=architecture,
        config=CONFIGS.get(architecture, {}) | config,
        source=FileSource(files=(LocalFile(path="none", sha256="0" * 64, size=1),)),
        tasks=("audio-classification",),
        parameters=1,
        feature_dim=256 if architecture == "ge2e-lstm" else 32,
        preprocess=AudioSpec(sample_rate=16_000, seconds=seconds),
    )


@pytest.fixture(scope="session")
def real() -> Callable[[str, float], tuple[Checkpoint, Weights]]:
    """Gives a registered checkpoint at a window of so many seconds, and its real weights."""
    return _real


def _real(name: str, seconds: float) -> tuple[Checkpoint, Weights]:
    checkpoint = registry.get(name)
    spec = AudioSpec(sample_rate=16_000, seconds=seconds)
    return checkpoint.model_copy(update={"preprocess": spec}), fetch(checkpoint)


@pytest.fixture(scope="session")
def sweep() -> np.ndarray:
    """30 s at 16 kHz, a rising tone that swells and one that comes and goes: the sound of the reference values."""
    t = np.arange(480_000) / 16_000
    rising = 0.3 * np.sin(2 * np.pi * (150 + 250 * t) * t) * (1 + np.sin(2 * np.pi * 3 * t)) / 2
    gated = 0.1 * np.sin(2 * np.pi * 1900 * t) * (np.sin(2 * np.pi * 2 * t) > 0)
    return (rising + gated).astype(np.float32)
