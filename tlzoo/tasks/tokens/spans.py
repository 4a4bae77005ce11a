"""Entities as spans of characters: from the tags of words, and onto the pieces that a tokenizer makes of a text.

Nothing is aligned by blanks. Pieces belong to a word where nothing else than one run of letters, digits and marks lies
between; in scripts that are written without blanks every piece is a word of its own. Marks that a tokenizer leaves out
belong to what stands before them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tlzoo.interfaces import TextContext
from tlzoo.io.words import end_of_marks, touch_in_word

Span = Sequence[Any]
"""Start, end (characters) and label of an entity; the label is `None` where only a part of it is there."""
OUTSIDE = "O"
_ENDS = ("E", "L", "S", "U")
_BEGINS = ("B", "S", "U")


def iob_entities(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Entities in tags of IOB1, IOB2, IOBES, BILOU, BMES or without prefixes: first word, word after the last, label.

    Read as conlleval does (Tjong Kim Sang & Buchholz 2000) and seqeval after it: an entity also begins where the label
    changes, whatever the prefix.
    """
    found: list[tuple[int, int, str]] = []
    before, label, start = OUTSIDE, "", 0
    for at, tag in enumerate([*tags, OUTSIDE]):
        prefix, kind = split_tag(tag)
        inside = prefix != OUTSIDE and before != OUTSIDE
        if not inside or kind != label or prefix in _BEGINS or before in _ENDS:
            if before != OUTSIDE:
                found.append((start, at, label))
            start = at
        before, label = prefix, kind
    return found


def split_tag(tag: str) -> tuple[str, str]:
    """Prefix and label of a tag; `I` for a label without a prefix."""
    if tag == OUTSIDE or not tag:
        return OUTSIDE, ""
    prefix, dash, label = tag.partition("-")
    if dash and prefix in ("B", "I", "M", *_ENDS) and label:
        return prefix, label
    return "I", tag


def join_words(words: Sequence[str], tags: Sequence[str]) -> tuple[str, list[list[Any]]]:
    """A text of words with a blank between them, and its entities."""
    ends = np.cumsum([len(word) + 1 for word in words]).tolist()
    starts = [0, *ends]
    entities = [[starts[first], starts[last] - 1, label] for first, last, label in iob_entities(tags)]
    return " ".join(words), entities


def group_words(context: TextContext) -> list[list[int]]:
    """The positions of the pieces of each word, in order; what stands for no part of the text is in none."""
    words: list[list[int]] = []
    end = -1
    for at, (begin, stop) in enumerate(context.offsets.tolist()):
        if begin == stop:
            continue
        if words and (begin < end or touch_in_word(context.text, end, begin)):
            words[-1].append(at)  # of the same character, or of the same word
        else:
            words.append([at])
        end = max(end, stop)
    return words


def word_offsets(context: TextContext, words: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Where each word begins and ends in the text, with the marks behind it."""
    begins = [int(context.offsets[word[0], 0]) for word in words]
    limits = [*begins[1:], len(context.text)]
    ends = [int(max(context.offsets[at, 1] for at in word)) for word in words]
    marked = [end_of_marks(context.text, end, limit) for end, limit in zip(ends, limits, strict=False)]
    return list(zip(begins, marked, strict=True))


def word_tags(entities: Iterable[Span], spots: Sequence[tuple[int, int]]) -> list[str | None]:
    """A tag of IOB2 for each word at these places: of the entity that it shares a character with.

    `None` for a word of an entity of which only a part is there.
    """
    tags: list[str | None] = [OUTSIDE] * len(spots)
    for start, end, label in entities:
        inside = [at for at, (begin, stop) in enumerate(spots) if begin < end and stop > start]
        for number, at in enumerate(inside):
            tags[at] = None if label is None else f"{'I' if number else 'B'}-{label}"
    return tags
