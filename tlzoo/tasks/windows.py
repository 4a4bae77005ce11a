"""The parts of long inputs, which overlap; `tlzoo.tasks.merging` makes the outputs of the whole of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Window:
    """A part of an input that is an input itself; `start` is where it begins: a character, a sample, a step."""

    input: Any
    start: int


@dataclass(frozen=True)
class WindowOutputs:
    """A window, what the model gives for it by output's name, and its context."""

    window: Window
    outputs: Mapping[str, np.ndarray]
    context: Any
