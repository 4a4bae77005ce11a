"""Tables in JSON and in workbooks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tlzoo.errors import DataError, InputError
from tlzoo.io.inputs import documents
from tlzoo.io.inputs.formats import MissingColumn, TableFormat
from tlzoo.io.inputs.tables import stream_table

ROWS = [{"text": "a", "label": 1}, {"text": "b", "label": None}]


def read(path: Path, content: str | bytes, only: tuple[str, ...] = ()) -> tuple[list[object], list[str]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    how = TableFormat()
    return [row for _, row in stream_table(path, only, how)], how.notes


@pytest.mark.parametrize(
    ("content", "notes"),
    [
        (json.dumps(ROWS), []),
        (json.dumps({"version": 1, "data": ROWS}), ["the list 'data' in it"]),
        ("\n".join(map(json.dumps, ROWS)), ["of JSON lines"]),
    ],
)
def test_an_array_of_objects_is_a_table(tmp_path: Path, content: str, notes: list[str]):
    assert read(tmp_path / "t.json", content) == (ROWS, notes)
    assert read(tmp_path / "t.json.gz", gzip.compress(content.encode())) == (ROWS, notes)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"text": ["a"], "label": ["b"]}', "an object with 2 lists"),
        ('{"text": "a"}', "an object with 0 lists"),
        ('{"data": [1]}', "an object with 1 lists"),
        ("3", "holds int"),
        ('[{"a": 1},', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('[{"a": 1, "a": 2}]', "is not JSON: 'a'"),
    ],
)
def test_what_is_no_array_of_objects_is_refused(tmp_path: Path, content: str, fault: str):
    with pytest.raises(DataError, match=fault) as caught:
        read(tmp_path / "t.json", content)
    assert caught.value.hint


def test_an_item_that_is_no_object_is_an_error_in_its_place(tmp_path: Path):
    [first, error], _ = read(tmp_path / "t.json", '[{"text": "a"}, 3]', ("text",))
    assert first == {"text": "a"}
    assert isinstance(error, InputError)
    assert "row 2" in error.message
    with pytest.raises(MissingColumn):
        read(tmp_path / "t.json", '[{"words": "a"}]', ("text",))


def test_a_document_is_no_longer_than_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(documents, "_MOST", 10)
    with pytest.raises(DataError, match="more than 10 characters"):
        read(tmp_path / "t.json", json.dumps(ROWS))


def test_a_key_that_is_there_twice_is_an_error_of_its_row(tmp_path: Path):
    [first, error], _ = read(tmp_path / "t.jsonl", '{"text": "a"}\n{"text": "b", "text": "c"}\n')
    assert first == {"text": "a"}
    assert isinstance(error, InputError)
    assert "'text' twice in line 2" in error.message


def test_the_first_sheet_of_a_workbook_is_a_table(tmp_path: Path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Data"
    for row in ([], ["text", "label", "price"], ["a", 1, 2.5], [], ["b", None, None], ["c", 3, 4, "beyond"]):
        sheet.append(row)
    book.save(tmp_path / "one.xlsx")
    book.create_sheet("More")
    book.save(tmp_path / "t.xlsx")
    how = TableFormat()
    found = list(stream_table(tmp_path / "t.xlsx", ("text",), how))
    assert how.notes == ["sheet 'Data', the first of 2"]
    assert found[:2] == [
        ("row 3", {"text": "a", "label": 1, "price": 2.5}),
        ("row 5", {"text": "b", "label": None, "price": None}),
    ]
    assert isinstance(found[2][1], InputError)
    assert read(tmp_path / "one.xlsx", (tmp_path / "one.xlsx").read_bytes())[1] == []
    with pytest.raises(DataError, match="not a readable workbook"):
        read(tmp_path / "bad.xlsx", (tmp_path / "t.xlsx").read_bytes()[:500])


def test_in_a_workbook_a_failed_formula_is_an_error_and_the_header_is_named(tmp_path: Path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["Survey of 2026"], ["text", "label"], ["a", "b"], ["#REF!"]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    title, names, fault = (found for _, found in stream_table(tmp_path / "t.xlsx"))
    assert title.hint == names.hint == "Name the column in row 1, or delete what is above the names."
    assert fault.message == f"File {tmp_path / 't.xlsx'} has '#REF!' in row 4."
