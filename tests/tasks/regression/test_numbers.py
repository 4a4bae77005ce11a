"""Numbers as people write them: read where it is said how, refused where they may mean two things."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import DataError
from tlzoo.tasks.regression.numbers import check_dots, read_number
from tlzoo.tasks.row import Row


def row(cell: Any, decimal: str | None = None) -> Row:
    return Row(Path("d.csv"), "line 2", {"label": cell}, ("label",), options={"decimal": decimal} if decimal else {})


@pytest.mark.parametrize(
    ("cell", "decimal", "number"),
    [
        ("250.000", ",", 250_000),
        ("1.234.567,5", ",", 1_234_567.5),
        ("1 234,5", ",", 1234.5),
        ("1\u00a0234,5", ",", 1234.5),
        ("1'234,5", ",", 1234.5),
        ("-1,5", ",", -1.5),
        ("1,5e3", ",", 1500),
        ("250.000", ".", 250),
        ("1,234.5", ".", 1234.5),
        ("1\u2019234.5", ".", 1234.5),
        ("1 234.5", ".", 1234.5),
        ("\u22121,5", ",", -1.5),
        ("\u22125.5", None, -5.5),
        ("1e3", None, 1000),
        (250.5, ",", 250.5),
    ],
)
def test_a_number_is_read_as_it_is_said_to_be_written(cell: Any, decimal: str | None, number: float):
    assert float(read_number(row(cell, decimal))) == number


@pytest.mark.parametrize(
    ("cell", "decimal", "hint"),
    [
        ("1,5", None, "`columns={'decimal': ','}`"),
        ("1 234,5", None, "`columns={'decimal': ','}`"),
        ("1.234.567", None, "`columns={'decimal': ','}`"),
        ("1,234.5", None, "`columns={'decimal': '.'}`"),
        ("1'234.5", None, "`columns={'decimal': '.'}`"),
        ("$5", None, "number alone"),
        ("5 %", None, "number alone"),
        ("5kg", None, "number alone"),
        ("inf", None, "Correct the cell"),
        ("nan", None, "Correct the cell"),
        ("1.5", ",", "`decimal`"),
        ("1,5", ".", "`decimal`"),
        ("12.34,5", ",", "`decimal`"),
        ("1,23,456", ".", "`decimal`"),
        ("nan", ",", "Correct the cell"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(cell: str, decimal: str | None, hint: str):
    with pytest.raises(DataError, match=r"as 'label' in line 2, which is not a number") as caught:
        read_number(row(cell, decimal))
    assert hint in caught.value.hint


@pytest.mark.parametrize("cells", [["250.000", "150.500"], ["1.250", "950"], ["-1.250", None, "+12.000"]])
def test_dots_that_may_stand_between_thousands_are_refused(cells: list[Any]):
    with pytest.raises(DataError, match="every dot in the column has three digits behind it") as caught:
        check_dots([row(cell) for cell in cells])
    assert "`columns={'decimal': ','}` where dots are between thousands" in caught.value.hint
    check_dots([row(cell, ".") for cell in cells])


@pytest.mark.parametrize(
    "cells", [["0.125", "1.250"], ["1.5", "1.250"], ["1234.500"], ["1.250e1"], [250.125], ["12", "13"], ["-0.500"], []]
)
def test_other_dots_are_decimal_points(cells: list[Any]):
    check_dots([row(cell) for cell in cells])
