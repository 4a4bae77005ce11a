"""The entries of one registry file, to be asked: each answer is a set of rows, as an integer."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

from tlzoo.registry.schema import Checkpoint
from tlzoo.registry.search.bitmaps import bits_of, everything
from tlzoo.registry.search.fields import NUMBERS, SORTS, WORDS, searched


class Table(Protocol):
    """What a small file in memory and a large one's index have in common; rows count from 0, words are lower case."""

    @property
    def total(self) -> int:
        """How many entries there are."""

    def row(self, id: str) -> int | None:
        """Where the entry of this id is."""

    def ids(self) -> list[str]:
        """Every row's id."""

    def checkpoint(self, row: int) -> Checkpoint:
        """The entry in a row."""

    def values(self, field: str) -> list[str]:
        """The different words that occur in a field of `fields.WORDS`."""

    def having(self, field: str, value: str) -> int:
        """The rows that have this word in a field of `fields.WORDS`."""

    def between(self, field: str, low: int | None, high: int | None) -> int:
        """The rows whose number, of `fields.NUMBERS`, is known and in the range, both ends included."""

    def containing(self, word: str) -> int:
        """The rows in whose searched text the word occurs."""

    def window(self, bits: int, sort: str, start: int, stop: int) -> list[int]:
        """The rows of `bits` at the places `start` to `stop` of an order of `fields.SORTS`."""

    def near(self, id: str) -> list[str]:
        """Ids among which those that look like `id` are, at most some hundreds of a large file."""


class Listed:
    """A table of checkpoints in memory."""

    def __init__(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        self.checkpoints = checkpoints
        self.total = len(checkpoints)
        self._kept: dict[str, list[set[str]]] = {}

    def row(self, id: str) -> int | None:
        """Where the entry of this id is."""
        return self._rows.get(id)

    def ids(self) -> list[str]:
        """Every row's id."""
        return [checkpoint.id for checkpoint in self.checkpoints]

    def checkpoint(self, row: int) -> Checkpoint:
        """The entry in a row."""
        return self.checkpoints[row]

    def values(self, field: str) -> list[str]:
        """The different words of a field."""
        return list({word for words in self._words(field) for word in words})

    def having(self, field: str, value: str) -> int:
        """The rows that have this word in a field."""
        return self._where([value in words for words in self._words(field)])

    def between(self, field: str, low: int | None, high: int | None) -> int:
        """The rows whose number is known and in the range."""
        numbers = [NUMBERS[field](checkpoint) for checkpoint in self.checkpoints]
        return self._where(
            [n is not None and (low is None or n >= low) and (high is None or n <= high) for n in numbers]
        )

    def containing(self, word: str) -> int:
        """The rows in whose searched text the word occurs."""
        return self._where([word in text for text in self._texts])

    def window(self, bits: int, sort: str, start: int, stop: int) -> list[int]:
        """The rows of `bits` at these places of an order."""
        key = SORTS[sort]
        rows = (row for row in range(self.total) if bits >> row & 1)
        return sorted(rows, key=lambda row: key(self.checkpoints[row]))[start:stop]

    def near(self, id: str) -> list[str]:
        """Every id."""
        return self.ids()

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {checkpoint.id: row for row, checkpoint in enumerate(self.checkpoints)}

    @cached_property
    def _texts(self) -> list[str]:
        return [searched(checkpoint) for checkpoint in self.checkpoints]

    def _words(self, field: str) -> list[set[str]]:
        if field not in self._kept:
            words = WORDS[field]
            self._kept[field] = [{word.lower() for word in words(checkpoint)} for checkpoint in self.checkpoints]
        return self._kept[field]

    def _where(self, answers: list[bool]) -> int:
        return bits_of((row for row, answer in enumerate(answers) if answer), self.total) & everything(self.total)
