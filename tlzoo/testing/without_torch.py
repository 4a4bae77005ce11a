"""Run parts of a check in a separate process, where heavy libraries cannot be imported."""

from __future__ import annotations

import hashlib
import importlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tlzoo.plugins.authoring import child

if TYPE_CHECKING:
    import numpy as np

LIMIT = 300.0
"""Seconds after which a process is ended."""


def run_without_torch(function: Callable[..., None], cache: str, **given: Any) -> dict[str, Any]:
    """Call one of the functions below in a process where nothing heavy can be imported.

    What it tells, with `imported`, the heavy libraries that it tried to import, and `error` where it failed.
    """
    name, environment = f"{function.__module__}:{function.__name__}", {"TLZOO_CACHE": cache, "TLZOO_OFFLINE": "1"}
    answer: dict[str, Any] = {}
    for document in child.run_in_child(name, LIMIT, environment, block=child.HEAVY_LIBRARIES, **given):
        if "fault" in document:
            document = {"imported": document["imported"] or []} | (
                {"error": document["fault"]} if document["fault"] else {}
            )
        answer |= document
    return answer


def import_module(send: child.Send, module: str) -> None:
    """Import the plugin `module` (`package.module` or `package.module:object`); the seconds that took."""
    began = time.perf_counter()
    importlib.import_module(module.partition(":")[0])
    send({"seconds": time.perf_counter() - began})


def prepare(send: child.Send, spec: dict[str, Any], inputs: Sequence[Any]) -> None:
    """What the runtime makes of raw inputs: of each array its dtype, shape and sha256."""
    from pydantic import TypeAdapter

    from tlzoo import plugins
    from tlzoo.preprocess import make_preprocessor
    from tlzoo.specs import PluginSpec, Preprocess

    known: Preprocess = TypeAdapter(Preprocess).validate_python(spec)
    maker: Callable[..., Any] = make_preprocessor
    if isinstance(known, PluginSpec):
        made: Any = plugins.call("make_preprocessor", known.plugin, object, maker, spec=known)
    else:
        made = maker(known)
    send(digests(made(_tuples(inputs))))


def predict(send: child.Send, path: str, inputs: Sequence[Any]) -> None:
    """The labels, or values, that an exported file gives."""
    from tlzoo.runtime import load

    send({"answers": [comparable(answer) for answer in load(path).predict(_tuples(inputs))]})


def _tuples(inputs: Sequence[Any]) -> list[Any]:
    """JSON has no tuples, which a sample of several inputs is."""
    return [tuple(each) if isinstance(each, list) else each for each in inputs]


def comparable(answer: Any) -> Any:
    """What a prediction says: its fields, numbers to four digits, and to the fourth place."""
    return _rounded(answer.as_row())


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(float(f"{value:.4g}"), 4)
    if isinstance(value, dict):
        return {str(name): _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value


def digests(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Of each array its dtype, shape and sha256."""
    return {
        name: [str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
        for name, array in arrays.items()
    }
