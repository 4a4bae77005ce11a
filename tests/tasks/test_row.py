"""A row of a table: its cells by role, and errors that say where it stands and what to type."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import DataError
from tlzoo.tasks.row import Row

FILE = Path("data") / "films.csv"


def row(cells: dict[str, Any], names: dict[str, str] | None = None) -> Row:
    return Row(FILE, "line 3", cells, ("text", "mood", "start"), names or {"label": "mood"})


def test_a_role_is_found_under_the_name_that_the_table_calls_it():
    found = row({"text": "fine", "mood": "good", "start": 2})
    assert (found.column("label"), found.text("label"), found.value("start")) == ("mood", "good", 2)
    assert [found.has(role) for role in ("label", "text", "mood", "place")] == [True, True, True, False]


@pytest.mark.parametrize(
    ("role", "name", "option"),
    [
        ("label", "label", "`columns={'label_column': 'NAME'}`"),
        ("path", "path", "`columns={'path_column': 'NAME'}`"),
        ("end", "end", "`columns={'others': {'end': 'NAME'}}`"),
    ],
)
def test_a_column_that_the_table_lacks_is_named_with_those_it_has_and_the_option(role: str, name: str, option: str):
    with pytest.raises(DataError) as error:
        row({}, {"start": "begin"}).column(role)
    assert error.value.message == f"File {FILE} has no column {name!r}; it has 'text', 'mood', 'start'."
    assert error.value.hint == f"Name the right one: {option}"
    assert error.value.parameter == "columns"


@pytest.mark.parametrize(("cell", "what"), [(None, "no"), ("", "no"), (" \n", "only blanks as"), (math.nan, "no")])
def test_an_empty_cell_is_named_by_the_tables_own_name_and_its_place(cell: object, what: str):
    with pytest.raises(DataError) as error:
        row({"mood": cell}).text("label")
    assert error.value.message == f"File {FILE} has {what} 'mood' in line 3."
    assert "delete the row" in error.value.hint


def test_a_cell_that_this_row_alone_lacks_is_empty():
    assert row({}).value("label") is None
    with pytest.raises(DataError, match="has no 'mood' in line 3"):
        row({}).text("label")


@pytest.mark.parametrize(("cell", "kind"), [(["a"], "list"), ({"a": 1}, "dict")])
def test_a_cell_that_is_no_scalar_is_named_by_its_type(cell: object, kind: str):
    with pytest.raises(DataError, match=f"has a {kind} as 'mood' in line 3"):
        row({"mood": cell}).text("label")


@pytest.mark.parametrize(
    ("cell", "text"), [(" good ", " good "), (1, "1"), (2.5, "2.5"), (True, "true"), (False, "false"), (0, "0")]
)
def test_numbers_and_truth_values_are_texts_as_json_writes_them(cell: object, text: str):
    assert row({"mood": cell}).text("label") == text


def test_a_tasks_own_complaint_names_file_and_place():
    error = row({}).error("has a span that ends before it starts", "Swap them.")
    assert (error.message, error.hint) == (
        f"File {FILE} has a span that ends before it starts in line 3.",
        "Swap them.",
    )
