"""Cases that `.ci/release` alone runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def every_other(cases: Iterable[Any], one_of: int = 2) -> list[Any]:
    """The cases for `parametrize`, all but the first of every two, or `one_of` so many, marked for the release."""
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)), marks=[pytest.mark.release] if number % one_of else []
        )
        for number, case in enumerate(cases)
    ]
