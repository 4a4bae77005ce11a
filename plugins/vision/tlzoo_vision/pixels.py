"""The module around a vision model of transformers, and its stages."""

from __future__ import annotations

import math

import torch
from torch import nn

from tlzoo.plugin import Stage
from tlzoo_vision.network import NormalisedNetwork


class TransformersNetwork(NormalisedNetwork):
    """uint8 [N, H, W, 3] to one vector [N, D], or for `map` to the last features [N, C, H, W]."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.pixels(image)
        given = self.net(pixel_values=x)
        features: torch.Tensor = given.last_hidden_state
        if self.output == "map":
            return features if features.ndim == 4 else _as_map(features, x.shape[2] / x.shape[3])
        pooled: torch.Tensor | None = getattr(given, "pooler_output", None)
        if pooled is not None and pooled.shape[2:].numel() == 1:
            return pooled.flatten(1)
        if features.ndim == 4:
            return features.mean(dim=(2, 3))
        return features[:, 0] if _grid(features.shape[1], x.shape[2] / x.shape[3])[2] else features.mean(dim=1)


def _as_map(tokens: torch.Tensor, ratio: float) -> torch.Tensor:
    """[N, T, D] to [N, D, H, W]: the tokens after those that stand for no place; `ratio` is height / width."""
    height, width, before = _grid(tokens.shape[1], ratio)
    return tokens[:, before:].transpose(1, 2).unflatten(2, (height, width))


def _grid(tokens: int, ratio: float) -> tuple[int, int, int]:
    """Height and width of the largest grid of this ratio, and how many tokens (class, registers) are before it."""
    for before in range(min(tokens, 17)):
        height = round(math.sqrt((tokens - before) * ratio))
        width = (tokens - before) // max(1, height)
        if height * width == tokens - before and height == round(width * ratio):
            return height, width, before
    raise ValueError(f"{tokens} tokens are no grid")


def layer_stages(module: nn.Module, prefix: str) -> tuple[Stage, ...]:
    """The stages of `module`'s child `prefix`: what is before the layers, each layer, what is after them.

    The layers are the first list of modules; lists of one length beside it go along with it (a patch embedding per
    stage, in PVT and PoolFormer). Each parameter and buffer of `module` is in exactly one stage.
    """
    net = module.get_submodule(prefix)
    path, layers = next((name, part) for name, part in net.named_modules() if isinstance(part, nn.ModuleList) and part)
    parent, _, leaf = path.rpartition(".")
    beside = [
        f"{parent}.{name}".lstrip(".")
        for name, part in net.get_submodule(parent).named_children()
        if isinstance(part, nn.ModuleList) and len(part) == len(layers)
    ]
    stem, head = _around(net, set(beside), "")
    groups = {
        "stem": stem,
        **{f"{leaf}.{i}": [f"{name}.{i}" for name in beside] for i in range(len(layers))},
        "head": head,
    }
    own = [name for name, _ in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))]
    stages = [(name, [f"{prefix}.{part}" for part in parts] + own * (name == "stem")) for name, parts in groups.items()]
    return tuple(Stage(name, tuple(prefixes)) for name, prefixes in stages if prefixes)


def _around(net: nn.Module, lists: set[str], at: str) -> tuple[list[str], list[str]]:
    """What holds weights before these lists of layers, in the order that they were made, and what after them."""
    before = [at + name for name, _ in (*net.named_parameters(recurse=False), *net.named_buffers(recurse=False))]
    after: list[str] = []
    seen = False
    for name, child in net.named_children():
        path = at + name
        if path in lists:
            seen = True
        elif any(listed.startswith(path + ".") for listed in lists):
            inner_before, inner_after = _around(child, lists, path + ".")
            before += inner_before
            after += inner_after
            seen = True
        elif any(True for _ in (*child.parameters(), *child.buffers())):
            (after if seen else before).append(path)
    return before, after
