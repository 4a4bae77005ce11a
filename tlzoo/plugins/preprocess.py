"""What makes a graph's inputs: the core's preprocessing, or that of the plugin which the file names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tlzoo.errors import HookError, TlzooError
from tlzoo.preprocess import Preprocessor, contexts_of, make_preprocessor
from tlzoo.specs import ImageSpec, PluginSpec, Preprocess


def preprocessor_of(spec: Preprocess, raw_input: bool = False) -> Preprocessor:
    """What makes the inputs of a graph, which may resize itself; raises PluginError where its plugin is missing."""
    if isinstance(spec, PluginSpec):
        return plugins_own(spec)
    if raw_input and isinstance(spec, ImageSpec):
        from tlzoo.preprocess.raw import RawPictures

        return RawPictures(spec)
    return make_preprocessor(spec)


def plugins_own(spec: PluginSpec) -> Preprocessor:
    """Ask the plugin that the specification names; nothing else of it is used, and no torch.

    Raises PluginError where it is missing or broken, HookError where its hook does not answer with a callable; what is
    returned raises HookError where the callable raises anything but a TlzooError, or makes no arrays of N rows.
    """
    from tlzoo.plugins.discovery import find
    from tlzoo.plugins.manager import call

    made: Any = call("make_preprocessor", spec.plugin, object, spec=spec)
    whose = f"The preprocessing of plugin {spec.plugin!r} ({find(spec.plugin)})"
    if not callable(made):
        raise HookError(f"{whose} is {type(made).__name__}, which cannot be called.", hint="Ask its author.")
    return PluginsOwn(made, whose)


class PluginsOwn:
    """A plugin's preprocessor, whose errors and answers are told to be its own."""

    def __init__(self, made: Preprocessor, whose: str) -> None:
        self._made, self._whose = made, whose

    def __call__(self, inputs: Sequence[Any]) -> dict[str, np.ndarray]:
        """The arrays of N inputs."""
        arrays = self._asked(lambda: self._made(inputs))
        if not isinstance(arrays, dict) or not all(_has_rows(array, len(inputs)) for array in arrays.values()):
            raise HookError(f"{self._whose} made no arrays of {len(inputs)} rows.", hint="Ask its author.")
        return arrays

    def contexts(self, inputs: Sequence[Any]) -> list[Any]:
        """What it knows of each input, for tasks that ask."""
        found: list[Any] = self._asked(lambda: contexts_of(self._made, inputs))
        if len(found) != len(inputs):
            raise HookError(f"{self._whose} knows {len(found)} of {len(inputs)} inputs.", hint="Ask its author.")
        return found

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except TlzooError:
            raise
        except Exception as cause:
            raise HookError(
                f"{self._whose} failed: {type(cause).__name__}: {cause}", hint="See the whole trace with --debug."
            ) from cause


def _has_rows(array: Any, count: int) -> bool:
    return isinstance(array, np.ndarray) and array.ndim > 0 and len(array) == count
