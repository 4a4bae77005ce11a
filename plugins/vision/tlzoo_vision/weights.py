"""Read weight files and put them into timm's models, checking every name and shape."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Set
from typing import TYPE_CHECKING

import torch
from torch import nn

import tlzoo
from tlzoo.errors import PluginError, SourceError

if TYPE_CHECKING:
    from tlzoo.plugin import Checkpoint, Weights

ORDERED = "ordered-state-dict"
State = dict[str, torch.Tensor]
# Heads that only help training, which timm leaves out of the models it builds.
_AUXILIARY = ("AuxLogits.",)
# What timm's model files call the function that makes any published state dict of theirs the model's own.
_CONVERSIONS = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained")


def read_state(checkpoint: Checkpoint, weights: Weights) -> State:
    """The tensors of the one weight file; raises PluginError where there is none, and as `tlzoo.read_state`."""
    suffixes = (".safetensors", ".pth", ".pt", ".bin")
    found = sorted(name for name in weights.files if name.endswith(suffixes))
    if len(found) != 1:
        raise PluginError(
            f"Entry {checkpoint.id!r} has {len(found)} weight files, not one: {', '.join(sorted(weights.files))}.",
            hint=f"Name exactly one file ending in {', '.join(suffixes)}.",
        )
    return tlzoo.read_state(checkpoint, weights, found[0])


def in_order(checkpoint: Checkpoint, state: State, full: State) -> State:
    """Rename `state` to the names of `full`, the whole model with its classifier, tensor by tensor in order."""
    for (theirs, tensor), (ours, wanted) in zip(state.items(), full.items(), strict=False):
        same_kind = theirs.rpartition(".")[2] == ours.rpartition(".")[2]
        if tensor.shape != wanted.shape or not same_kind:
            raise _mismatch(
                checkpoint, f"{theirs!r} {list(tensor.shape)} was found where {ours!r} {list(wanted.shape)} is expected"
            )
    if len(state) != len(full):
        raise _mismatch(checkpoint, f"{len(state)} tensors where {len(full)} are expected")
    return dict(zip(full, state.values(), strict=True))


def load_state(checkpoint: Checkpoint, net: nn.Module, state: State, whole: Set[str]) -> None:
    """Load by name, strictly but for the counters of batch norm and the head.

    `whole` names the tensors of the network with its head, of which a network without one leaves over its own: often
    more than the last layer, as a norm before it or a hidden layer.
    """
    expected = net.state_dict()
    state = _converted(net, state)
    head = whole - expected.keys()
    beside = _AUXILIARY + (_classifier_prefixes(net) if whole else ())
    given = {name: tensor for name, tensor in state.items() if name not in head and not _beside(name, beside, expected)}
    for name, tensor in given.items():
        if name not in expected:
            raise _mismatch(checkpoint, f"{name!r} is not in the model")
        if tensor.shape != expected[name].shape:
            raise _mismatch(checkpoint, f"{name!r} is {list(tensor.shape)}, not {list(expected[name].shape)}")
    for name in expected:
        if name not in given and not name.endswith("num_batches_tracked"):
            raise _mismatch(checkpoint, f"{name!r} is missing")
    net.load_state_dict(given, strict=False)


def _beside(name: str, prefixes: tuple[str, ...], expected: State) -> bool:
    return name not in expected and name.startswith(prefixes)


def _converted(net: nn.Module, state: State) -> State:
    """What timm itself does on loading: older names to its own, position embeddings to another picture size."""
    home = sys.modules[type(net).__module__]
    convert = next((getattr(home, name) for name in _CONVERSIONS if hasattr(home, name)), None)
    if convert is None:
        return state
    takes_model = "model" in inspect.signature(convert).parameters
    return dict(convert(dict(state), net) if takes_model else convert(dict(state)))


def _classifier_prefixes(net: nn.Module) -> tuple[str, ...]:
    names = net.default_cfg.get("classifier") or ()
    return tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names))


def _mismatch(checkpoint: Checkpoint, what: str) -> SourceError:
    return SourceError(
        f"The weights of {checkpoint.id!r} do not fit timm's {checkpoint.architecture!r}: {what}.",
        hint="Check the entry's `architecture` and `config`.",
    )
