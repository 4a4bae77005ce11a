"""Tags that cannot be read: without a label, with the prefix behind or glued to it, misspelt.

A label alone (`PER`) for each word is a tag too, and may be one letter or hold a dash. So what could be a label is
refused only where the tags of the whole file show that it is none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import pairwise

from tlzoo.tasks.tokens.spans import OUTSIDE, split_tag

Texts = Sequence[Sequence[str]]
"""The tags of each text of a file."""
_IOB = re.compile("O|[BI]-.+")
_MISSPELT = re.compile("o|0|_|.*-|[BI][_:].*|[bi][-_:].*|[BI]-(?:O|[BI]-.+)")
_OTHER_SIGN = re.compile("([BIbi])[-_:](.*[^-])")
_LETTERS = frozenset("BIELMSU")
_IOBES = re.compile("(?:[OSU]|B[IM]*[EL])*")
"""The tags of a text in IOBES, BILOU or BMES, their letters alone."""
_SUFFIX = re.compile("(.+)[-_:]([BIELSU])")
_HINT = "Write O outside of entities, B-LABEL and I-LABEL inside."
_NAME_HINT = "Write B-NAME and I-NAME, where NAME is the label of the entity."


def is_iob(label: str) -> bool:
    """Whether what should be a label is a tag of IOB2."""
    return _IOB.fullmatch(label) is not None


def bad_tags(texts: Texts) -> dict[str, str]:
    """The tags of a file that cannot be read, each with a hint how to write it."""
    tags = {tag for text in texts for tag in text}
    bare = {tag for tag in tags if split_tag(tag)[1] == tag}
    prefixed = bool(tags - bare - {OUTSIDE})
    return {
        **_without_label(texts, bare, prefixed),
        **_with_suffix(bare, prefixed),
        **_glued(texts, bare),
        **{tag: _spelling_hint(tag) for tag in tags if _MISSPELT.fullmatch(tag)},
    }


def _spelling_hint(tag: str) -> str:
    match = _OTHER_SIGN.fullmatch(tag)
    return f"Write {match[1].upper()}-{match[2]}." if match and not is_iob(tag) else _HINT


def _without_label(texts: Texts, bare: Collection[str], prefixed: bool) -> dict[str, str]:
    """`B` and `I` alone; other letters too where every text follows a scheme, or where other tags have a prefix."""
    letters = {tag for tag in bare if tag.upper() in _LETTERS}
    names = {tag.upper() for tag in letters}
    if {"B", "I"} <= names:
        refused = not any(len(tag) == 1 for tag in set(bare) - letters)  # A to K are labels
    else:
        refused = "B" in names and all(map(_follows_scheme, texts))
    return dict.fromkeys(letters, _NAME_HINT) if refused or prefixed else {}


def _follows_scheme(tags: Sequence[str]) -> bool:
    return _IOBES.fullmatch("".join(tag.upper() if len(tag) == 1 else "-" for tag in tags)) is not None


def _with_suffix(bare: Collection[str], prefixed: bool) -> dict[str, str]:
    """`PER-B` beside `PER-I`, or where no label is without such an end, or where other tags have a prefix."""
    ends = {tag: (match[1], match[2]) for tag in bare if (match := _SUFFIX.fullmatch(tag))}
    found = set(ends.values())
    letters = {letter for _, letter in found}
    everywhere = len(ends) == len(bare) and "B" in letters and letters <= {"B", "I"}
    return {
        tag: f"Write {letter}-{label}."
        for tag, (label, letter) in ends.items()
        if prefixed or everywhere or {(label, "B"), (label, "I")} <= found
    }


def _glued(texts: Texts, bare: Collection[str]) -> dict[str, str]:
    """`BPER` and `IPER`, where the second only ever follows the first or itself."""
    labels = {tag[1:] for tag in bare if len(tag) > 2 and {f"B{tag[1:]}", f"I{tag[1:]}"} <= set(bare)}
    for text in texts if labels else ():
        for before, tag in pairwise(["", *text]):
            if tag[:1] == "I" and before[1:] != tag[1:]:
                labels.discard(tag[1:])
    return {prefix + label: f"Write {prefix}-{label}." for label in labels for prefix in "BI"}
