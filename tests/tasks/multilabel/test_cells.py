"""The ways in which a table says the labels of a sample, and those that are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import DataError
from tlzoo.tasks.multilabel.cells import check_separator, read_labels
from tlzoo.tasks.row import Row


def row(cell: Any, options: Mapping[str, Any] | None = None) -> Row:
    return Row(Path("d.csv"), "line 2", {"label": cell}, ("label",), options=options or {})


@pytest.mark.parametrize(
    "cell", ["a;b", '["a", "b"]', "['a', 'b']", ["a", "b"], "('a', 'b')", "{'b', 'a'}", " a ;; b;a"]
)
def test_labels_are_separated_or_a_list_of_json_or_python(cell: Any):
    assert read_labels(row(cell)) == ["a", "b"]


@pytest.mark.parametrize("separator", [",", "|", "/", " ", "\t"])
def test_another_separator_can_be_named(separator: str):
    given = {"label_separator": separator}
    assert read_labels(row(f"a{separator}b", given)) == ["a", "b"]
    check_separator([row(f"a{separator}b", given)])


@pytest.mark.parametrize(
    "cell",
    [[1, 0, 1], [True, False], [1.0, 0.0], "[1, 0, 1]", "1;0;1", ["1", "0", "1"], "[1 0 1]", "['a' 'b']", "[a, b]"],
)
def test_zeros_and_ones_without_names_and_what_only_looks_like_a_list_are_refused(cell: Any):
    with pytest.raises(DataError, match=r"d\.csv has .* in line 2") as caught:
        read_labels(row(cell))
    assert caught.value.hint


@pytest.mark.parametrize("cell", [[1, 0, 1], "[1, 0, 1]", "1;0;1", [True, False, True], [1.0, 0.0, 1.0]])
def test_zeros_and_ones_are_labels_by_position_where_these_are_named(cell: Any):
    assert read_labels(row(cell, {"label_names": ["x", "y", "z"]})) == ["x", "z"]
    for wrong in (["x", "y"], ["x", "y", "z", "w"]):
        with pytest.raises(DataError, match="has no list of"):
            read_labels(row(cell, {"label_names": wrong}))


@pytest.mark.parametrize("cell", [[2, 0, 1], "x;y;z", "", None])
def test_where_positions_are_named_nothing_else_is_a_label(cell: Any):
    with pytest.raises(DataError, match="has no list of 3 zeros and ones"):
        read_labels(row(cell, {"label_names": ["x", "y", "z"]}))


def columns(**cells: Any) -> Row:
    return Row(Path("d.csv"), "line 2", cells, tuple(cells), options={"label_columns": ["toxic", "spam"]})


@pytest.mark.parametrize(
    ("toxic", "spam", "found"),
    [("1", "0", ["toxic"]), (True, "TRUE", ["toxic", "spam"]), (0, 0.0, []), ("false", " 1 ", ["spam"])],
)
def test_a_column_for_each_label_has_zeros_and_ones(toxic: Any, spam: Any, found: list[str]):
    given = columns(toxic=toxic, spam=spam)
    assert read_labels(given) == found
    assert "label_columns" in given.used


@pytest.mark.parametrize(
    ("cell", "shown"), [("", "''"), (None, "'None'"), (0.7, "'0.7'"), ("yes", "'yes'"), (2, "'2'")]
)
def test_another_cell_in_such_a_column_is_named(cell: Any, shown: str):
    with pytest.raises(DataError, match=f"has {shown} as 'spam' in line 2"):
        read_labels(columns(toxic=1, spam=cell))
    with pytest.raises(DataError, match="no column 'spam'") as caught:
        read_labels(columns(toxic=1))
    assert caught.value.parameter == "columns"


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        (["a,b", "c"], ","),
        (["a|b", "c"], "|"),
        (["a;b", "a,b", "b"], ","),
        (["a/b", "a", "b"], "/"),
        (["toxic insult", "toxic", "insult"], " "),
        (["a & b", "a", "b"], "&"),
        (["a/b", "b/c", "a/c"], "/"),
        (["a+b", "b+c", "a+c"], "+"),
    ],
)
def test_cells_that_may_hold_several_labels_are_refused_with_the_option(cells: list[str], sign: str):
    with pytest.raises(DataError, match="which may be several labels") as caught:
        check_separator([row(cell) for cell in cells])
    assert f"`columns={{'label_separator': {sign!r}}}`" in caught.value.hint


@pytest.mark.parametrize("cells", [["101", "010"], ["1 0 1", "0 1 1"], ["1/0", "0/0"]])
def test_zeros_and_ones_in_texts_are_refused_and_read_where_their_positions_are_named(cells: list[str]):
    with pytest.raises(DataError, match="zeros and ones") as caught:
        check_separator([row(cell) for cell in cells])
    assert "`columns={'label_names': 'NAME,NAME'}`" in caught.value.hint
    names = ["x", "y", "z"][: sum(sign in "01" for sign in cells[0])]
    given = {"label_names": names}
    check_separator([row(cell, given) for cell in cells])
    assert read_labels(row(cells[0], given)) == [n for n, bit in zip(names, "101", strict=False) if bit == "1"]


@pytest.mark.parametrize(
    "cells",
    [
        ["very good", "very bad", "not good", "not bad"],
        ["rock/pop", "rock/jazz"],
        ["New York", "York"],
        ["a;b, c"],
        ["rock/pop", "rock"],
        ["", "a"],
        [["a,b"], ["c"]],
        [1, None],
        ["a;b", "c"],
    ],
)
def test_other_labels_are_as_they_are(cells: list[Any]):
    check_separator([row(cell) for cell in cells])


def test_one_label_may_have_commas_where_that_is_said():
    check_separator([row("a,b", {"label_separator": ";"})])
    assert read_labels(row("a,b", {"label_separator": ";"})) == ["a,b"]
