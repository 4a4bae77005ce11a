"""Optional dependencies that are not installed."""

from __future__ import annotations

from importlib.util import find_spec

from tlzoo.errors import PluginError

TRAINING = ("torch", "onnx", "onnxscript", "safetensors")


def require_training() -> None:
    """Raise PluginError naming the packages of the extra `train` that are not installed."""
    if missing := [name for name in TRAINING if find_spec(name) is None]:
        raise _missing_extra_error(missing)


def missing_extra(cause: BaseException) -> PluginError | None:
    """The error of `require_training` for an import that failed for want of the extra; `None` for anything else."""
    missing = [name for name in TRAINING if find_spec(name) is None]
    failed = isinstance(cause, ModuleNotFoundError) and (cause.name or "").partition(".")[0] in missing
    return _missing_extra_error(missing) if failed else None


def _missing_extra_error(missing: list[str]) -> PluginError:
    return PluginError(
        f"Training needs {' and '.join(missing)}, which are not installed.",
        hint="Install them: tlzoo plugins install 'tlzoo[train]' (the plugins vision, nlp and speech include them)",
    )
