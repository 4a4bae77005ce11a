"""The speaker encoder of the generalised end-to-end loss (Wan et al. 2018) as Resemblyzer trained it."""

from __future__ import annotations

import torch
from torch import nn

from tlzoo.plugin import Stage
from tlzoo_speech.spectral import HOP, WINDOW, MelPower

BANDS, HIDDEN, LAYERS = 40, 256, 3
_PARTIAL = 160  # frames of one partial utterance: 1.6 s
_STEP = 77  # frames from one partial to the next: 1.3 partials a second
_COVERAGE = 0.75  # share of the last partial that must be sound, not padding
_QUIET = 10 ** (-30 / 20)  # recordings below -30 dB of full scale are raised to it

GE2E_STAGES = (
    *(
        Stage(f"lstm.{i}", tuple(f"lstm.{kind}_{side}_l{i}" for kind in ("weight", "bias") for side in ("ih", "hh")))
        for i in range(LAYERS)
    ),
    Stage("embedding", ("linear",)),
)


class SpeakerEncoder(nn.Module):
    """Samples [N, T] at 16 kHz to one embedding [N, 256] per recording: not negative, of length 1.

    As Resemblyzer embeds an utterance: raised to -30 dB, cut into overlapping partials of 1.6 s, each embedded by the
    last state of the LSTM; their mean, normalised. Silence is not trimmed, but digital zeros do not count as quiet.
    """

    def __init__(self, samples: int) -> None:
        super().__init__()
        self.samples = samples
        self.starts = _partial_starts(samples)
        self.mel = MelPower(BANDS)
        self.lstm = nn.LSTM(BANDS, HIDDEN, LAYERS, batch_first=True)
        self.linear = nn.Linear(HIDDEN, HIDDEN)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """[N, T] to [N, 256]."""
        end = (self.starts[-1] + _PARTIAL - 1) * HOP + WINDOW // 2
        sound = nn.functional.pad(_raise_volume(audio), (WINDOW // 2, max(0, end - self.samples)))
        mel = self.mel(sound).transpose(1, 2)
        partials = torch.stack([mel[:, start : start + _PARTIAL] for start in self.starts], dim=1)
        states, _ = self.lstm(partials.flatten(0, 1))
        embedded = nn.functional.normalize(torch.relu(self.linear(states[:, -1])), dim=1)
        mean = embedded.unflatten(0, (-1, len(self.starts))).mean(dim=1)
        return nn.functional.normalize(mean, dim=1)


def _raise_volume(audio: torch.Tensor) -> torch.Tensor:
    sounding = (audio != 0).sum(dim=1, keepdim=True).clamp(min=1)
    loudness = (audio.square().sum(dim=1, keepdim=True) / sounding).sqrt()
    return audio * (_QUIET / loudness.clamp(min=1e-8)).clamp(min=1.0)


def _partial_starts(samples: int) -> list[int]:
    """First frame of each partial of a recording of so many samples."""
    frames = -(-(samples + 1) // HOP)
    starts = list(range(0, max(1, frames - _PARTIAL + _STEP + 1), _STEP))
    covered = (samples - starts[-1] * HOP) / (_PARTIAL * HOP)
    return starts[:-1] if covered < _COVERAGE and len(starts) > 1 else starts
