"""SHA-256 of a model's tensors, to tell whether they changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

from tlzoo.io.cores import available_cores

_THREADS = 4  # hashing releases the interpreter's lock


def named_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name; one that is shared under each of its names."""
    return {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }


def tensor_digests(tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """SHA-256 of dtype, shape and values by name; a tensor under several names is read once."""
    distinct = {id(tensor): tensor for tensor in tensors.values()}
    with ThreadPoolExecutor(min(_THREADS, available_cores())) as pool:
        found = dict(zip(distinct, pool.map(_digest, distinct.values()), strict=True))
    return {name: found[id(tensor)] for name, tensor in tensors.items()}


def _digest(tensor: torch.Tensor) -> str:
    values = tensor.detach().cpu().contiguous()
    fingerprint = hashlib.sha256(f"{values.dtype} {tuple(values.shape)} ".encode())
    fingerprint.update(values.reshape(-1).view(torch.uint8).numpy().data)
    return fingerprint.hexdigest()
