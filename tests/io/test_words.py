"""Where a word goes on: letters, digits, marks and joiners, but not in scripts without blanks."""

from __future__ import annotations

import pytest

from tlzoo.io.words import end_of_marks, in_same_word, touch_in_word


@pytest.mark.parametrize(
    ("text", "place", "same"),
    [
        ("ab", 1, True),
        ("ab", 0, False),
        ("ab", 2, False),
        ("ab", -1, False),
        ("a", 1, False),
        ("", 0, False),
        ("a1", 1, True),
        ("a ", 1, False),
        (" a", 1, False),
        ("a-b", 1, False),
        ("a-b", 2, False),
        ("e\u0301", 1, True),
        ("\u0301e", 1, True),
        ("a\u00ad", 1, True),
        ("\u200da", 1, True),
        ("\u4e2d\u56fd", 1, False),
        ("\u4e2da", 1, False),
        ("a\u4e2d", 1, False),
        ("\u0e01\u0e02", 1, False),
        ("\uac00\uac01", 1, True),
    ],
)
def test_two_characters_are_of_one_word(text: str, place: int, same: bool):
    assert in_same_word(text, place) is same


@pytest.mark.parametrize(
    ("text", "end", "begin", "touch"),
    [
        ("abcd", 2, 2, True),
        ("abcd", 1, 3, True),
        ("ab cd", 2, 3, False),
        ("a\u0301b", 1, 2, True),
        ("ab c", 1, 2, False),
        ("a bc", 2, 3, False),
        ("ab", 2, 2, False),
        ("ab", 0, 0, False),
    ],
)
def test_pieces_are_of_one_word_with_all_that_lies_between(text: str, end: int, begin: int, touch: bool):
    assert touch_in_word(text, end, begin) is touch


@pytest.mark.parametrize(
    ("text", "end", "limit", "found"),
    [
        ("e\u0301\u0302x", 1, 4, 3),
        ("e\u0301\u0302x", 1, 2, 2),
        ("e\u0301\u0302x", 1, 1, 1),
        ("e\u0301", 1, 2, 2),
        ("ex", 1, 2, 1),
        ("e ", 1, 2, 1),
        ("e", 1, 1, 1),
    ],
)
def test_marks_belong_to_the_letter_before_them(text: str, end: int, limit: int, found: int):
    assert end_of_marks(text, end, limit) == found
