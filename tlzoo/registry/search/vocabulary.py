"""Which rows contain a word somewhere: an index of what the rows' texts are made of.

A word of letters and digits occurs in a text where it occurs in one of its runs of letters and digits; a word with one
separator where it occurs in a pair of neighbouring runs. So a search reads the different runs, or pairs, which are far
fewer than the rows, and unites the rows of those that contain the word.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tlzoo.registry.search.bitmaps import bits_of

DENSE = 32
"""A part that stands in more than a row in so many is kept as a bitmap, not as a list of rows."""


@dataclass(frozen=True)
class Parts:
    """Different runs or pairs, and the rows that hold each.

    `text` is the parts with a newline before and after each; part p starts at `starts[p]` and has the rows
    `rows[ends[p - 1] : ends[p]]`; one without rows there has a bitmap.
    """

    text: str
    starts: array[int]
    ends: array[int]
    rows: array[int]

    def containing(self, word: str, total: int, dense: Callable[[str], int]) -> int:
        """The rows of the parts in which `word` occurs; `dense` gives the bitmap of a part."""
        found = []
        at = self.text.find(word)
        while at >= 0:
            found.append(bisect_right(self.starts, at) - 1)
            at = self.text.find(word, self.text.index("\n", at))
        return self._rows_of(found, total, dense)

    def starting(self, prefix: str, total: int, dense: Callable[[str], int]) -> int:
        """The rows of the parts that start with `prefix`; found in the order of the parts, without reading them all."""
        parts = range(len(self.starts))
        first = bisect_left(parts, prefix, key=lambda part: self._part(part)[: len(prefix)])
        last = bisect_right(parts, prefix, key=lambda part: self._part(part)[: len(prefix)])
        return self._rows_of(parts[first:last], total, dense)

    def _rows_of(self, parts: Iterable[int], total: int, dense: Callable[[str], int]) -> int:
        united, listed = 0, array("I")
        for part in parts:
            first, last = self.ends[part - 1] if part else 0, self.ends[part]
            if first == last:
                united |= dense(self._part(part))
            else:
                listed.extend(self.rows[first:last])
        return united | bits_of(listed, total) if listed else united

    def _part(self, part: int) -> str:
        return self.text[self.starts[part] : self.text.index("\n", self.starts[part])]


def make_parts(postings: Mapping[str, array[int]], total: int) -> tuple[Parts, dict[str, array[int]]]:
    """The index of these parts' rows, and the rows of those that want a bitmap."""
    texts, starts, ends, rows, dense = [], array("I"), array("I"), array("I"), {}
    at = 1
    for part in sorted(postings):
        starts.append(at)
        at += len(part) + 1
        texts.append(part)
        if len(postings[part]) * DENSE > total:
            dense[part] = postings[part]
        else:
            rows.extend(postings[part])
        ends.append(len(rows))
    return Parts("\n" + "\n".join(texts) + "\n", starts, ends, rows), dense


def grams(part: str) -> Iterable[str]:
    """The letters of a part and its pairs of neighbouring letters, each once."""
    return {*part, *(part[i : i + 2] for i in range(len(part) - 1))}
