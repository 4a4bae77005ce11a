"""Where words begin and end in a text of any script."""

from __future__ import annotations

import re
import unicodedata

# Thai to Khmer, kana, Han: letters of a word that no blank ends
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def in_same_word(text: str, place: int) -> bool:
    """Whether the characters before and at a place are letters, digits or marks of one word.

    In scripts that are written without blanks they never are.
    """
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    both = _is_letter(before) and _is_letter(after)
    return both and not (_SPACELESS.match(before) or _SPACELESS.match(after))


def _is_letter(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")
