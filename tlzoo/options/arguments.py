"""Checks of what functions are called with: an argument of another type fails here, by its name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from tlzoo.errors import UsageError

EXPECTED = {
    "answers": "a class, such as tlzoo.LabelPrediction",
    "checkpoint": "the id of a checkpoint, such as 'vision/mobilenetv2', or one that tlzoo.registry.get returned",
    "data": "the path of a folder or table",
    "file": "the path of an exported ONNX file",
    "format": "'onnx', 'triton', 'web' or the name of a plugin's",
    "group_by": "'folder', or a regular expression with one group in parentheses",
    "freeze": "a policy, such as 'last:1'",
    "head": "'linear', or the name of a plugin's",
    "id": "the id of a checkpoint, such as 'vision/mobilenetv2'",
    "method": "'auto', 'coral' or the name of a plugin's",
    "model": "the path of a run or of an exported ONNX file",
    "options": "a mapping such as {'epochs': 3}; options of a class, such as tlzoo.Finetune(), are a `strategy`",
    "out": "the path to write to",
    "path": "the path of an exported ONNX file",
    "precision": "'fp32', 'fp16', 'int8' or 'auto'",
    "preprocess": "a mapping such as {'max_length': 128}",
    "run": "a run, or its path",
    "sign": "the path of a private key",
    "target": "the path of a folder or table",
    "task": "its name, such as 'classification'",
    "test": "the path of a folder or table",
    "validation": "the path of a folder or table",
    "trusted": "an Ed25519 public key (base64), or the path of its file",
}
"""What to give for an argument, by its name."""
SIMILAR = 0.75
"""How much, of 1, a known word must be like one that is not to be suggested."""


def not_none(**arguments: Any) -> dict[str, Any]:
    """The arguments that are not left out."""
    return {name: value for name, value in arguments.items() if value is not None}


def check_paths(**arguments: object) -> None:
    """Raise UsageError for what is neither text nor path, or is empty."""
    for name, value in arguments.items():
        if not isinstance(value, str | os.PathLike) or not str(value):
            raise _wrong(name, value, EXPECTED[name])


def check_texts(**arguments: object) -> None:
    """Raise UsageError for what is no text."""
    for name, value in arguments.items():
        if not isinstance(value, str):
            raise _wrong(name, value, EXPECTED.get(name, "a text"))


def check_mappings(**arguments: object) -> None:
    """Raise UsageError for what is no mapping with names for keys."""
    for name, value in arguments.items():
        if not (isinstance(value, Mapping) and all(isinstance(each, str) for each in value)):
            raise _wrong(name, value, EXPECTED[name])


def check_switches(**arguments: object) -> None:
    """Raise UsageError for what is neither True nor False."""
    for name, value in arguments.items():
        if not isinstance(value, bool):
            raise _wrong(name, value, "True or False")


def check_classes(**arguments: object) -> None:
    """Raise UsageError for what is no class."""
    for name, value in arguments.items():
        if not isinstance(value, type):
            raise _wrong(name, value, EXPECTED[name])


def check_counts(least: int = 1, **arguments: object) -> None:
    """Raise UsageError for what is no whole number, or is below `least`; numpy's pass."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise _wrong(name, value, f"a whole number, {least} or more")


def check_shares(**arguments: object) -> None:
    """Raise UsageError for what is no number from 0 to 1; numpy's pass."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
            raise _wrong(name, value, "a number, 0 to 1")


def unknown_word(name: str, value: str, known: Iterable[str], what: str = "unknown") -> UsageError:
    """The error for a word that is none of those that an argument takes; with one that is like it, else with all."""
    from difflib import get_close_matches  # what is right does without

    known = list(known)
    near = get_close_matches(value.lower(), known, 1, SIMILAR)
    hint = f"Did you mean {near[0]}?" if near else f"Choose one of: {', '.join(known)}."
    return UsageError(f"`{name}={value!r}` is {what}.", hint=hint, parameter=name)


def _wrong(name: str, value: object, expected: str) -> UsageError:
    return UsageError(f"`{name}` cannot be {value!r}.", hint=f"Give {expected}.", parameter=name)
