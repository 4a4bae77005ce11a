"""The transfer engine: freeze, compute what is frozen once, train the rest. Torch lives here."""

from __future__ import annotations

from importlib.util import find_spec

from tlzoo.errors import PluginError

_MISSING = [name for name in ("torch", "onnx", "onnxscript", "safetensors") if find_spec(name) is None]
if _MISSING:
    raise PluginError(
        f"Training needs {' and '.join(_MISSING)}, which the core alone does not bring.",
        hint="Install them: tlzoo plugins install 'tlzoo[train]' (tlzoo-vision, tlzoo-nlp and tlzoo-speech bring them)",
    )
