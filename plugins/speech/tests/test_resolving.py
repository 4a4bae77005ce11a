"""Hub repositories of speech models become entries from their own configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tlzoo_speech.plugin import load_backbone, resolve_checkpoint
from transformers import AutoConfig, AutoModel

from tlzoo import Repository, Weights
from tlzoo.errors import RegistryError

WAVEFORM = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": (16, 16, 16),
    "conv_stride": (5, 4, 16),
    "conv_kernel": (10, 3, 3),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "num_feat_extract_layers": 3,
}
WHISPER = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 37,
    "decoder_ffn_dim": 37,
    "vocab_size": 101,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
TINY: dict[str, dict[str, Any]] = {
    "wav2vec2": WAVEFORM,
    "wavlm": WAVEFORM,
    "unispeech-sat": WAVEFORM,
    "data2vec-audio": {**WAVEFORM, "num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 3},
    "whisper": WHISPER,
}
PROCESSOR = {"sampling_rate": 16_000, "do_normalize": False}


def described(config: dict[str, Any], processor: dict[str, Any] = PROCESSOR) -> Repository:
    documents = {"config.json": config, "preprocessor_config.json": processor}
    sizes = dict.fromkeys((*documents, "model.safetensors"), 10)
    return Repository("tiny/net", "a" * 40, sizes, {}, documents, None, (), ())


@pytest.mark.parametrize("family", TINY)
def test_an_entry_says_what_is_built_of_it(family: str, tmp_path: Path):
    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.for_model(family, **TINY[family])).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    found = resolve_checkpoint("hf/tiny/net", described(json.loads((tmp_path / "config.json").read_text())))
    assert found is not None
    assert (found.plugin, found.architecture, found.feature_dim) == ("speech", family, 32)
    assert (found.preprocess.sample_rate, found.preprocess.seconds) == (16_000, 5.0)
    weights = Weights(tmp_path, {file.path: tmp_path / file.path for file in found.source.files})
    for given in (weights, None):
        backbone = load_backbone(found, given, "vector")
        counts = {stage.name: 0 for stage in backbone.stages}
        for name, parameter in backbone.module.named_parameters():
            counts[next(stage.name for stage in backbone.stages if stage.owns(name))] += parameter.numel()
        assert counts == {stage.name: stage.parameters for stage in found.stages}
        assert found.parameters == sum(counts.values())
        assert getattr(backbone.module, "normalise", None) is None
    with torch.no_grad():
        assert tuple(backbone.module(backbone.example_inputs["audio"]).shape) == (2, 32)


@pytest.mark.parametrize(
    ("config", "processor", "cause"),
    [
        (WAVEFORM, {"sampling_rate": 8000}, "8000"),
        ({**WAVEFORM, "num_attention_heads": 3}, {}, "heads"),
        ({**WAVEFORM, "quantization_config": {}}, {}, "quantised"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(config: dict[str, Any], processor: dict[str, Any], cause: str):
    with pytest.raises(RegistryError, match=cause):
        resolve_checkpoint("hf/tiny/net", described({"model_type": "wav2vec2", **config}, processor))


@pytest.mark.parametrize("config", [{}, {"model_type": "bert"}, {"model_type": "ge2e-lstm"}])
def test_what_hears_nothing_is_left_to_others(config: dict[str, Any]):
    assert resolve_checkpoint("hf/tiny/net", described(config)) is None
    assert resolve_checkpoint("speech/other", None) is None
