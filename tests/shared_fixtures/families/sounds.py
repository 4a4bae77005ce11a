"""The architectures of the plugin `speech`, those of transformers each as the hub repository of a tiny network."""

from __future__ import annotations

from functools import partial
from typing import Any

from tlzoo_speech.plugin import ARCHITECTURES

from shared_fixtures.families.verdicts import Family, hub_repository
from tlzoo import registry
from tlzoo.interfaces import Repository
from tlzoo.registry.schema import Checkpoint

LEFT_OUT: dict[str, str] = {}
WAVE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": [16, 16, 16],
    "conv_stride": [10, 8, 4],
    "conv_kernel": [10, 8, 4],
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "num_feat_extract_layers": 3,
}
WHISPER: dict[str, Any] = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "vocab_size": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}


def names() -> list[str]:
    """The architectures of the plugin."""
    return sorted(ARCHITECTURES)


def family(kind: str, model: str = "") -> Family:
    """The family of an architecture, which is its own model."""
    return Family("speech", kind, "", partial(_describe, kind))


def _describe(kind: str) -> Repository | Checkpoint:
    if kind == "ge2e-lstm":  # which no hub holds
        return next(each for each in registry.find(plugin="speech") if each.architecture == kind)
    tiny = WHISPER if kind == "whisper" else WAVE
    return hub_repository(kind, {"config.json": {**tiny, "model_type": kind}, "preprocessor_config.json": {}})
