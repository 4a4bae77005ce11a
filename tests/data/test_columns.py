"""What tables call their columns: a mapping by role, each once, each of use."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tlzoo.data.columns import (
    check_columns,
    check_roles,
    check_used,
    column_names,
    for_other_data,
    table_format,
    without,
)
from tlzoo.errors import UsageError
from tlzoo.io.inputs.formats import TableFormat
from tlzoo.tasks import make_task

TOKENS: Any = make_task("text-tokens", ())


def test_columns_are_taken_as_they_are_given():
    given = {"text_column": "mail", "others": {"tags": "ner"}}
    assert check_columns(given) is given
    assert check_columns(None) == {}
    assert column_names(check_columns(given)) == {"text": "mail", "tags": "ner"}


@pytest.mark.parametrize(
    "wrong", ["label", 3, {"label_column": 3}, {3: "label"}, {"others": "tags"}, {"others": {"tags": 3}}, ["label"]]
)
def test_what_names_no_columns_is_refused(wrong: Any):
    with pytest.raises(UsageError) as caught:
        check_columns(wrong)
    assert caught.value.message == f"`columns` cannot be {wrong!r}."
    assert caught.value.parameter == "columns"


def test_a_role_may_be_named_twice_only_the_same_way():
    assert column_names({"label_column": "x", "others": {"label": "x"}}) == {"label": "x"}
    with pytest.raises(UsageError, match="names the column of 'label' twice: 'x' and 'y'"):
        column_names({"label_column": "x", "others": {"label": "y"}})


def test_columns_of_parts_groups_and_weights_are_no_roles_of_a_task():
    given: Any = {"group_column": "patient", "label_column": "x"}
    assert column_names(given) == {"group_column": "patient", "label": "x"}
    assert without(given, "group_column") == {"label_column": "x"}
    with pytest.raises(UsageError, match="has 'group_column' among `others`") as caught:
        column_names({"others": {"group_column": "patient"}})
    assert caught.value.hint == "Give `columns={'group_column': 'patient'}`."
    with pytest.raises(UsageError, match="has no column role 'weight_column'"):
        check_roles(TOKENS, {"weight_column": "w"})


def test_a_role_that_the_task_does_not_have_is_named_with_those_it_has():
    check_roles(TOKENS, dict.fromkeys(TOKENS.all_roles, "x"))
    with pytest.raises(UsageError) as caught:
        check_roles(TOKENS, {"mood": "x"})
    assert caught.value.message == (
        "`columns={'others': {'mood': 'x'}}` has no effect: text-tokens has no column role 'mood'."
    )
    assert caught.value.hint.startswith("Leave it out, or give: `columns={'text_column': 'NAME'}`, ")
    assert caught.value.hint.count("NAME") == len(TOKENS.all_roles)


def test_a_column_of_which_nothing_was_read_is_named():
    check_used({"text_column": "mail"}, {"text", "label"}, "data.csv")
    with pytest.raises(UsageError, match=r"has no effect: data\.csv is read by its columns 'label', 'text'"):
        check_used({"path_column": "file"}, {"text", "label"}, "data.csv")
    with pytest.raises(UsageError, match="has no effect: pictures is no table with columns"):
        check_used({"path_column": "file"}, (), "pictures")


def test_how_cells_are_written_is_kept_as_python_and_runs_have_it():
    given = {
        "separator": "tab",
        "encoding": "Latin-1",
        "quoting": "none",
        "decimal": ",",
        "files": "photos",
        "label_names": "a, b",
    }
    assert check_columns(given) == {
        "separator": "\t",
        "encoding": "iso8859-1",
        "quoting": "none",
        "decimal": ",",
        "files": os.path.abspath("photos"),
        "label_names": ["a", "b"],
    }
    assert column_names(check_columns({**given, "label_column": "mood"})) == {"label": "mood"}
    assert for_other_data({"files": "photos", "decimal": ","}) == {"decimal": ","}
    assert table_format(check_columns(given), ["text"]) == TableFormat("\t", "iso8859-1", "none", ("text",))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("separator", ";;"),
        ("separator", "a"),
        ("separator", '"'),
        ("separator", ""),
        ("encoding", "utf-9"),
        ("quoting", "some"),
        ("decimal", ";"),
        ("files", ""),
        ("label_columns", []),
        ("label_columns", "a,,b"),
        ("label_columns", ["a", "a"]),
        ("label_names", 3),
        ("label_separator", 3),
    ],
)
def test_a_way_to_write_cells_that_cannot_be_is_refused(name: str, wrong: Any):
    with pytest.raises(UsageError, match=f"`{name}` cannot be") as caught:
        check_columns({name: wrong})
    assert caught.value.parameter == name
    assert caught.value.hint


@pytest.mark.parametrize("other", ["label_separator", "label_names"])
def test_columns_of_labels_say_all_about_them(other: str):
    with pytest.raises(UsageError, match="`label_columns` says all"):
        check_columns({"label_columns": "a,b", other: "x"})


def test_a_way_to_write_cells_of_which_nothing_was_read_is_named():
    check_used({"decimal": ","}, {"label", "decimal"}, "data.csv")
    with pytest.raises(UsageError, match="`decimal` has no effect") as caught:
        check_used({"decimal": ","}, {"label", "text"}, "data.csv")
    assert caught.value.parameter == "decimal"


@pytest.mark.parametrize(
    ("known", "given", "left"),
    [
        ({"label_columns": ["a", "b"]}, {"label_names": ["a", "b"]}, {"label_names": ["a", "b"]}),
        ({"label_columns": ["a", "b"]}, {"label_separator": "|"}, {"label_separator": "|"}),
        ({"label_columns": ["a", "b"]}, {"label_column": "tags"}, {"label_column": "tags"}),
        (
            {"label_names": ["a", "b"], "decimal": ","},
            {"label_separator": "|"},
            {"label_separator": "|", "decimal": ","},
        ),
        ({"label_names": ["a", "b"]}, {"label_column": "t"}, {"label_column": "t", "label_names": ["a", "b"]}),
        ({"label_separator": "|"}, {"text_column": "t"}, {"label_separator": "|", "text_column": "t"}),
    ],
)
def test_labels_written_otherwise_are_read_as_it_is_given(known: Any, given: Any, left: Any):
    assert for_other_data(known, given) == left
