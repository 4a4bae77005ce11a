"""The modules of timm, each by a small model, as the hub repository that timm would write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache, partial
from typing import Any

import timm
from timm.models import get_pretrained_cfg, model_entrypoint
from tlzoo_vision.resolving import resolve_repository

from shared_fixtures.families.verdicts import Family, hub_repository
from tlzoo.errors import RegistryError
from tlzoo.interfaces import Repository
from tlzoo.plugin import meta_device

LEFT_OUT: dict[str, str] = {}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "beit": {"depth": 3},
    "deepseek_vit": {"depth": 3},
    "gemma4_vit": {"depth": 3},
    "qwen3_vit": {"depth": 3},
    "vgg": {"mlp_ratio": 0.125},
    "vision_transformer_sam": {"depth": 3, "global_attn_indexes": (2,)},
}
"""What makes those modules' networks smaller whose smallest is large."""
SIDES = (64, 96, 128, 160, 192, 224, 256, 299, 331)
"""Of the picture, in pixels: the first that a network accepts."""
SMALL = "test atto zepto femto pico nano xxs micro xxt tiny _xs xsmall small mini".split()
"""What timm calls small models, from small to less so."""


@cache
def modules() -> Mapping[str, list[str]]:
    """The models of each of timm's modules."""
    found = defaultdict(list)
    for name in timm.list_models():
        found[model_entrypoint(name).__module__.rpartition(".")[2]].append(name)
    return found


def names() -> list[str]:
    """The modules."""
    return sorted(set(modules()) - set(LEFT_OUT))


def family(module: str, model: str = "") -> Family:
    """A module with this model, or with a small one where it has it not."""
    chosen = model if model in modules()[module] else smallest(modules()[module])
    return Family("vision", module, chosen, partial(_repository, module, chosen))


def smallest(names: list[str]) -> str:
    """The model with the fewest parameters of those whose names say most clearly that they are small."""
    for word in SMALL:
        if named := [name for name in names if word in name]:
            return min(named, key=_parameters)
    return min(names, key=_parameters)


def _parameters(name: str) -> int:
    with meta_device():
        return sum(parameter.numel() for parameter in timm.create_model(name).parameters())


def _repository(module: str, name: str) -> Repository:
    """At the smallest pictures that the network accepts; if there are none, at those it is made for."""
    given = asdict(get_pretrained_cfg(name))
    own = max(given["input_size"][1:])
    for side in (side for side in SIDES if side < own):
        tried = _of_timm(module, name, {**given, "input_size": (3, side, side)})
        try:
            resolve_repository(f"hf/{tried.name}", tried)
        except RegistryError:
            continue
        return tried
    return _of_timm(module, name, given)


def _of_timm(module: str, name: str, given: dict[str, Any]) -> Repository:
    document = {"architecture": name, "num_classes": 10, "pretrained_cfg": given}
    return hub_repository(module, {"config.json": {**document, "model_args": ARGUMENTS.get(module, {})}})
