"""Texts in other encodings, and compressed ones: what is read, what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tlzoo.errors import DataError, UsageError
from tlzoo.io.encodings import UsualEncoding, check_encoding, encoding_of, open_text, settled_encoding
from tlzoo.io.texts import read_text

TEXT = "café\nthé €\n"


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding_whatever_is_named(tmp_path: Path, coding: str):
    file = written(tmp_path / "a.txt", TEXT.encode(coding))
    assert read_text(file) == TEXT
    if coding != "utf-8":
        assert read_text(file, "cp1252") == TEXT


@pytest.mark.parametrize("coding", ["cp1252", "utf-8", "utf-16-le", "iso8859-15", "shift_jis"])
def test_an_encoding_without_a_mark_can_be_named(tmp_path: Path, coding: str):
    text = "日本" if coding == "shift_jis" else TEXT
    file = written(tmp_path / "a.txt", text.encode(coding))
    assert read_text(file, coding) == text
    with open_text(file, coding) as opened:
        assert opened.read() == text


def test_utf8_is_not_read_as_one_byte_a_letter(tmp_path: Path):
    file = written(tmp_path / "a.txt", TEXT.encode())
    with pytest.raises(DataError, match="is UTF-8, not cp1252"):
        read_text(file, "cp1252")
    assert settled_encoding(written(tmp_path / "b.txt", b"plain"), "cp1252") == "cp1252"
    latin = written(tmp_path / "c.txt", TEXT.encode("cp1252"))
    for name in ("cp1252", UsualEncoding("cp1252")):
        assert settled_encoding(latin, name) == "cp1252"
    assert settled_encoding(file, UsualEncoding("cp1252")) is None
    assert read_text(file, UsualEncoding("cp1252")) == TEXT
    for coding in ("utf-8", "utf-8-sig", "ascii", "shift_jis", "cp932", "gb18030", "big5", "euc_kr", "utf-16-le"):
        assert settled_encoding(file, coding) == coding
    for coding in ("latin-1", "iso8859-8", "cp1255", "tis-620", "koi8-r", "mac-roman"):
        with pytest.raises(DataError, match=f"is UTF-8, not {coding}"):
            settled_encoding(file, coding)
    assert settled_encoding(file, None) is None


@pytest.mark.parametrize("name", ["", "utf-9", "base64", "rot13"])
def test_what_is_no_text_encoding_is_refused(name: str):
    with pytest.raises(UsageError, match="`encoding` cannot be"):
        check_encoding(name)
    assert check_encoding("Latin-1") == "iso8859-1"


def test_without_a_mark_or_a_name_it_is_utf8():
    assert encoding_of(b"abc") == encoding_of(b"") == "utf-8-sig"
    assert encoding_of(b"abc", "cp1252") == "cp1252"


def test_a_compressed_text_is_read_and_one_cut_short_is_named(tmp_path: Path):
    packed = gzip.compress(TEXT.encode("utf-16"))
    with open_text(written(tmp_path / "a.csv.gz", packed)) as opened:
        assert opened.read() == TEXT
    for content in (packed[:-9], b"plain", packed[:12] + b"\xff" * 20):
        with (
            pytest.raises(DataError, match="not a whole gzip file"),
            open_text(written(tmp_path / "b.csv.gz", content)) as opened,
        ):
            opened.read()


def test_what_expands_beyond_measure_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tlzoo.io.encodings._ALLOWED", 1000)
    bomb = written(tmp_path / "a.csv.gz", gzip.compress(b"a" * 10**6))
    with pytest.raises(DataError, match="expands to more than 200 times"), open_text(bomb) as opened:
        opened.read()
