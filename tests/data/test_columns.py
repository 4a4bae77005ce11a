"""What tables call their columns: a mapping by role, each once, each of use."""

from __future__ import annotations

from typing import Any

import pytest

from tlzoo.data.columns import check_columns, check_roles, check_used, column_names, without
from tlzoo.errors import UsageError
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
