"""Nothing that tlzoo uses reports what its users do.

ONNX Runtime's wheels look a host of their maker's up some seconds after a model was loaded and keep an identifier of
the device in the user's cache, unless the environment says otherwise before it is imported; its own function
`disable_telemetry_events` does not stop that. The Hugging Face hub counts what its library is used by.
"""

from __future__ import annotations

import os
import sys
import warnings

VARIABLES = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def switch_off() -> None:
    """Set the environment for this process and its children, unless the user has set it; warn where it is too late."""
    if "onnxruntime" in sys.modules and "ORT_DISABLE_TELEMETRY" not in os.environ:
        warnings.warn(
            "onnxruntime was imported before tlzoo and may report its use to its maker. Import tlzoo first, or set "
            "ORT_DISABLE_TELEMETRY=1 before Python starts.",
            RuntimeWarning,
            stacklevel=2,
        )
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
