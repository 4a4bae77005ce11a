"""Cells of a row as texts and lists, and the words for those that are neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import DataError
from tlzoo.io.texts import SURROGATE_HINT
from tlzoo.tasks.row import Row, spelled_column


def row(cell: Any) -> Row:
    return Row(Path("d.csv"), "line 2", {"kind": cell}, ("kind", "more"), {"label": "kind"})


@pytest.mark.parametrize(
    ("role", "spelled"),
    [
        ("text", "`columns={'text_column': 'NAME'}`"),
        ("path", "`columns={'path_column': 'NAME'}`"),
        ("label", "`columns={'label_column': 'NAME'}`"),
        ("tokens", "`columns={'others': {'tokens': 'NAME'}}`"),
    ],
)
def test_an_argument_names_a_column(role: str, spelled: str):
    assert spelled_column(role, "NAME") == spelled


def test_a_column_is_found_by_its_role():
    given = row("a")
    assert (given.has("label"), given.has("more"), given.has("kind"), given.has("text")) == (True, True, True, False)
    assert given.used == set()
    assert (given.column("label"), given.value("label"), given.value("more")) == ("kind", "a", None)
    assert given.used == {"label", "more"}
    with pytest.raises(DataError) as error:
        given.column("text")
    assert error.value.message == "File d.csv has no column 'text'; it has 'kind', 'more'."
    assert error.value.hint == "Name the right one: `columns={'text_column': 'NAME'}`"
    assert error.value.parameter == "columns"
    assert given.used == {"label", "more"}


@pytest.mark.parametrize(
    ("cell", "text"),
    [("a ", "a "), (0, "0"), (1.5, "1.5"), (True, "true"), (False, "false"), (float("inf"), "inf")],
)
def test_a_cell_is_a_text(cell: Any, text: str):
    assert row(cell).text("label") == row(cell).file_name("label") == row(cell).scalar("label", cell) == text


@pytest.mark.parametrize(
    ("cell", "what", "hint"),
    [
        (None, "has no 'kind'", "Fill the cell or delete the row."),
        ("", "has no 'kind'", "Fill the cell or delete the row."),
        (float("nan"), "has no 'kind'", "Fill the cell or delete the row."),
        (" \t", "has only blanks as 'kind'", "Fill the cell or delete the row."),
        (["a"], "has a list as 'kind'", "Write a string or a number."),
        ("a\ud83d", "has half a surrogate pair in 'kind'", SURROGATE_HINT),
    ],
)
def test_a_cell_that_is_none_says_why(cell: Any, what: str, hint: str):
    with pytest.raises(DataError) as error:
        row(cell).text("label")
    assert (error.value.message, error.value.hint) == (f"File d.csv {what} in line 2.", hint)


def test_a_name_of_a_file_may_hold_half_a_pair():
    assert row("a\udcff").file_name("label") == "a\udcff"


@pytest.mark.parametrize(
    ("cell", "listed"),
    [
        (["a", 1], ["a", 1]),
        ([], []),
        (' ["a"]', ["a"]),
        ("[1, 2]", [1, 2]),
        ("['a', 'b']", ["a", "b"]),
        ('["a", ]', ["a"]),
        ("('a', 1)", ["a", 1]),
        ("{'b', 'a'}", ["a", "b"]),
        ("(other)", None),
        ("[{'a': 1}]", [{"a": 1}]),
        ("['a, b', -1.5e-3, True, None]", ["a, b", -0.0015, True, None]),
        ("""['it\\'s', "x"]""", ["it's", "x"]),
        ("[" + "-" * 90_000 + "1]", None),
        ("[" + "1-" * 90_000 + "1]", None),
        ("[f" + "()" * 90_000 + "]", None),
        ("(" * 90_000 + "1" + ",)" * 90_000, None),
        ("{[1]: 2}", None),
        ("{[1]}", None),
        ("a;b", None),
        ('{"a": 1}', None),
        ("[a]", None),
        ("[1, 2", None),
        ("", None),
        (None, None),
        (3, None),
    ],
)
def test_a_cell_holds_a_list_or_none(cell: Any, listed: list[Any] | None):
    assert row(cell).listed("label") == listed


@pytest.mark.parametrize("cell", ["['a' 'b']", "['a', b]", "[{'a': 1]", "['a'('b')]", "[[" * 50_000 + "]]" * 50_000])
def test_a_list_that_cannot_be_read_is_refused(cell: str):
    with pytest.raises(DataError) as error:
        row(cell).listed("label")
    assert error.value.message == "File d.csv has a list in 'kind' that cannot be read in line 2."
    assert error.value.hint.startswith('Write it as JSON, such as ["a", "b"]')


@pytest.mark.parametrize("cell", [["a", "\ud83d"], '["\\ud83d"]'])
def test_half_a_pair_in_a_list_is_refused(cell: Any):
    with pytest.raises(DataError, match="half a surrogate pair in 'kind'"):
        row(cell).listed("label")
