"""Cases that `.ci/release` alone runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def every_other(cases: Iterable[Any]) -> list[Any]:
    """The cases for `parametrize`, the second, fourth and so on marked for the release."""
    marks = ([], [pytest.mark.release])
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=marks[number % 2])
        for number, case in enumerate(cases)
    ]
