"""How large the tensors of a pickled state dict are, opened by torch's weights_only reader and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tlzoo.errors import SourceError


def pickled_elements(path: Path) -> dict[str, int]:
    """The numbers of elements of a state dict's floating-point tensors, by name; nothing in the file is executed.

    A dict that holds the state dict under one key, such as `state_dict` or `model`, is looked into. Raises SourceError.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as cause:  # whatever torch's unpickler, zip and storage readers raise
        reason = str(cause).split("\n")[0][:200]
        raise SourceError(
            f"{path} cannot be read by torch's weights_only reader: {reason}",
            hint="Save it as safetensors, or give `parameters`.",
            parameter="parameters",
        ) from cause
    elements = _elements(content)
    for value in content.values() if isinstance(content, dict) and not elements else ():
        elements = elements or _elements(value)
    return elements


def _elements(content: Any) -> dict[str, int]:
    tensors = content.items() if isinstance(content, dict) else ()
    return {
        name: tensor.numel()
        for name, tensor in tensors
        if isinstance(name, str) and isinstance(tensor, torch.Tensor) and tensor.is_floating_point()
    }
