"""Build networks on torch's meta device, without memory for weights: to count the parameters of a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook

MOST_MODULES = 20_000
"""Networks of a thousand layers have fewer; a configuration may ask for a thousand million."""


@contextmanager
def meta_device() -> Iterator[None]:
    """Build networks in the block on torch's meta device, which allocates no weights.

    Raises ValueError where one has more than 20,000 modules.
    """
    left = MOST_MODULES

    def count(parent: nn.Module, name: str, child: nn.Module) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError(f"the network has more than {MOST_MODULES:,} modules.")

    hook = register_module_module_registration_hook(count)
    try:
        with torch.device("meta"):
            yield
    finally:
        hook.remove()
