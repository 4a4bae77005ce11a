"""Torch beside an exported file: the same model, arrays and threads, eager and compiled."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tlzoo.allocator import raise_malloc_thresholds
from tlzoo.errors import UsageError, first_line
from tlzoo.models.model import TaskModel, as_tuple
from tlzoo.progress import say
from tlzoo.runs.run import RunFolder
from tlzoo.runtime.bench import Call


def torch_calls(
    run: str | Path | RunFolder, *, checkpoint: str, labels: Sequence[str], fingerprint: str, device: str = "cpu"
) -> Callable[[dict[str, np.ndarray], int], Mapping[str, Call | str]]:
    """The run in torch: for arrays and a thread count, `torch eager` and `torch compiled`.

    Arrays come from and go to the CPU's memory, as the exported file's do. glibc is told to keep big blocks, which
    helps torch more than ONNX Runtime. A model that cannot be compiled (that takes a C++ compiler) is a reason instead
    of a call. Raises RunError where there is no run, UsageError where it is not the one that the file of this
    checkpoint, these labels and this data was exported from, or the device is not there.
    """
    run = RunFolder.of(run)
    if (run.checkpoint.id, run.task.labels, run.data.fingerprint) != (checkpoint, tuple(labels), fingerprint):
        raise UsageError(
            f"{run.path} is not the run that the file was exported from ({checkpoint}, {len(labels)} labels).",
            hint="Pass that run.",
            parameter="run",
        )
    if device != "cpu" and not torch.cuda.is_available():
        raise UsageError(
            f"torch does not support {device} here.",
            hint="Leave `run` out, or install a torch build for it.",
            parameter="run",
        )
    raise_malloc_thresholds()
    model = run.model().to(device)

    def calls(arrays: dict[str, np.ndarray], threads: int) -> dict[str, Call | str]:
        torch.set_num_threads(threads)
        given = [arrays[name] for name in model.parts.example_inputs]
        return {"torch eager": _call(model, given, device), "torch compiled": _compiled(model, given, device)}

    return calls


def _call(model: Callable[..., Any], arrays: Sequence[np.ndarray], device: str) -> Call:
    def call() -> object:
        with torch.no_grad():
            made = model(*(torch.from_numpy(array).to(device) for array in arrays))
            return [output.cpu() for output in as_tuple(made)]

    return call


def _compiled(model: TaskModel, arrays: Sequence[np.ndarray], device: str) -> Call | str:
    """A call of the model compiled for these very shapes, or the first line of why it could not be."""
    say(f"Compiling with torch.compile for {', '.join('x'.join(map(str, array.shape)) for array in arrays)}")
    torch._dynamo.reset()
    logging.getLogger("torch").setLevel(logging.CRITICAL)
    call = _call(torch.compile(model, dynamic=False), arrays, device)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except Exception as cause:  # noqa: BLE001 - compilers fail in calls of their own, and the other rows are still due
        return f"not compiled: {first_line(cause)}"
    return call
