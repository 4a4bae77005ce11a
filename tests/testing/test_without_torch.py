"""What predictions with and without torch are compared by."""

from __future__ import annotations

from typing import Any

import pytest

from tlzoo.testing.without_torch import comparable


class Answer:
    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row

    def as_row(self) -> dict[str, Any]:
        return self.row


@pytest.mark.parametrize(
    ("number", "shown"), [(0.123456, 0.1235), (0.00123456, 0.0012), (1234567.8, 1235000.0), (-0.00004, 0.0), (3, 3)]
)
def test_numbers_count_to_four_digits_and_to_the_fourth_place(number: float, shown: float):
    row = {"label": "cat", "scores": {"cat": [number, "x"]}, "pair": (number, None)}
    assert comparable(Answer(row)) == {"label": "cat", "scores": {"cat": [shown, "x"]}, "pair": [shown, None]}
