"""Devices, mixed precision, and out-of-memory errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tlzoo.errors import TrainingError, UsageError
from tlzoo.options import GradientDescent, StrategyOptions

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def select_device(name: str) -> torch.device:
    """The device of this name; `auto` is the first CUDA device, else the CPU. Raises UsageError for one not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda") or (device.type == "cuda" and not torch.cuda.is_available()):
        raise UsageError(
            f"Device {name!r} is not available.", hint="Use `device='cpu'` or `device='auto'`.", parameter="device"
        )
    return device


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """The dtype of autocast on this device, or `None` for float32.

    Raises UsageError for float16 on a CPU, whose gradients would vanish unscaled.
    """
    if precision == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else None
    if precision == "fp16" and device.type == "cpu":
        raise UsageError(
            "fp16 cannot be used for training on a CPU.", hint="Use `precision='bf16'` or fp32.", parameter="precision"
        )
    return _DTYPES.get(precision)


def check_device(options: StrategyOptions) -> None:
    """Raise UsageError for a device that is not there, or a precision that it cannot train in."""
    device = select_device(options.device)
    if isinstance(options, GradientDescent):
        autocast_dtype(options.precision, device)


def grad_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """What keeps float16 gradients from vanishing (Micikevicius et al. 2018); does nothing for other precisions."""
    return torch.amp.GradScaler(device.type, enabled=autocast_dtype(precision, device) == torch.float16)


@contextmanager
def catch_out_of_memory(batch: int) -> Iterator[None]:
    """Turn an out-of-memory error into a TrainingError."""
    try:
        yield
    except (MemoryError, RuntimeError) as cause:
        words = str(cause)
        if not isinstance(cause, MemoryError | torch.OutOfMemoryError) and "allocate memory" not in words:
            raise
        raise TrainingError(
            f"A batch of {batch} samples does not fit into memory.",
            hint=f"Use half the batch and two batches per step: `batch={max(2, batch // 2)}` `accumulate=2`.",
            parameter="batch",
        ) from cause
