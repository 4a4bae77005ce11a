"""The modules around vision networks: pictures in, arithmetic inside, a vector, a map or logits out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class NormalisedNetwork(nn.Module):
    """A network, and the arithmetic in front of it."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, net: nn.Module, mean: Sequence[float], std: Sequence[float], output: str) -> None:
        super().__init__()
        self.net = net
        self.output = output
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def pixels(self, image: torch.Tensor) -> torch.Tensor:
        """uint8 [N, H, W, 3] to what the network was trained on, [N, 3, H, W]."""
        return ((image.to(self.mean.dtype) / 255 - self.mean) / self.std).permute(0, 3, 1, 2)


class TimmNetwork(NormalisedNetwork):
    """uint8 [N, H, W, 3] to the output of timm's model [N, D], or for `map` to its last feature map [N, C, H, W]."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.pixels(image)
        return self.net(x) if self.output != "map" else self._map(x)

    def _map(self, x: torch.Tensor) -> torch.Tensor:
        features = self.net.forward_features(x)
        if features.ndim == 3:
            height, width = self.net.patch_embed.grid_size
            patches = features[:, getattr(self.net, "num_prefix_tokens", 0) :]
            return patches.transpose(1, 2).unflatten(2, (height, width))
        return features.permute(0, 3, 1, 2) if getattr(self.net, "output_fmt", "NCHW") == "NHWC" else features
