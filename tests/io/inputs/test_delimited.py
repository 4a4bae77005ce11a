"""Tables of lines: by what their cells are separated, and quotes that are none."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import DataError
from tlzoo.io.inputs.formats import TableFormat, UsualSeparator
from tlzoo.io.inputs.tables import settings_of, stream_table, table_ending

WANTED = ("text", "label")


def cells(path: Path, content: str | bytes, **given: Any) -> tuple[list[list[Any]], list[str]]:
    """The rows as lists, and what the reader found out."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    how = TableFormat(**given)
    return [list(row.values()) for _, row in stream_table(path, how=how) if isinstance(row, dict)], how.notes


@pytest.mark.parametrize("ending", ["csv", "tsv"])
@pytest.mark.parametrize(("separator", "said"), [(",", "','"), (";", "';'"), ("\t", "tabs"), ("|", "'|'")])
def test_the_separator_is_known_by_the_header_and_said(tmp_path: Path, ending: str, separator: str, said: str):
    text = "1,5; it is|fine\tno".replace(separator, "/")
    content = f"text{separator}label\n{text}{separator}good\n"
    rows, notes = cells(tmp_path / f"t.{ending}", content, wanted=WANTED)
    assert rows == [[text, "good"]]
    usual = {"csv": ",", "tsv": "\t"}[ending] == separator
    assert notes == ([] if usual else [f"separated by {said}"])


@pytest.mark.parametrize(
    ("content", "first"),
    [
        ("a;b\n1,5;2\n2,5;3\n", ["1,5", "2"]),
        ("text;note,label\nx;y,z\n", ["x;y", "z"]),
        ("text\na;b\nc|d\n", ["a;b"]),
        ('"a;b",c\n1,2\n', ["1", "2"]),
        ("sep=|\na|b\n1|2\n", ["1", "2"]),
    ],
)
def test_rows_decide_where_the_header_does_not(tmp_path: Path, content: str, first: list[str]):
    assert cells(tmp_path / "t.csv", content)[0][0] == first


@pytest.mark.parametrize(
    ("content", "first"),
    [
        ("text\tlabel\na, b; c\tx\n", ["a, b; c", "x"]),
        ("text,label\na; b,x\n", ["a; b", "x"]),
        ("text;label\na, b\tc;x\n", ["a, b\tc", "x"]),
        ("sep=|\ntext|label\na; b|x\n", ["a; b", "x"]),
    ],
)
def test_a_separator_that_other_data_had_is_used_where_it_occurs(tmp_path: Path, content: str, first: list[str]):
    found, _ = cells(tmp_path / "t.csv", content, separator=UsualSeparator(";"))
    assert found[0] == first


def test_of_two_separators_that_would_do_neither_is_guessed(tmp_path: Path):
    with pytest.raises(DataError, match=r"cannot be told: ';' or '\|'") as caught:
        cells(tmp_path / "t.csv", "a;b|c\n1;2|3\n")
    assert caught.value.hint == "Name it, such as `columns={'separator': ';'}`"
    assert cells(tmp_path / "t.csv", "a;b|c\n1;2|3\n", separator="|")[0] == [["1;2", "3"]]


@pytest.mark.parametrize("ending", ["csv.gz", "tsv.gz"])
def test_a_compressed_table_is_read_as_what_it_is(tmp_path: Path, ending: str):
    rows, notes = cells(tmp_path / f"t.{ending}", gzip.compress("text;label\né;b\n".encode("utf-16")), wanted=WANTED)
    assert (rows, notes) == ([["é", "b"]], ["separated by ';'", "in utf-16"])
    assert settings_of(f"t.{ending}") == {"separator", "quoting", "encoding"}
    assert (table_ending("A.CSV.GZ"), table_ending("a.gz"), table_ending("a.csv.zip")) == (".csv.gz", "", "")


def labelled(separator: str = "\t", count: int = 40) -> list[str]:
    return [f"text number {at}{separator}{'good' if at % 2 else 'bad'}" for at in range(count)]


def stray(rows: list[str], first: int, last: int, separator: str) -> str:
    """A table in which a text of one row begins with a quote, and one of another ends with one."""
    text, label = rows[last].split(separator)
    rows = [*rows]
    rows[first], rows[last] = f'"{rows[first]}', f'{text}"{separator}{label}'
    return "\n".join([f"text{separator}label", *rows])


@pytest.mark.parametrize("separator", [",", "\t", ";"])
@pytest.mark.parametrize(("first", "last"), [(4, 15), (0, 1), (38, 39), (0, 39)])
def test_a_stray_quote_that_would_swallow_rows_is_named_with_its_line(
    tmp_path: Path, separator: str, first: int, last: int
):
    file = tmp_path / "t.csv"
    content = stray(labelled(separator), first, last, separator)
    with pytest.raises(DataError, match=f"quote in line {first + 2} that is closed in line {last + 2}") as caught:
        cells(file, content)
    assert "`columns={'quoting': 'none'}`" in caught.value.hint
    rows, _ = cells(file, content, quoting="none")
    assert [row[1] for row in rows] == [row.split(separator)[1] for row in labelled(separator)]
    assert rows[first][0].startswith('"')
    assert len(cells(file, content, quoting="double")[0]) == 40 - (last - first)


@pytest.mark.parametrize(
    ("header", "rows", "first", "last"),
    [
        ("id,text", [f"{at},text {at}" for at in range(20)], '3,"text a', '5,text b"'),
        ("text,target", [f"text {at},{at / 2}" for at in range(20)], '"text a,1.5', 'text b",2.5'),
        ("label,text", [f"{'ab'[at % 2]},text {at}" for at in range(20)], 'a,"text a', 'b,text b"'),
        ("source\ttarget", [f"text {at}\tTekst {at}" for at in range(20)], '"text a\tTekst a', 'text b"\tTekst b'),
    ],
)
def test_so_it_is_beside_numbers_and_labels(tmp_path: Path, header: str, rows: list[str], first: str, last: str):
    rows[3], rows[5] = first, last
    with pytest.raises(DataError, match="quote in line 5 that is closed in line 7"):
        cells(tmp_path / "t.csv", "\n".join([header, *rows]))


def test_a_quote_that_is_never_closed_is_named_with_its_line_and_the_option(tmp_path: Path):
    rows = labelled()
    rows[7] = f'"{rows[7]}'
    with pytest.raises(DataError, match="malformed row at line 9") as caught:
        cells(tmp_path / "t.tsv", "\n".join(["text\tlabel", *rows]))
    assert "`columns={'quoting': 'none'}`" in caught.value.hint


@pytest.mark.parametrize(
    "cell",
    [
        "12 Main Street, Apt 3\nSpringfield, IL\nUSA, 12345",
        "Dear John,\nyours, Me",
        "first, part\nsecond",
        "a\n\nb\r\nc",
        'she said ""no, never""\nand went, slowly',
    ],
)
def test_an_honest_cell_of_several_lines_is_one_cell(tmp_path: Path, cell: str):
    rows = labelled(",")
    rows[7] = f'"{cell}",good'
    found, _ = cells(tmp_path / "t.csv", "\n".join(["text,label", *rows]))
    assert len(found) == 40
    assert found[7] == [cell.replace('""', '"'), "good"]
