"""Checks of what functions are called with: an argument of another type fails here, by its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tlzoo.errors import UsageError

PATHS = {
    "checkpoint": "the id of a checkpoint, such as 'vision/mobilenetv2', or one that tlzoo.get returned",
    "data": "the path of a folder or table",
    "file": "the path of an exported ONNX file",
    "model": "the path of a run or of an exported ONNX file",
    "out": "the path to write to",
    "path": "the path of an exported ONNX file",
    "run": "a run, or its path",
    "sign": "the path of a private key",
    "target": "the path of a folder or table",
    "test": "the path of a folder or table",
}
"""What each argument that names something takes, by its name."""


def check_paths(**given: object) -> None:
    """Raise UsageError for what is neither text nor path, or is empty; None is for an argument that was left out."""
    for name, value in given.items():
        if not isinstance(value, str | os.PathLike) or not str(value):
            raise wrong(name, value, PATHS[name])


def check_switches(**given: object) -> None:
    """Raise UsageError for what is neither True nor False."""
    for name, value in given.items():
        if not isinstance(value, bool):
            raise wrong(name, value, "True or False")


def check_texts(**given: tuple[object, str]) -> None:
    """Raise UsageError for what is no text; None passes. Each comes with what to give."""
    for name, (value, expected) in given.items():
        if value is not None and not isinstance(value, str):
            raise wrong(name, value, expected)


def check_mappings(**given: tuple[object, str]) -> None:
    """Raise UsageError for what is no mapping with names for keys; None passes. Each comes with what to give."""
    for name, (value, expected) in given.items():
        named = isinstance(value, Mapping) and all(isinstance(each, str) for each in value)
        if value is not None and not named:
            raise wrong(name, value, expected)


def wrong(name: str, value: Any, expected: str) -> UsageError:
    """The error for an argument's value: `expected` is what to give, without a full stop."""
    return UsageError(f"`{name}` cannot be {value!r}.", hint=f"Give {expected}.", parameter=name)
