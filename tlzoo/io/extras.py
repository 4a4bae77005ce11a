"""What an installation of the core alone lacks."""

from __future__ import annotations

from importlib.util import find_spec

from tlzoo.errors import PluginError

TRAINING = ("torch", "onnx", "onnxscript", "safetensors")


def require_training() -> None:
    """Raise PluginError naming what the extra `train` would bring and is not installed."""
    missing = [name for name in TRAINING if find_spec(name) is None]
    if missing:
        raise PluginError(
            f"Training needs {' and '.join(missing)}, which the core alone does not bring.",
            hint="Install them: tlzoo plugins install 'tlzoo[train]' "
            "(tlzoo-vision, tlzoo-nlp and tlzoo-speech bring them)",
        )
