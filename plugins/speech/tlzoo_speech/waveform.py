"""Encoders that read the waveform itself: wav2vec 2.0 (2020), HuBERT (2021), WavLM (2022) and their kin."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from tlzoo.plugin import Stage

# Random masking and layer dropping draw from numpy's global state and would make a resumed run differ; without
# masking, the vector that stands in for masked frames is a parameter that nothing uses.
PLAIN_TRAINING = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "layerdrop": 0.0, "encoder_layerdrop": 0.0}

EXTRACTOR = {"do_normalize": True, "return_attention_mask": False}
"""What Wav2Vec2FeatureExtractor does where its preprocessor_config.json is silent."""
Normalise = Literal["sound", "window"]
_EPSILON = 1e-7


class WaveformBackbone(nn.Module):
    """Samples [N, T] at 16 kHz to hidden states [N, F, hidden], or their mean [N, hidden] if `pooled`.

    With `normalise`, every recording is first brought to mean 0 and variance 1: over its "window", padding included, or
    over the "sound" alone, as transformers' extractor does where it returns an attention mask; padding is 0 then. A
    sound ends at its last sample that is not 0; preprocessing sees to it that this is its last sample.
    """

    def __init__(self, model: nn.Module, normalise: Normalise | None, pooled: bool) -> None:
        super().__init__()
        self.model = model
        self.normalise = normalise
        self.pooled = pooled

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """[N, T] to [N, F, hidden] or [N, hidden]."""
        if self.normalise == "sound":
            audio = normalise_sound(audio)
        elif self.normalise == "window":
            centred = audio - audio.mean(dim=1, keepdim=True)
            audio = centred * (centred.square().mean(dim=1, keepdim=True) + _EPSILON).rsqrt()
        hidden: torch.Tensor = self.model(audio).last_hidden_state
        return hidden.mean(dim=1) if self.pooled else hidden


def normalise_sound(audio: torch.Tensor) -> torch.Tensor:
    """[N, T]: mean 0 and variance 1 up to each row's last sample that is not 0, and 0 behind it."""
    places = torch.arange(audio.shape[1], dtype=torch.int32, device=audio.device)
    last = torch.where(audio != 0, places, -1).amax(dim=1, keepdim=True)
    inside = (places <= last).to(audio.dtype)
    length = inside.sum(dim=1, keepdim=True).clamp(min=1)
    centred = (audio - audio.sum(dim=1, keepdim=True) / length) * inside
    return centred * (centred.square().sum(dim=1, keepdim=True) / length + _EPSILON).rsqrt()


def waveform_stages(config: Any) -> tuple[Stage, ...]:
    """The stages of a `WaveformBackbone` from input to output; its one outer norm is first or last by kind."""
    norm = "model.encoder.layer_norm"
    projection = ("model.feature_projection", "model.encoder.pos_conv_embed")
    last = bool(getattr(config, "do_stable_layer_norm", False))
    stages = [
        Stage("convolutions", ("model.feature_extractor",)),
        Stage("projection", projection if last else (*projection, norm)),
        *(Stage(f"layer.{i}", (f"model.encoder.layers.{i}",)) for i in range(config.num_hidden_layers)),
    ]
    if last:
        stages.append(Stage("norm", (norm,)))
    if getattr(config, "add_adapter", False):
        stages.append(Stage("adapter", ("model.adapter",)))
    return tuple(stages)
