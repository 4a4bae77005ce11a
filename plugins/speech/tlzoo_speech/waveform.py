"""Encoders that read the waveform itself: wav2vec 2.0 (2020), HuBERT (2021), WavLM (2022) and their kin."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tlzoo.plugin import Stage

# Random masking and layer dropping draw from numpy's global state and would make a resumed run differ; without
# masking, the vector that stands in for masked frames is a parameter that nothing uses.
PLAIN_TRAINING = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "layerdrop": 0.0, "encoder_layerdrop": 0.0}


class WaveformBackbone(nn.Module):
    """Samples [N, T] at 16 kHz to hidden states [N, F, hidden], or their mean [N, hidden] if `pooled`.

    With `normalise`, every recording is first brought to mean 0 and variance 1 over its window.
    """

    def __init__(self, model: nn.Module, normalise: bool, pooled: bool) -> None:
        super().__init__()
        self.model = model
        self.normalise = normalise
        self.pooled = pooled

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """[N, T] to [N, F, hidden] or [N, hidden]."""
        if self.normalise:
            centred = audio - audio.mean(dim=1, keepdim=True)
            audio = centred * (centred.square().mean(dim=1, keepdim=True) + 1e-7).rsqrt()
        hidden: torch.Tensor = self.model(audio).last_hidden_state
        return hidden.mean(dim=1) if self.pooled else hidden


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
