"""The encoder of Fracast-0, a forecasting model of 85,001 parameters (Apache-2.0), as a backbone.

One causal block, a depthwise and a pointwise convolution and a gated layer, runs ten times over 2,048 steps with
dilations 1, 2, 4 ... 512, each time scaled and shifted by what says which dilation it is. Of the original's inputs the
phases of periods found in a periodogram are left out, as where it finds none: the search has no fixed graph.
"""

from __future__ import annotations

import math

import torch
from tlzoo.plugin import Stage
from torch import nn
from torch.nn.functional import conv1d, pad, silu

WIDTH, WINDOW, TAPS, HIDDEN, FREQUENCIES = 64, 2048, 3, 96, 4
DILATIONS = tuple(2**i for i in range(10))
FRACAST_STAGES = (Stage("input", ("in_proj", "phase")), Stage("block", ("scale", "block")), Stage("norm", ("norm",)))


class Block(nn.Module):
    """[N, L, 64] to the same, looking back only."""

    def __init__(self) -> None:
        super().__init__()
        self.dw_weight = nn.Parameter(torch.randn(WIDTH, 1, TAPS) / TAPS)
        self.dw_bias = nn.Parameter(torch.zeros(WIDTH))
        self.pw = nn.Linear(WIDTH, WIDTH)
        self.ffn = nn.ModuleDict({"up": nn.Linear(WIDTH, 2 * HIDDEN), "down": nn.Linear(HIDDEN, WIDTH)})
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)

    def forward(self, states: torch.Tensor, dilation: int) -> torch.Tensor:
        """One pass with this dilation."""
        before = pad(states.transpose(1, 2), ((TAPS - 1) * dilation, 0))
        seen = conv1d(before, self.dw_weight, self.dw_bias, dilation=dilation, groups=WIDTH)
        states = self.norm1(states + self.pw(seen.transpose(1, 2)))
        gate, value = self.ffn["up"](states).chunk(2, dim=-1)
        return self.norm2(states + self.ffn["down"](silu(gate) * value))


class Fracast(nn.Module):
    """Series [N, C, T], T up to 2,048, to features [N, 128]: mean and spread of the last T states."""

    places: torch.Tensor
    which: torch.Tensor

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length
        self.in_proj = nn.Linear(7, WIDTH)
        self.phase = nn.Parameter(torch.zeros(WIDTH))
        self.scale = nn.Linear(2 * FREQUENCIES, 2 * WIDTH)
        self.block = Block()
        self.norm = nn.RMSNorm(WIDTH)
        self.register_buffer("places", _places(length), persistent=False)
        self.register_buffer("which", torch.stack([_waves(dilation) for dilation in DILATIONS]), persistent=False)

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        """[N, C, T] to [N, 128]."""
        states = self.states(series.flatten(0, 1))[:, -self.length :]
        mean = states.mean(dim=1)
        spread = (states - mean[:, None]).square().mean(dim=1).clamp(min=1e-12).sqrt()
        return torch.cat([mean, spread], dim=1).unflatten(0, (-1, series.shape[1])).mean(dim=1)

    def states(self, rows: torch.Tensor) -> torch.Tensor:
        """The encoder as it was trained: rows [M, T] at the end of 2,048 steps to states [M, 2048, 64]."""
        low, high = rows.amin(dim=1, keepdim=True), rows.amax(dim=1, keepdim=True)
        values = pad((rows - low) / (high - low).clamp(min=1e-5), (WINDOW - self.length, 0))
        weight = self.in_proj.weight
        states = values[:, :, None] * weight[:, 0] + self.places @ weight[:, 1:].T + self.in_proj.bias + self.phase
        for dilation, waves in zip(DILATIONS, self.which, strict=True):
            gain, shift = self.scale(waves).chunk(2, dim=-1)
            states = self.block(states * (1 + gain) + shift, dilation)
        return self.norm(states)


def _places(length: int) -> torch.Tensor:
    """[2048, 6]: whether a step is observed, and how long ago it is, in five ways."""
    ago = (torch.arange(WINDOW) - (WINDOW - 1.0)) / WINDOW
    logarithm = -torch.log1p(-ago) / math.log(2.0)
    observed = (torch.arange(WINDOW) >= WINDOW - length).float()
    return torch.stack([observed, ago, logarithm, *(torch.exp(rate * ago) for rate in (0.5, 2.0, 8.0))], dim=1)


def _waves(dilation: int) -> torch.Tensor:
    """[8]: sines, then cosines, of a dilation's place among the powers of two."""
    angles = math.pi * math.log2(dilation) / 2.0 ** torch.arange(FREQUENCIES)
    return torch.cat([angles.sin(), angles.cos()])


def renamed(stored: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of the file that the encoder has, under its names."""
    ours = {"periodic.proj.bias": "phase", "scale.to_gb.weight": "scale.weight", "scale.to_gb.bias": "scale.bias"}
    core = {name.removeprefix("core."): tensor for name, tensor in stored.items() if name.startswith("core.")}
    return {ours.get(name, name): tensor for name, tensor in core.items() if name != "periodic.proj.weight"}
