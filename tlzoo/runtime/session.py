"""ONNX Runtime sessions: on the providers that were asked for, or an error."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort

from tlzoo.errors import UsageError
from tlzoo.io.cores import available_cores, is_limited

CPU = "CPUExecutionProvider"
PACKAGES = {
    "CUDAExecutionProvider": "onnxruntime-gpu",
    "TensorrtExecutionProvider": "onnxruntime-gpu",
    "NvTensorRTRTXExecutionProvider": "onnxruntime-trt-rtx",
    "DmlExecutionProvider": "onnxruntime-directml",
    "OpenVINOExecutionProvider": "onnxruntime-openvino",
    "MIGraphXExecutionProvider": "onnxruntime-rocm",
    "ROCMExecutionProvider": "onnxruntime-rocm",
    "QNNExecutionProvider": "onnxruntime-qnn",
    "CoreMLExecutionProvider": "onnxruntime",
}
"""What to install where ONNX Runtime lacks a provider (CoreML comes with macOS's plain package)."""


def open_session(
    model: bytes,
    threads: int | None = None,
    providers: Sequence[str] | None = None,
    *,
    entries: Mapping[str, str] | None = None,
) -> ort.InferenceSession:
    """An ONNX Runtime session from bytes alone: a model whose weights lie in other files is refused.

    `providers` are named as ONNX Runtime does or in short (`cuda`), the first that can run a node gets it; without any
    it is the CPU. Raises UsageError for one that is not there, or that ONNX Runtime gives up. `threads` share one
    operation. `entries` are further settings of ONNX Runtime's, such as those of tlzoo.runtime.limits.
    """
    names = provider_names(providers)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # For a model in memory ONNX Runtime looks for such files in the working directory; below a device there are none.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    for key, value in (entries or {}).items():
        options.add_session_config_entry(key, value)
    if threads is None and is_limited():
        threads = available_cores()  # ONNX Runtime counts those of the machine
    if threads is not None:
        options.intra_op_num_threads = threads
    if names == (CPU,):  # nothing to fall back to, which would print, nor to warn of: in threads filters stay alone
        session = ort.InferenceSession(model, options, providers=list(names), enable_fallback=0)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what they say, the check below says with an error
            session = ort.InferenceSession(model, options, providers=list(names), enable_fallback=1)
    session.disable_fallback()  # else a failing run would silently continue on the CPU
    if unavailable := [name for name in names if name not in session.get_providers()]:
        raise UsageError(
            f"ONNX Runtime could not start {unavailable[0]} and fell back to {', '.join(session.get_providers())}.",
            hint="Install what the provider needs (for CUDA: its libraries and cuDNN), or use the provider cpu.",
            parameter="providers",
        )
    return session


def provider_names(providers: Sequence[str] | None) -> tuple[str, ...]:
    """The full names of providers such as `cuda`, the CPU for none; raises UsageError for one that is not there."""
    available: list[str] = ort.get_available_providers()
    if providers is None:
        return (CPU,)
    if isinstance(providers, str):
        providers = [providers]
    if not isinstance(providers, Iterable) or not all(isinstance(name, str) for name in providers):
        raise UsageError(
            f"`providers` cannot be {providers!r}.", hint="Give names such as 'cpu'.", parameter="providers"
        )
    if not len(providers):
        return (CPU,)
    full = {name.lower(): name for name in (*PACKAGES, *available)}
    short = {name.removesuffix("executionprovider"): given for name, given in full.items()}
    names = tuple(full.get(name.lower()) or short.get(name.lower()) or name for name in providers)
    for name in names:
        if name not in available:
            install = f"Install it: pip install {PACKAGES[name]}. " if name in PACKAGES else ""
            raise UsageError(
                f"ONNX Runtime has no execution provider {name!r} here.",
                hint=f"{install}Providers here: {', '.join(available)}.",
                parameter="providers",
            )
    return names


def run_session(
    session: ort.InferenceSession, arrays: dict[str, np.ndarray], names: Sequence[str] | None = None
) -> list[np.ndarray]:
    """The outputs of these names, by default the first, for these inputs; inputs that the graph lacks are left out."""
    input_names = {given.name for given in session.get_inputs()}
    chosen = [session.get_outputs()[0].name] if names is None else list(names)
    outputs: Sequence[Any] = session.run(chosen, {name: array for name, array in arrays.items() if name in input_names})
    return [np.asarray(output) for output in outputs]
