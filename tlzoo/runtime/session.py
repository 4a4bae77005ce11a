"""ONNX Runtime sessions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort


def open_session(model: bytes, threads: int | None = None) -> ort.InferenceSession:
    """An ONNX Runtime session on the CPU, from bytes alone: a model whose weights lie in other files is refused."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # For a model in memory ONNX Runtime looks for such files in the working directory; below a device there are none.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    if threads is not None:
        options.intra_op_num_threads = threads
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_session(session: ort.InferenceSession, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The first output for these inputs; inputs that the graph does not have are left out."""
    wanted = {given.name for given in session.get_inputs()}
    outputs: Sequence[Any] = session.run(None, {name: array for name, array in arrays.items() if name in wanted})
    return np.asarray(outputs[0])
