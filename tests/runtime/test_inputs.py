"""What stands behind the names on a command line."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import DataError, InputError, UsageError
from tlzoo.io.inputs.formats import TableFormat
from tlzoo.runtime.inputs import InputSpec, check_inputs, named_inputs

PICTURES = InputSpec("image", (".jpg", ".png"))
TEXTS = InputSpec("text", (".txt",))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with files of several kinds."""
    for name in ("photos/b.jpg", "photos/a.JPG", "photos/deep/c.png", "photos/notes.md", "photos/.hidden.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(given: list[str], wanted: InputSpec) -> list[str]:
    return [name for name, _ in named_inputs(given, wanted, [])]


def test_a_folder_is_its_files_of_the_right_kind_in_order_and_nothing_hidden(place: Path):
    assert names(["photos"], PICTURES) == ["photos/a.JPG", "photos/b.jpg", "photos/deep/c.png"]


def test_a_pattern_is_the_files_it_matches(place: Path):
    assert names(["photos/**/*.png", "photos/?.jpg"], PICTURES) == ["photos/deep/c.png", "photos/b.jpg"]
    with pytest.raises(UsageError, match="No file matches"):
        check_inputs(["photos/*.gif"], PICTURES)


def test_a_folder_without_a_file_of_the_kind_is_an_error_for_that_input_alone(place: Path):
    (place / "empty").mkdir()
    (name, error), (other, _) = named_inputs(["empty", "photos/b.jpg"], PICTURES, [])
    assert (name, other) == ("empty", "photos/b.jpg")
    with pytest.raises(InputError, match="empty contains no image"):
        raise error


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.csv", 'id,file\n1,photos/b.jpg\n2,"photos/deep/c.png"\n'),
        ("list.tsv", "file\tid\nphotos/b.jpg\t1\nphotos/deep/c.png\t2\n"),
        ("list.jsonl", '{"file": "photos/b.jpg"}\n\n{"id": 1, "file": "photos/deep/c.png"}\n'),
    ],
)
def test_a_tables_paths_start_at_its_folder(place: Path, name: str, content: str, monkeypatch: pytest.MonkeyPatch):
    (place / name).write_text(content)
    monkeypatch.chdir("/")
    found = names([str(place / name)], InputSpec("image", (), "file"))
    assert found == [str(place / "photos/b.jpg"), str(place / "photos/deep/c.png")]


def test_a_parquet_tables_column_is_read(place: Path):
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"text": ["one", None, "three"]}), place / "t.parquet")
    found = list(named_inputs(["t.parquet"], TEXTS, []))
    assert [value for _, value in found if isinstance(value, str)] == ["one", "three"]
    assert isinstance(found[1][1], InputError)


def test_a_column_that_is_not_there_is_named_with_those_that_are(place: Path):
    (place / "t.csv").write_text("body,label\nhello,a\n")
    with pytest.raises(DataError, match="no column 'text'") as error:
        names(["t.csv"], TEXTS)
    assert ("`columns`" in error.value.hint, error.value.parameter) == (True, "columns")
    assert "'body'" in error.value.hint


def test_rows_that_are_broken_are_errors_of_their_own(place: Path):
    (place / "t.csv").write_text("text,label\nfine,a\nshort\nalso fine,b\n")
    (place / "t.jsonl").write_text('{"text": "fine"}\nno json\n{"text": [3]}\n{"text": "also fine"}\n')
    for table in ("t.csv", "t.jsonl"):
        values = [value for _, value in named_inputs([table], TEXTS, [])]
        assert (values[0], values[-1]) == ("fine", "also fine")
        assert all(isinstance(value, InputError) and table in value.message for value in values[1:-1])


def test_half_a_surrogate_pair_is_an_error_of_its_row_alone(place: Path):
    (place / "t.jsonl").write_text(
        '{"text": "fine"}\n{"text": "a\\ud83d b"}\n{"text": "good \\ud83d\\ude00", "id": "\\ud83d"}\n'
    )
    [first, (name, error), last] = named_inputs(["t.jsonl"], TEXTS, [])
    assert (first[1], last[1]) == ("fine", "good 😀")
    assert isinstance(error, InputError)
    assert "half a surrogate pair in 'text' in line 2" in error.message
    assert name == "t.jsonl, line 2"
    (place / "p.jsonl").write_text('{"path": "\\udcfc.png"}\n')
    assert names(["p.jsonl"], PICTURES) == [os.path.join(".", "\udcfc.png")]


def test_an_argument_of_a_text_model_is_a_text_unless_it_names_texts(place: Path):
    (place / "letter.txt").write_text("dear reader")
    (place / "photos.txt").mkdir()
    given = ["what a film?", "letter.txt", "*.txt", "x" * 5000, "https://a.example/b", "see my file.csv"]
    assert list(named_inputs(given, TEXTS, [])) == [
        ("what a film?", "what a film?"),
        ("letter.txt", "dear reader"),
        ("letter.txt", "dear reader"),
        ("x" * 5000, "x" * 5000),
        ("https://a.example/b", "https://a.example/b"),
        ("see my file.csv", "see my file.csv"),
    ]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("no-such.csv", "no file no-such.csv"),
        ("no-such.txt", "no file no-such.txt"),
        ("deep/no-such", "no file deep/no-such"),
        ("./my files/no such.jsonl.gz", "no file ./my files"),
        ("photos/*", r"No file matches photos/\*"),
        ("photos", "Folder photos contains no text file"),
        ("letter.pdf", "not of a kind that is read"),
        ("", "is empty"),
        (" \n", "is empty"),
    ],
)
def test_what_names_no_text_is_an_error_for_that_input_alone(place: Path, given: str, fault: str):
    (place / "letter.pdf").write_text("x")
    first, (name, error), last = named_inputs(["good", given, "bad"], TEXTS, [])
    assert (first[1], name, last[1]) == ("good", given, "bad")
    with pytest.raises(InputError, match=fault) as caught:
        raise error
    assert caught.value.hint


def test_what_looks_like_a_path_can_be_a_text_all_the_same(place: Path):
    given = ["no-such.csv", "photos", "either/or"]
    found = list(named_inputs(given, replace(TEXTS, texts=True), []))
    assert found == [(each, each) for each in given]


def test_a_table_that_is_not_there_is_an_error_for_that_input_alone_for_files_too(place: Path):
    (name, error), (_, there) = named_inputs(["no-such.csv", "photos/b.jpg"], PICTURES, [])
    assert (name, there) == ("no-such.csv", "photos/b.jpg")
    assert isinstance(error, InputError)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'text,other\nfine,x\n,x\n" ",x\n'),
        ("t.jsonl", '{"text": "fine"}\n{"text": null}\n{"text": ""}\n{"text": " "}\n{"other": 1}\n'),
    ],
)
def test_rows_without_a_text_are_errors_all_alike(place: Path, name: str, content: str):
    (place / name).write_text(content)
    (_, fine), *others = named_inputs([name], TEXTS, [])
    assert fine == "fine"
    assert len(others) == content.count("\n") - (2 if name == "t.csv" else 1)
    assert all(isinstance(value, InputError) and "'text'" in value.message for _, value in others)


def test_cells_are_texts_as_in_training(place: Path):
    (place / "t.jsonl").write_text('{"text": 3}\n{"text": true}\n{"text": "a\\u0000b"}\n')
    [(_, number), (_, true), (_, nul)] = named_inputs(["t.jsonl"], TEXTS, [])
    assert (number, true) == ("3", "true")
    assert isinstance(nul, InputError)


def test_a_line_that_is_no_utf8_is_an_error_for_that_line_alone():
    lines = [b"\xef\xbb\xbflovely\r\n", b"caf\xe9\n", b"\n", "caf\u00e9".encode()]
    (_, first), (name, bad), (_, empty), (_, last) = named_inputs(["-"], TEXTS, lines)
    assert (first, name, last) == ("lovely", "caf\\xe9", "caf\u00e9")
    assert isinstance(bad, InputError)
    assert "Line 2" in bad.message
    assert isinstance(empty, InputError)
    latin = replace(TEXTS, how=TableFormat(encoding="latin-1"))
    assert [value for _, value in named_inputs(["-"], latin, [b"caf\xe9\n"])] == ["caf\u00e9"]


def test_paths_in_a_table_may_have_backslashes_and_start_elsewhere(place: Path):
    (place / "lists").mkdir()
    (place / "lists" / "t.csv").write_text("path\nphotos\\b.jpg\nnone\\b.jpg\n")
    found = names(["lists/t.csv"], replace(PICTURES, folder=str(place)))
    assert found == [str(place / "photos/b.jpg"), str(place / "none\\b.jpg")]


def test_a_text_file_that_is_no_text_is_an_error_of_its_own(place: Path):
    (place / "bad.txt").write_bytes(b"\xff\xfe\x00\xd8")
    [(name, value)] = named_inputs(["bad.txt"], TEXTS, [])
    assert name == "bad.txt"
    assert isinstance(value, InputError)


def test_lines_are_read_when_they_are_wanted():
    def endless() -> Any:
        for number in count():
            assert number < 5
            yield f"line {number}\n"

    assert [name for name, _ in islice(named_inputs(["-"], TEXTS, endless()), 3)] == ["line 0", "line 1", "line 2"]


def test_a_long_table_is_read_lazily(place: Path):
    with (place / "t.jsonl").open("w") as file:
        for number in range(2000):
            file.write(json.dumps({"text": f"text {number}"}) + "\n")
        file.write("\xff broken")
    assert [name for name, _ in islice(named_inputs(["t.jsonl"], TEXTS, []), 2)] == ["text 0", "text 1"]


def test_two_stars_are_folders_of_any_depth(place: Path):
    (place / "photos" / "deep" / "deeper").mkdir()
    (place / "photos" / "deep" / "deeper" / "d.png").write_text("x")
    assert names(["**/*.png"], PICTURES) == ["photos/deep/c.png", "photos/deep/deeper/d.png"]
    check_inputs(["photos/**/deeper/*.png", "**/d.png"], PICTURES)


def test_the_signs_of_a_pattern_in_a_text_are_text(place: Path):
    check_inputs(["is it good? *very* [sic]"], TEXTS)
    assert names(["is it good? *very*", "ph?"], TEXTS) == ["is it good? *very*", "ph?"]
