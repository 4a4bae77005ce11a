"""Where words begin and end in a text of any script."""

from __future__ import annotations

import re
import unicodedata

# Thai to Khmer, kana, Han: letters of a word that no blank ends
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)

_JOINERS = "\u00ad\u200c\u200d\u2060"
"""Soft hyphen, zero-width joiner and non-joiner, word joiner: signs within a word."""


def in_same_word(text: str, place: int) -> bool:
    """Whether the characters before and at a place are letters, digits or marks of one word.

    In scripts that are written without blanks they never are.
    """
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    both = _is_letter(before) and _is_letter(after)
    return both and not (_SPACELESS.match(before) or _SPACELESS.match(after))


def touch_in_word(text: str, end: int, begin: int) -> bool:
    """Whether what ends at `end` and what begins at `begin` are of one word, as are the characters between, if any.

    A tokenizer may leave out marks, as BERT's does, so that the pieces around them do not touch.
    """
    return all(in_same_word(text, place) for place in range(end, begin + 1))


def end_of_marks(text: str, end: int, limit: int) -> int:
    """Where the marks end that follow the character before `end`, at most at `limit`."""
    while end < limit and _is_mark(text[end]):
        end += 1
    return end


def _is_letter(character: str) -> bool:
    return character.isalnum() or _is_mark(character) or character in _JOINERS


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")
