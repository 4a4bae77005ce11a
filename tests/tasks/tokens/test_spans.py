"""Entities from tags, and words from the pieces of a tokenizer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from tlzoo.interfaces import TextContext
from tlzoo.tasks.tokens.spans import group_words, iob_entities, join_words, word_offsets, word_tags

TAG = st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"])


def context(text: str, *pieces: tuple[int, int]) -> TextContext:
    return TextContext(text, np.array(pieces or [(0, 0)], dtype=np.int32))


@given(st.lists(TAG, max_size=12))
def test_tags_of_iob_hold_the_entities_that_seqeval_finds(tags: list[str]):
    expected = [(start, end + 1, label) for label, start, end in get_entities(tags)]
    assert iob_entities(tags) == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["I-X", "I-X", "B-X", "O"], [(0, 2, "X"), (2, 3, "X")]),  # IOB1
        (["B-X", "E-X", "S-X", "O", "S-Y"], [(0, 2, "X"), (2, 3, "X"), (4, 5, "Y")]),  # IOBES
        (["B-X", "L-X", "U-X"], [(0, 2, "X"), (2, 3, "X")]),  # BILOU
        (["B-X", "M-X", "E-X", "S-Y"], [(0, 3, "X"), (3, 4, "Y")]),  # BMES
        (["X", "X", "Y", "O"], [(0, 2, "X"), (2, 3, "Y")]),  # labels alone
        (["B-X", "I-Y"], [(0, 1, "X"), (1, 2, "Y")]),
        (["O", "O"], []),
        ([], []),
    ],
)
def test_every_way_of_tagging_is_read(tags: list[str], expected: list[tuple[int, int, str]]):
    assert iob_entities(tags) == expected


@given(st.lists(st.tuples(st.text("ab\u0301é字", min_size=1, max_size=3), TAG), min_size=1, max_size=8))
def test_words_with_tags_become_a_text_whose_entities_lie_on_words(pairs: list[tuple[str, str]]):
    words, tags = [word for word, _ in pairs], [tag for _, tag in pairs]
    text, entities = join_words(words, tags)
    assert text == " ".join(words)
    assert [(text[start:end], label) for start, end, label in entities] == [
        (" ".join(words[first:last]), label) for first, last, label in iob_entities(tags)
    ]


def test_pieces_that_touch_within_letters_are_one_word_and_signs_are_words_of_their_own():
    text = "Novák's 😀 New-York"
    pieces = [(0, 2), (2, 5), (5, 6), (6, 7), (8, 9), (10, 13), (13, 14), (14, 18)]
    found = group_words(context(text, (0, 0), *pieces, (0, 0)))
    assert [text[begin:end] for begin, end in word_offsets(context(text, (0, 0), *pieces), found)] == [
        "Novák", "'", "s", "😀", "New", "-", "York",
    ]  # fmt: skip
    assert found[0] == [1, 2]


def test_marks_belong_to_the_letter_before_them_and_several_pieces_of_one_character_to_it():
    assert group_words(context("e\u0301te", (0, 2), (2, 4))) == [[0, 1]]
    assert group_words(context("😀a", (0, 1), (0, 1), (0, 1), (1, 2))) == [[0, 1, 2], [3]]


def test_in_scripts_without_blanks_every_piece_is_a_word():
    assert group_words(context("東京都", (0, 1), (1, 2), (2, 3))) == [[0], [1], [2]]
    assert group_words(context("서울시", (0, 2), (2, 3))) == [[0, 1]]


def test_a_word_is_tagged_by_the_entity_that_it_shares_a_character_with():
    spots = [(0, 4), (5, 9), (10, 12)]
    assert word_tags([[2, 9, "X"], [10, 12, None]], spots) == ["B-X", "I-X", None]
    assert word_tags([[4, 5, "X"]], spots) == ["O", "O", "O"]


@pytest.mark.parametrize(
    ("text", "pieces", "words"),
    [
        ("Jose\u0301 went", [(0, 4), (6, 10)], ["Jose\u0301", "went"]),  # the accent at the end is in no piece
        ("e\u0301e\u0301e\u0301", [(0, 1), (2, 3), (4, 5)], ["e\u0301e\u0301e\u0301"]),
        ("करमचंद", [(0, 4), (5, 6)], ["करमचंद"]),
        ("दिल्ली में", [(0, 3), (4, 6), (7, 8)], ["दिल्ली", "में"]),
        ("مُحَمَّد", [(0, 1), (2, 3), (4, 5), (7, 8)], ["مُحَمَّد"]),
        ("שָׁלוֹם", [(0, 1), (3, 5), (6, 7)], ["שָׁלוֹם"]),
        ("می\u200cخواهم", [(0, 2), (3, 8)], ["می\u200cخواهم"]),
        ("o\u0302\u0323", [(0, 1)], ["o\u0302\u0323"]),
        ("ที่นี่", [(0, 1), (3, 4)], ["ที่", "นี่"]),
        ("a\u0301 b", [(0, 1), (3, 4)], ["a\u0301", "b"]),
        ("a\u200bb", [(0, 1), (2, 3)], ["a", "b"]),
    ],
)
def test_marks_that_a_tokenizer_leaves_out_end_no_word(text: str, pieces: list[tuple[int, int]], words: list[str]):
    given = context(text, *pieces)
    spots = word_offsets(given, group_words(given))
    assert [text[begin:end] for begin, end in spots] == words
