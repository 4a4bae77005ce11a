"""Files of text and the files of a folder: what is read, what is refused and in which words."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import DataError
from tlzoo.io import texts
from tlzoo.io.texts import NUL_HINT, bounded_lines, has_lone_surrogate, json_text, listed_names, read_text

NAME_IT = "Save it again as UTF-8, or name its encoding, such as `columns={'encoding': 'cp1252'}`"


def test_lines_are_those_of_the_text_up_to_the_longest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(texts, "LONGEST", 3)
    assert list(bounded_lines(io.StringIO("ab\n\nabc"), "File x")) == ["ab\n", "\n", "abc"]
    assert list(bounded_lines(io.StringIO(""), "File x")) == []
    with pytest.raises(DataError) as error:
        list(bounded_lines(io.StringIO("ab\nabcd"), "File x"))
    assert error.value.message == "File x has more than 3 characters in line 2."
    assert error.value.hint == "Is it text? Give one input on each line."


def test_a_text_is_utf8_with_or_without_a_mark(tmp_path: Path):
    path = tmp_path / "t.txt"
    for content in ("ä\r\nb".encode(), b"\xef\xbb\xbf" + "ä\r\nb".encode()):
        path.write_bytes(content)
        assert read_text(path) == "ä\r\nb"


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (b"a\xffb", "is not UTF-8 text (line 1).", NAME_IT),
        (b"a\nb\nc\xff\n\xff", "is not UTF-8 text (line 3).", NAME_IT),
        (b"\0", "has a NUL byte in line 1.", NUL_HINT),
        (b"a\nb\0c\n\0", "has a NUL byte in line 2.", NUL_HINT),
        (None, "cannot be read: No such file or directory.", "Check the path."),
    ],
)
def test_anything_else_is_refused_with_its_line(tmp_path: Path, content: bytes | None, message: str, hint: str):
    path = tmp_path / "t.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_text(path)
    assert (error.value.message, error.value.hint) == (f"File {path} {message}", hint)


@pytest.mark.parametrize(
    ("value", "half"),
    [("a\ud83d", True), ("\udc00", True), ("a\U0001f600", False), (["a", {"b": "\ud83d"}], True), ([1, None], False)],
)
def test_half_a_surrogate_pair_is_found_at_any_depth(value: Any, half: bool):
    assert has_lone_surrogate(value) is half


def test_json_keeps_letters_that_the_encoding_has():
    assert json_text({"a": "ä"}) == '{"a": "ä"}\n'
    assert json_text({"a": "ä"}, "ascii") == '{"a": "\\u00e4"}\n'
    assert json_text({"a": "\udcff"}) == '{"a": "\\udcff"}\n'
    for encoding in ("utf-8", "ascii"):
        assert (
            json_text(["ä"], encoding, indent=1) == json.dumps(["ä"], indent=1, ensure_ascii=encoding != "utf-8") + "\n"
        )


def test_names_are_quoted_and_neither_long_nor_many():
    assert listed_names([]) == ""
    assert listed_names(["a", "b"]) == "'a', 'b'"
    assert listed_names(["a", "b", "c"], 3) == "'a', 'b', 'c'"
    assert listed_names(["a", "b", "c"], 2) == "'a', 'b', and 1 more"
    assert listed_names(list("ab") * 1000, 1) == "'a', and 1,999 more"
    assert listed_names(["x" * 80, "y" * 81]) == f"'{'x' * 80}', '{'y' * 80}...'"
    assert listed_names(["a"] * 21).endswith("'a', and 1 more")
    assert not listed_names(["a"] * 20).endswith("more")
