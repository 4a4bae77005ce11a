"""What a preprocessor that cuts long inputs says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Limit(NamedTuple):
    """How much of an input is read, 64 tokens or 1.5 s; a preprocessor has it as `limit`, where there is one."""

    size: float
    unit: str


class PreparedArrays(dict[str, "np.ndarray"]):
    """Arrays of N inputs by name; `longer` says of each whether it is longer than the `limit`, and so was cut."""

    def __init__(self, arrays: Mapping[str, np.ndarray], longer: Sequence[bool]) -> None:
        super().__init__(arrays)
        self.longer = longer
