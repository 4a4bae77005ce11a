"""Random dilated convolutions and what they answer: their maximum and their share of positive values, over time."""

from __future__ import annotations

import torch
from tlzoo.plugin import Stage
from torch import nn
from torch.nn.functional import conv1d

from tlzoo_timeseries.kernels import DILATIONS, LENGTH

SHARPNESS = 8.0
"""The share of positive values is counted by a sigmoid this steep, so that it has a gradient."""


def normalised(series: torch.Tensor) -> torch.Tensor:
    """Series [N, C, T] with mean 0 and standard deviation 1 in each channel; a channel that stands still becomes 0."""
    mean = series.mean(dim=2, keepdim=True)
    moved = series - mean
    spread = moved.square().mean(dim=2, keepdim=True).sqrt()
    return moved / (spread + 1e-5 * mean.abs() + 1e-12)


class Kernels(nn.Module):
    """K convolutions of one dilation over [N, C, T]: `weight` [K, 1, 9] and `bias` [K] are learnt.

    The buffer `channels` [K, C] says which channels a kernel reads and with what sign: squares of a row sum to 1.
    """

    channels: torch.Tensor

    def __init__(self, count: int, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        taps = torch.randn(count, 1, LENGTH)
        self.weight = nn.Parameter(taps - taps.mean(dim=2, keepdim=True))
        self.bias = nn.Parameter(2 * torch.rand(count) - 1)
        self.register_buffer("channels", torch.full((count, channels), channels**-0.5))

    def forward(self, series: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Largest answer [N, K] and share of positive answers [N, K]."""
        weight = self.weight * self.channels[:, :, None]
        margin = self.dilation * (LENGTH // 2)
        answers = conv1d(series, weight, self.bias, padding=margin, dilation=self.dilation)
        return answers.amax(dim=2), torch.sigmoid(SHARPNESS * answers).mean(dim=2)


class Rocket(nn.Module):
    """Series [N, C, T] to features [N, 2K]: all maxima, then all shares, each from the shortest dilation on."""

    def __init__(self, kernels: int, channels: int) -> None:
        super().__init__()
        each = kernels // len(DILATIONS)
        self.scales = nn.ModuleList(Kernels(each, channels, dilation) for dilation in DILATIONS)

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        """[N, C, T] to [N, 2K]."""
        still = normalised(series)
        maxima, shares = zip(*(scale(still) for scale in self.scales), strict=True)
        return torch.cat([*maxima, *shares], dim=1)


def rocket_stages() -> tuple[Stage, ...]:
    """A stage per dilation. They lie side by side; their order is from short patterns to long ones."""
    return tuple(Stage(f"dilation-{dilation}", (f"scales.{i}",)) for i, dilation in enumerate(DILATIONS))


def chosen_channels(drawn: torch.Tensor, channels: int) -> torch.Tensor:
    """Rows of `channels` for so many channels, from the file's [K, 16]; a kernel that would read none reads one."""
    rows = drawn[:, :channels].float()
    silent = (rows == 0).all(dim=1).nonzero()[:, 0]
    rows[silent, silent % channels] = 1.0
    return rows / rows.square().sum(dim=1, keepdim=True).sqrt()
