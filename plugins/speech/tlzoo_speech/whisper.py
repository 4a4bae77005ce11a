"""Whisper's encoder over samples (Radford et al. 2022), at any window up to 30 s."""

from __future__ import annotations

import torch
from torch import nn
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from tlzoo.plugin import Stage
from tlzoo_speech.spectral import HOP, WINDOW, MelPower

_POSITION = 2 * HOP  # samples per position: the second convolution halves the frames
_FULL_WINDOW = 480_000  # samples: the 30 s that Whisper was trained on


class WhisperBackbone(nn.Module):
    """Samples [N, T] at 16 kHz to hidden states [N, ceil(T / 320), d_model], or their mean [N, d_model] if `pooled`.

    Whisper pads every recording to 30 s with zeros. Here the window ends where its last position does, and the
    positions after it are cut away. The log-mel of the frames that remain is the one of the padded recording.
    """

    def __init__(self, config: WhisperConfig, samples: int, pooled: bool) -> None:
        super().__init__()
        self.positions = -(-samples // _POSITION)
        self.samples = samples
        self.pooled = pooled
        self.mel = MelPower(config.num_mel_bins)
        self.encoder = WhisperEncoder(config)

    def cut_positions(self) -> None:
        """Keep the learnt positions of this window only; call once the weights are loaded."""
        kept = self.encoder.embed_positions.weight[: self.positions].detach().clone()
        self.encoder.embed_positions = nn.Embedding.from_pretrained(kept, freeze=True)
        self.encoder.max_source_positions = self.encoder.config.max_source_positions = self.positions

    def log_mel(self, audio: torch.Tensor) -> torch.Tensor:
        """[N, T] to [N, bands, 2 * positions]: log10 power within 8 decades of each sample's maximum, near -1..1."""
        whole = self.positions * _POSITION
        padded = nn.functional.pad(audio, (0, whole - self.samples))
        padded = nn.functional.pad(padded, (WINDOW // 2, 0), mode="reflect")
        if whole == _FULL_WINDOW:
            padded = nn.functional.pad(padded, (0, WINDOW // 2), mode="reflect")
        else:
            padded = nn.functional.pad(padded, (0, WINDOW // 2))
        mel = self.mel(padded)[:, :, : 2 * self.positions]
        log = mel.clamp(min=1e-10).log10()
        log = torch.maximum(log, log.amax(dim=(1, 2), keepdim=True) - 8.0)
        return (log + 4.0) / 4.0

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """[N, T] to [N, positions, d_model] or [N, d_model]."""
        hidden: torch.Tensor = self.encoder(self.log_mel(audio)).last_hidden_state
        return hidden.mean(dim=1) if self.pooled else hidden


def whisper_stages(layers: int) -> tuple[Stage, ...]:
    """The encoder's stages from input to output."""
    stem = Stage("stem", ("encoder.conv1", "encoder.conv2", "encoder.embed_positions"))
    blocks = (Stage(f"layer.{i}", (f"encoder.layers.{i}",)) for i in range(layers))
    return (stem, *blocks, Stage("norm", ("encoder.layer_norm",)))


def whisper_names_from_ctranslate2(variables: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The encoder's state dict in transformers' names, from CTranslate2's; float32.

    CTranslate2 stacks queries, keys and values in one matrix. Whisper's keys have no bias, so that part of the stacked
    bias is dropped.
    """
    state: dict[str, torch.Tensor] = {}
    for name, value in variables.items():
        scope, _, leaf = name.removeprefix("encoder/").rpartition("/")
        if not name.startswith("encoder/") or leaf == "num_heads":
            continue
        leaf = _LEAVES.get(leaf, leaf)
        layer, _, part = scope.partition("/")
        prefix = layer.replace("layer_", "layers.", 1) + "." if layer.startswith("layer_") and part else ""
        part = part if prefix else scope
        value = value.float()
        if part == "self_attention/linear_0":
            names = ("q_proj", "k_proj", "v_proj")
            for projection, third in zip(names, value.chunk(3), strict=True):
                if (projection, leaf) != ("k_proj", "bias"):
                    state[f"{prefix}self_attn.{projection}.{leaf}"] = third.contiguous()
        else:
            state[f"{prefix}{_PARTS.get(part, part)}.{leaf}"] = value
    return state


_LEAVES = {"gamma": "weight", "beta": "bias", "encodings": "weight"}
_PARTS = {
    "self_attention/layer_norm": "self_attn_layer_norm",
    "self_attention/linear_1": "self_attn.out_proj",
    "ffn/layer_norm": "final_layer_norm",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
    "position_encodings": "embed_positions",
}
