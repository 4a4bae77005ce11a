"""A network's stages from input to output, from timm's own grouping of parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from torch import nn

from tlzoo.plugin import Stage


def stages(module: nn.Module, net: nn.Module, prefix: str) -> tuple[Stage, ...]:
    """The stages of `net`, which is `module`'s child `prefix`, covering each parameter and buffer of `module` once.

    The first is called `stem`, the others by the block they begin with; where several modules follow the last block,
    they are `head`.
    """
    from timm.models._manipulate import group_parameters

    groups = [list(names) for _, names in sorted(group_parameters(net, _matcher(net)).items())]
    if len(groups) > 1:
        groups = [*groups[:-1], *_without_tail(groups[-1])]
    owner = {name: number for number, names in enumerate(groups) for name in names}
    owned: list[list[str]] = [[] for _ in groups]
    for name, number in _covering(net, owner):
        owned[number].append(name)
    names = ["stem", *(names[0] for names in owned[1:])]
    if len(groups) > 1 and len(_tops(owned[-1])) > 1:
        names[-1] = "head"
    direct = [name for name, _ in _own(module)]
    return tuple(
        Stage(name, tuple(f"{prefix}.{path}" for path in paths) + (tuple(direct) if number == 0 else ()))
        for number, (name, paths) in enumerate(zip(names, owned, strict=True))
    )


def _matcher(net: nn.Module) -> Any:
    """timm's grouping, from input to output; of a network that has none, its modules one by one, and those in a row."""
    if hasattr(net, "group_matcher"):
        try:
            return net.group_matcher(coarse=True)
        except AssertionError:  # RDNet has the finer one alone
            return net.group_matcher(coarse=False)
    places = [path for name, child in net.named_children() for path in _row(name, child)]

    def place(name: str) -> int:
        return next((at for at, path in enumerate(places) if name.startswith(f"{path}.")), 0)

    return place


def _row(name: str, module: nn.Module) -> list[str]:
    """The blocks of a sequence of blocks; else the module itself."""
    blocks = isinstance(module, nn.Sequential) and all(any(True for _ in part.children()) for part in module)
    return [f"{name}.{part}" for part, _ in module.named_children()] if blocks else [name]


def _without_tail(names: list[str]) -> list[list[str]]:
    """The last group cut in two: its block, and what stands outside of that (a final norm, a last convolution)."""
    first = names[0].partition(".")[0]
    block = [name for name in names if name.partition(".")[0] == first]
    tail = [name for name in names if name.partition(".")[0] != first]
    return [block, tail] if tail else [block]


def _tops(names: list[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def _own(module: nn.Module) -> list[tuple[str, object]]:
    return [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]


def _covering(net: nn.Module, owner: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The fewest names that hold everything, each with its stage; buffers alone go with what stands before them."""
    last = 0

    def descend(module: nn.Module, path: str) -> Iterator[tuple[str, int]]:
        nonlocal last
        inside = {number for name, number in owner.items() if name.startswith(path)}
        if path and len(inside) <= 1:
            if any(True for _ in chain(module.parameters(), module.buffers())):
                last = inside.pop() if inside else last
                yield path.removesuffix("."), last
            return
        for name, _ in _own(module):
            yield path + name, owner.get(path + name, last)
        for name, child in module.named_children():
            yield from descend(child, f"{path}{name}.")

    return descend(net, "")
