"""One reader of tables for training and prediction: row by row, each fault with its place."""

from __future__ import annotations

import csv
import tracemalloc
from decimal import Decimal
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tlzoo.errors import DataError, InputError
from tlzoo.io.inputs.formats import MissingColumn
from tlzoo.io.inputs.tables import stream_table


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "place", "fault"),
    [
        ("t.csv", b'a,b\n"two\nlines",1\nshort\nlast,2\n', "line 4", "1 cells in line 4"),
        ("t.tsv", b"a\tb\nx\t1\n\ny\t2\t3\nlast\t2\n", "line 4", "3 cells in line 4"),
        ("t.csv", b"a,b\nx,1\ny\0,2\nlast,2\n", "line 3", "NUL byte in line 3"),
        ("t.jsonl", b'{"a": 1}\n\n{"a": \n{"a": "last"}\n', "line 3", "broken JSON in line 3"),
        ("t.jsonl", b'{"a": 1}\n[1]\n{"a": "last"}\n', "line 2", "no JSON object in line 2"),
    ],
)
def test_a_broken_row_is_an_error_in_its_place_and_the_next_is_read(tmp_path, name, content, place, fault):
    rows = list(stream_table(written(tmp_path / name, content)))
    [(where, error)] = [row for row in rows if isinstance(row[1], InputError)]
    assert where == place
    assert fault in error.message
    assert error.hint
    assert rows[-1][1]["a"] == "last"


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("t.csv", b'a,b\nx,1\n"y,2\n', "row at line 3"),
        ("t.csv", b"a,b\nx,1\nh\xe9,2\n", r"UTF-8 text \(line 3\)"),
        ("t.jsonl", b'{"a": 1}\n{"a": "h\xe9"}\n', r"UTF-8 text \(line 2\)"),
        ("t.csv", b"a,a\n1,2\n", "duplicate column 'a'"),
        ("t.csv", b"a\0,b\n1,2\n", "NUL byte in line 1"),
        ("t.csv", b"", "zero bytes"),
        ("t.parquet", b"PAR1 and no more", "Parquet"),
        ("t.xls", b"x", "not in a table format"),
    ],
)
def test_a_table_that_cannot_be_read_to_its_end_is_named_with_the_line(tmp_path, name, content, fault):
    with pytest.raises(DataError, match=fault) as caught:
        list(stream_table(written(tmp_path / name, content)))
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"none\.csv cannot be read"):
        list(stream_table(tmp_path / "none.csv"))


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_columns_that_are_needed_are_asked_for_before_the_first_row(tmp_path, name):
    file = tmp_path / name
    if name == "t.parquet":
        pq.write_table(pa.table({"b": [1]}), file)
    else:
        file.write_text("b\n1\n" if name == "t.csv" else '{"b": 1}\n')
    with pytest.raises(MissingColumn, match="'a'") as caught:
        next(stream_table(file, ["a"]))
    assert "'b'" in caught.value.hint


def test_of_parquet_only_the_columns_asked_for_are_read_and_rows_are_counted_through(tmp_path: Path):
    count = 3000
    pq.write_table(pa.table({"a": list(range(count)), "b": ["x"] * count}), tmp_path / "t.parquet", row_group_size=700)
    rows = list(stream_table(tmp_path / "t.parquet", ["a"]))
    assert rows == [(f"row {at + 1}", {"a": at}) for at in range(count)]


def test_numbers_of_parquet_are_as_short_as_they_were_written(tmp_path: Path):
    columns = {
        "single": pa.array([0.1, None, 3.0], pa.float32()),
        "half": pa.array(np.array([0.1, 2.5, 7], np.float16)),
        "price": pa.array([Decimal("1.50"), None, Decimal("20.00")]),
        "number": pa.array([Decimal("12345678901234567890"), Decimal(1), None]),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert [repr(list(row.values())) for _, row in stream_table(tmp_path / "t.parquet")] == [
        "[0.1, 0.1, 1.5, 12345678901234567890]",
        "[None, 2.5, None, 1]",
        "[3.0, 7.0, 20.0, None]",
    ]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_table_is_never_held_whole(tmp_path, name):
    line = "x" * 1000 + "\n" if name == "t.csv" else '{"a": "' + "x" * 1000 + '"}\n'
    file = written(tmp_path / name, (("a\n" if name == "t.csv" else "") + line * 20_000).encode())
    tracemalloc.start()
    count = sum(1 for _ in stream_table(file))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < file.stat().st_size / 10


def test_two_tables_with_long_cells_can_be_read_in_turns(tmp_path: Path):
    files = [written(tmp_path / name, b"a\nshort\n" + b"x" * 200_000 + b"\n") for name in ("one.csv", "two.csv")]
    one, two = (stream_table(file) for file in files)
    assert len(list(islice(one, 1))) == len(list(two)) - 1 == len(list(one))


def test_cells_may_be_long_and_the_limit_of_the_process_stays(tmp_path: Path):
    before = csv.field_size_limit(1000)
    try:
        rows = stream_table(written(tmp_path / "t.csv", b"a,b\n" + b"x" * 5000 + b",1\nshort,2\n"))
        assert len(next(rows)[1]["a"]) == 5000
        assert csv.field_size_limit() == 1000
        assert [row["a"] for _, row in rows] == ["short"]
        assert csv.field_size_limit() == 1000
    finally:
        csv.field_size_limit(before)


def test_a_blank_first_line_does_not_keep_columns_from_being_checked(tmp_path: Path):
    with pytest.raises(MissingColumn, match="no column 'text'"):
        list(stream_table(written(tmp_path / "t.jsonl", b'\n  \n{"words": "x"}\n{"words": "y"}\n'), ["text"]))


@pytest.mark.parametrize(("ending", "separator"), [("csv", b","), ("tsv", b"\t")])
def test_blank_lines_before_a_header_are_none(tmp_path: Path, ending: str, separator: bytes):
    content = b"\n  \n" + separator.join((b"text", b"label")) + b"\n\n" + separator.join((b"fine", b"good")) + b"\n"
    found = list(stream_table(written(tmp_path / f"t.{ending}", content), ["text"]))
    assert found == [("line 5", {"text": "fine", "label": "good"})]


def test_of_many_columns_the_first_are_named(tmp_path: Path):
    (tmp_path / "wide.csv").write_text(",".join(f"c{at}" for at in range(100_000)) + "\n")
    with pytest.raises(DataError, match="and 99,980 more") as caught:
        list(stream_table(tmp_path / "wide.csv", ["text"]))
    assert len(str(caught.value)) < 1000
    (tmp_path / "twice.csv").write_text(",".join(f"c{at % 99_999}" for at in range(100_000)) + "\n")
    with pytest.raises(DataError, match="duplicate column 'c0'"):
        list(stream_table(tmp_path / "twice.csv"))
