"""What makes a graph's inputs: the core's preprocessing, or that of the plugin which the file names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tlzoo.errors import HookError
from tlzoo.io.entry_points import describe_plugin
from tlzoo.plugins.containment import contain
from tlzoo.preprocess import Preprocessor, longer_in, make_preprocessor, with_contexts
from tlzoo.preprocess.prepared import Limit
from tlzoo.registry.schema import Checkpoint
from tlzoo.specs import ImageSpec, PluginSpec, Preprocess

_TITLE = "The preprocessing"


def preprocessor_of(spec: Preprocess, raw_input: bool = False) -> Preprocessor:
    """What makes the inputs of a graph, which may resize itself; raises PluginError where its plugin is missing."""
    if isinstance(spec, PluginSpec):
        return plugin_preprocessor(spec)
    if raw_input and isinstance(spec, ImageSpec):
        from tlzoo.preprocess.raw import RawImages

        return RawImages(spec)
    return make_preprocessor(spec)


def checkpoint_preprocessor(checkpoint: Checkpoint, spec: Preprocess) -> Preprocessor:
    """The preprocessor of the plugin that the specification names, else the checkpoint's, else the core's."""
    from tlzoo.plugins.manager import call

    if isinstance(spec, PluginSpec):
        return plugin_preprocessor(spec)
    answer: Any = call("make_preprocessor", checkpoint.plugin, object, default=make_preprocessor, spec=spec)
    return answer  # type: ignore[no-any-return]


def plugin_preprocessor(spec: PluginSpec) -> Preprocessor:
    """Ask the plugin that the specification names; nothing else of it is used, and no torch.

    Raises PluginError where it is missing or broken, HookError where its hook does not answer with a callable; what is
    returned raises HookError where the callable raises anything but a TlzooError, or makes no arrays of N rows.
    """
    from tlzoo.plugins.manager import call

    preprocessor: Any = call("make_preprocessor", spec.plugin, object, spec=spec)
    if not callable(preprocessor):
        raise HookError(
            f"The preprocessing of {describe_plugin(spec.plugin)} is {type(preprocessor).__name__}, not a callable.",
            hint="Report it to its author.",
        )
    return PluginPreprocessor(preprocessor, spec.plugin)


def misfit(plugin: str, wrong: str) -> HookError:
    """The error for arrays of a plugin's preprocessing that are not what the model takes."""
    return HookError(
        f"{_TITLE} of {describe_plugin(plugin)} does not fit the model: {wrong}.",
        hint="Install the version that the file was exported with, or export it again.",
    )


class PluginPreprocessor:
    """A plugin's preprocessor, whose errors and results are attributed to the plugin."""

    def __init__(self, preprocessor: Preprocessor, plugin: str) -> None:
        self._preprocessor, self._plugin = preprocessor, plugin

    def __call__(self, inputs: Sequence[Any]) -> dict[str, np.ndarray]:
        """The arrays of N inputs."""
        with contain(_TITLE, self._plugin, alone=False):
            arrays = self._preprocessor(inputs)
        return self._checked(arrays, inputs)

    def with_contexts(self, inputs: Sequence[Any]) -> tuple[dict[str, np.ndarray], list[Any]]:
        """The arrays, and what it knows of each input, for tasks that ask."""
        with contain(_TITLE, self._plugin, alone=False):
            arrays, found = with_contexts(self._preprocessor, inputs)
            known = len(found)
        if known != len(inputs):
            raise self._wrong(f"returned {known} contexts for {len(inputs)} inputs")
        return self._checked(arrays, inputs), found

    @property
    def limit(self) -> Limit | None:
        """How much of an input it reads, where the plugin says so."""
        found = getattr(self._preprocessor, "limit", None)
        if found is None:
            return None
        if isinstance(found, tuple) and tuple(map(type, found)) in ((int, str), (float, str)):
            return Limit(*found)
        raise self._wrong(f"has the `limit` {found!r}, which is no size and unit, such as (64, 'tokens')")

    def _checked(self, arrays: Any, inputs: Sequence[Any]) -> dict[str, np.ndarray]:
        if not isinstance(arrays, dict) or not all(_has_rows(array, len(inputs)) for array in arrays.values()):
            raise self._wrong(f"did not return arrays of {len(inputs)} rows")
        longer = longer_in(arrays)
        if longer is not None and len(longer) != len(inputs):
            raise self._wrong(f"says of {len(longer)} inputs whether they are cut, not of {len(inputs)}")
        return arrays

    def _wrong(self, what: str) -> HookError:
        return HookError(f"{_TITLE} of {describe_plugin(self._plugin)} {what}.", hint="Report it to its author.")


def _has_rows(array: Any, count: int) -> bool:
    return isinstance(array, np.ndarray) and array.ndim > 0 and len(array) == count
