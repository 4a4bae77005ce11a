"""Check that frozen tensors did not change: hashes before training, compared after it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from tlzoo.errors import TrainingError
from tlzoo.interfaces import Freeze
from tlzoo.models.digests import named_tensors, tensor_digests
from tlzoo.models.model import TaskModel


@dataclass(frozen=True)
class FrozenCheck:
    """What was found bit-identical: the number of tensors (with buffers), and of scalars in parameters.

    `digest` is one SHA-256 over all of them; a tensor under two names counts as two tensors, its scalars once.
    """

    tensors: int
    parameters: int
    digest: str
    identical: bool = True


def hash_frozen(model: TaskModel, frozen: Freeze) -> dict[str, str]:
    """SHA-256 of dtype, shape and values of every frozen parameter, and of every buffer inside a frozen module.

    Names are those of `model.named_parameters()`, of a shared tensor all of its names.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    training = {id(parameters[name]) for name in frozen.trainable}
    still = {name: tensor for name, tensor in parameters.items() if id(tensor) not in training}
    buffers = dict(model.named_buffers(remove_duplicate=False))
    return tensor_digests(
        still | {name: buffer for name, buffer in buffers.items() if _inside(name, frozen.eval_modules)}
    )


def check_frozen(before: Mapping[str, str], model: TaskModel) -> FrozenCheck:
    """Check that every tensor in `before` is bit-identical in `model`; call before adapters are merged.

    Raises TrainingError naming the first tensor that changed or disappeared.
    """
    tensors = named_tensors(model)
    after = tensor_digests({name: tensors[name] for name in before if name in tensors})
    for name, digest in before.items():
        if after.get(name) != digest:
            raise TrainingError(
                f"The frozen tensor {name!r} {'changed' if name in after else 'disappeared'} during training.",
                hint=f"Report it to the author of the plugin {model.checkpoint.plugin!r}.",
            )
    whole = hashlib.sha256("".join(f"{name} {before[name]}\n" for name in sorted(before)).encode())
    scalars = {id(p): p.numel() for name, p in model.named_parameters(remove_duplicate=False) if name in before}
    return FrozenCheck(len(before), sum(scalars.values()), whole.hexdigest())


def _inside(name: str, modules: frozenset[str]) -> bool:
    """Whether the buffer of this name is in one of the modules, at any depth."""
    parts = name.split(".")[:-1]
    return any(".".join(parts[:depth]) in modules for depth in range(len(parts) + 1))
