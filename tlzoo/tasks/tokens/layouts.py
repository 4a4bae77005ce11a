"""What tagged texts look like on disk: CoNLL columns, and tables with spans, with lists of words, or of words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, starmap
from pathlib import Path
from typing import Any

from tlzoo.errors import DataError
from tlzoo.io.texts import read_text
from tlzoo.tasks.row import Row, spelled_column
from tlzoo.tasks.tokens.spans import join_words
from tlzoo.tasks.tokens.tags import bad_tags, is_iob

ENDINGS = (".conll", ".iob", ".iob2", ".bio")
COLUMNS = ("text", "entities")
_DOCUMENT = "-DOCSTART-"
_BLANKS = re.compile(" +")
"""Not every blank of Unicode: a no-break space may stand inside a word."""
_Line = tuple[int, list[str]]
"""A line's number in its file, and its cells."""
_NUMBER = re.compile("[0-9]{1,9}")
_NO_WORD = re.compile(r"#.*|[0-9]+[-.][0-9]+")
"""The first cells of comments, and of what CoNLL-U has beside words."""
_LINE_END = re.compile("\r*\n|\r")
"""As editors count them: other line ends of Unicode may stand inside words."""
_CONLL_HINT = "Write one word and its tag per line, and an empty line between texts."


@dataclass(frozen=True)
class _TaggedText:
    """The words of a text and their tags; `where` says where a person finds the tag of a word."""

    file: Path
    place: str
    words: Sequence[str]
    tags: Sequence[str]
    where: Callable[[int], str]


def conll(path: Path) -> Iterator[Row]:
    """The texts of a file of columns: the word comes first and the tag last, an empty line ends a text.

    A first column that numbers the words of most texts of the file is passed over, and with it CoNLL-U's rows of ranges
    (`2-3`) and empty nodes (`8.1`); so are lines that begin with `#` and a blank and lines of -DOCSTART-. Raises
    DataError naming a line without a tag, or without its number in a file that numbers its words.
    """
    texts = list(_sentences(path))
    counted = _counts_words(texts)
    found = [(lines[0][0], _without_numbers(path, lines) if counted else lines) for lines in texts]
    yield from _rows([_text_of_lines(path, first, lines) for first, lines in found if lines])


def _text_of_lines(path: Path, first: int, lines: Sequence[_Line]) -> _TaggedText:
    words, tags = [cells[0] for _, cells in lines], [cells[-1] for _, cells in lines]
    return _TaggedText(path, f"line {first}", words, tags, lambda at: f"in line {lines[at][0]}")


def _sentences(path: Path) -> Iterator[list[_Line]]:
    """The lines of each text."""
    lines = _LINE_END.split(read_text(path))
    found: list[_Line] = []
    for number, line in enumerate([*lines, ""], start=1):
        parts = line.split("\t") if "\t" in line else _BLANKS.split(line.strip(" "))
        cells = [cell.strip(" ") for cell in parts]
        if line.startswith("# ") or (cells and cells[0] == _DOCUMENT):
            continue
        if not line.strip(" \t"):
            if found:
                yield found
            found = []
        elif len(cells) < 2 or not all(cells[:1] + cells[-1:]):
            what = "an empty column" if len(cells) > 1 else "no tag"
            raise DataError(f"File {path} has {what} in line {number}, {line.strip()[:40]!r}.", hint=_CONLL_HINT)
        else:
            found.append((number, cells))


def _counts_words(texts: Sequence[Sequence[_Line]]) -> bool:
    """Whether the first column numbers the words: of most texts of several words, as one word may be a number."""
    several = [lines for lines in texts if len(lines) > 1]
    return 2 * sum(map(_is_counted, several)) > len(several)


def _is_counted(lines: Sequence[_Line]) -> bool:
    numbers = [cells[0] for _, cells in lines if not _NO_WORD.fullmatch(cells[0])]
    rising = len(numbers) > 1 and all(map(_NUMBER.fullmatch, numbers))
    return rising and all(len(cells) > 2 for _, cells in lines) and all(starmap(_follow, pairwise(numbers)))


def _without_numbers(path: Path, lines: Sequence[_Line]) -> list[_Line]:
    """The lines of words without their number; raises DataError naming a line that is not the next word."""
    found: list[_Line] = []
    before = ""
    for line, cells in lines:
        if _NO_WORD.fullmatch(cells[0]):
            continue
        if not _NUMBER.fullmatch(cells[0]) or len(cells) < 3 or (before and not _follow(before, cells[0])):
            raise DataError(
                f"File {path} numbers the words of its texts, but line {line} begins with {cells[0]!r}.",
                hint="Give each word of a text the next number, a word and a tag, or no line a number.",
            )
        found.append((line, cells[1:]))
        before = cells[0]
    return found


def _follow(before: str, number: str) -> bool:
    return int(number) == int(before) + 1


def samples(rows: Sequence[Row]) -> Sequence[Row]:
    """The texts in the rows of a table: with `text` and `entities`, with lists `tokens` and `tags`, or of one word."""
    if not rows:
        return rows
    if rows[0].has("text"):
        _check_one_layout(rows[0])
        return rows
    if rows[0].has("tokens"):
        return _rows_of_lists(rows)
    if rows[0].has("word"):
        return _rows_of_words(rows)
    there = ", ".join(map(repr, rows[0].columns))
    raise DataError(
        f"File {rows[0].file} holds no tagged texts; its columns are {there}.",
        hint="Columns: text and entities; tokens and tags; or sentence, word and tag. Rename one: "
        f"{spelled_column('word', 'NAME')}",
        parameter="columns",
    )


def _check_one_layout(row: Row) -> None:
    """Raise DataError where a table has entities in two layouts, which may contradict each other."""
    if row.has("entities") and row.has("tokens") and row.has("tags"):
        both = [row.column(role) for role in ("entities", "tokens", "tags")]
        raise DataError(
            f"File {row.file} has entities in the column {both[0]!r} and in {both[1]!r} with {both[2]!r}.",
            hint="Keep text and entities, or tokens and tags.",
        )


def _rows_of_lists(rows: Sequence[Row]) -> list[Row]:
    if rows[0].has("tags"):
        return _rows([_text_of_lists(row) for row in rows])
    return [_untagged(row, _list(row, "tokens"), "tags") for row in rows]


def _text_of_lists(row: Row) -> _TaggedText:
    words, tags = _list(row, "tokens"), _list(row, "tags")
    if len(tags) != len(words):
        raise row.error(f"has {len(words)} tokens and {len(tags)} tags", "Give each token a tag.")
    return _TaggedText(row.file, row.place, words, tags, lambda at: f"for word {at + 1}, {words[at]!r}, in {row.place}")


def _untagged(row: Row, words: Sequence[str], role: str) -> Row:
    """A text of a table without tags: whoever asks for its entities is told which column is missing."""
    try:
        row.column(role)
    except DataError as error:
        return Row(row.file, row.place, {"text": " ".join(words), "entities": error}, COLUMNS)
    raise AssertionError("the table has tags")


def _list(row: Row, role: str) -> list[str]:
    value, values = row.value(role), row.listed(role)
    if values is None and isinstance(value, str):
        values = row.scalar(role, value).split() if value.strip() else []
    if values is None:
        raise row.error(f"has no list in {row.column(role)!r}", "Write a list of strings, or words between blanks.")
    if not values and role == "tokens":
        raise row.error(f"has an empty list in {row.column(role)!r}", "Delete the row, or write its words.")
    strange = [each for each in values if not isinstance(each, str) or not each.strip()]
    if strange:
        raise row.error(
            f"has {strange[0]!r} in {row.column(role)!r}, which is not a word",
            "Write words and the names of tags, not their numbers.",
        )
    return [each.strip() for each in values]


def _rows_of_words(rows: Sequence[Row]) -> list[Row]:
    if not rows[0].has("sentence"):
        raise DataError(
            f"File {rows[0].file} has one word per row and no column that says where a text ends.",
            hint="Add a column sentence with the number of each word's text, or name it: "
            f"{spelled_column('sentence', 'NAME')}",
            parameter="columns",
        )
    known: Any = None
    texts: dict[Any, list[Row]] = {}
    for row in rows:
        value = row.value("sentence")
        before = known
        known = known if value is None or not str(value).strip() else str(value)  # some write it in the first row only
        if known is None:
            raise row.error(f"has no {row.column('sentence')!r}", "Number the first word of each text at least.")
        if known in texts and known != before:
            raise row.error(
                f"has sentence {known!r} a second time",
                "Sort the rows, so that those of a text follow one another.",
            )
        texts.setdefault(known, []).append(row)
    if rows[0].has("tag"):
        return _rows([_text_of_rows(members) for members in texts.values()])
    return [_untagged(members[0], _words(members), "tag") for members in texts.values()]


def _text_of_rows(members: Sequence[Row]) -> _TaggedText:
    tags = [row.text("tag").strip() for row in members]
    first = members[0]
    return _TaggedText(first.file, first.place, _words(members), tags, lambda at: f"in {members[at].place}")


def _words(members: Sequence[Row]) -> list[str]:
    return [row.text("word").strip() for row in members]


def _rows(texts: Sequence[_TaggedText]) -> list[Row]:
    """The texts of a file; whoever asks for the entities of one with a tag that cannot be read gets its error."""
    bad = bad_tags([text.tags for text in texts])
    return [_row(text, bad) for text in texts]


def _row(given: _TaggedText, bad: Mapping[str, str]) -> Row:
    text, entities = join_words(given.words, given.tags)
    cells: dict[str, Any] = {"text": text, "entities": entities}
    at = next((at for at, tag in enumerate(given.tags) if tag in bad), None)
    if at is not None:
        tag = given.tags[at]
        cells["entities"] = DataError(f"File {given.file} has the tag {tag!r} {given.where(at)}.", hint=bad[tag])
    return Row(given.file, given.place, cells, COLUMNS)


def entities_in(row: Row) -> list[list[Any]]:
    """The entities of a row, [start, end, label] in order; raises DataError naming one that cannot be."""
    text, column = row.text("text"), row.column("entities")
    if column not in row.cells:
        raise row.error(f"has no {column!r}", "Write an empty list where a text has no entity.")
    if isinstance(value := row.cells[column], DataError):
        raise value
    if value is None or (isinstance(value, str) and not value.strip()):
        return []
    given = row.listed("entities")
    if given is None:
        raise row.error(f"has no list in {column!r}", 'Write [{"start": 0, "end": 4, "label": "X"}].')
    found = sorted(_entity(row, text, each) for each in given)
    for one, other in pairwise(found):
        if other[0] < one[1]:
            raise row.error(
                f"has entities that overlap, {text[one[0] : one[1]]!r} and {text[other[0] : other[1]]!r},",
                "Keep one of them: a token has one tag.",
            )
    return found


def _entity(row: Row, text: str, given: Any) -> list[Any]:
    parts = [given.get(name) for name in ("start", "end", "label")] if isinstance(given, dict) else given
    if not isinstance(parts, list | tuple) or len(parts) != 3:
        raise row.error(f"has the entity {given!r}", "Write start, end and label of each.")
    start, end, label = parts
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in (start, end)):
        raise row.error(
            f"has an entity from {start!r} to {end!r}, which are not whole numbers", "Write 0, not 0.0 or '0'."
        )
    if not 0 <= start < end <= len(text):
        raise row.error(
            f"has an entity from {start!r} to {end!r} in a text of {len(text)} characters",
            "Count characters (code points) from 0; the end is the place after the last.",
        )
    if text[start:end].isspace():
        raise row.error(
            f"has an entity from {start} to {end}, where its text has no word",
            "Give the place of its words, or delete it.",
        )
    if not isinstance(label, str) or not label.strip():
        raise row.error(f"has {label!r} as the label of {text[start:end]!r}", "Name its label.")
    if is_iob(label.strip()):
        raise row.error(
            f"has the tag {label.strip()!r} as the label of {text[start:end]!r}",
            "Give the label without a prefix, such as PER for B-PER; leave out what is no entity.",
        )
    return [start, end, label.strip()]
