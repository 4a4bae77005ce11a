"""The seal of a few bytes: what it states, which bytes it covers, and what is said where it is gone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tlzoo.artifact import checksums, seal
from tlzoo.errors import ArtifactError

BODY = b"any bytes"
SUM = hashlib.sha256(BODY).hexdigest()
SEALED = BODY + seal.seal(BODY)


def test_the_seal_states_the_digest_in_its_last_bytes():
    assert seal.SIZE == 80
    assert seal.seal(BODY) == bytes([0x72, 78, 0x0A, 10]) + b"tlzoo.seal" + bytes([0x12, 64]) + SUM.encode()
    assert seal.stated(SEALED) == SUM
    with pytest.raises(ValueError, match=r"^the model is sealed already$"):
        seal.seal(SEALED)


@pytest.mark.parametrize("model", [b"", BODY, SEALED[:-1], SEALED[1:][-79:], SEALED[:-1] + b"g", SEALED + b"0"])
def test_anything_else_states_nothing(model: bytes):
    assert seal.stated(model) is None


def test_other_bytes_than_were_sealed_are_noticed():
    for model, sealed, broken in ((SEALED, True, False), (b"X" + SEALED[1:], True, True), (BODY, False, False)):
        check = seal.SealCheck(model)
        assert (check.sealed, check.broken()) == (sealed, broken)
        for needed in (True, False):
            if broken or (needed and not sealed):
                with pytest.raises(ArtifactError) as error:
                    check.check("m.onnx", needed)
                assert error.value.message == (
                    "m.onnx is damaged, or was changed after its export: its bytes are not those that were sealed."
                )
                assert error.value.hint == (
                    "Take another copy of it, or export it again: tlzoo export RUN --out FILE.onnx"
                )
            else:
                check.check("m.onnx", needed)


def test_a_file_is_checked_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "m.onnx"
    file.write_bytes(SEALED)
    for chunk in (1, 7, len(BODY), len(BODY) + 1, 2**20):
        monkeypatch.setattr(seal, "_CHUNK", chunk)
        assert seal.check_file(file) == SUM
        assert seal.check_path(file) == {file: SUM}
    file.write_bytes(seal.seal(b""))
    assert seal.check_file(file) == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist."),
        ("folder", "is not a file."),
        (b"", "has no seal: it is damaged, or was not exported by this version of tlzoo."),
        (BODY, "has no seal: it is damaged, or was not exported by this version of tlzoo."),
        (b"X" + SEALED, "is damaged, or was changed after its export: its bytes are not those that were sealed."),
    ],
)
def test_a_file_that_cannot_be_checked_says_why(tmp_path: Path, content: bytes | str | None, message: str):
    file = tmp_path / "m.onnx"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content:
        file.mkdir()
    with pytest.raises(ArtifactError) as error:
        seal.check_file(file)
    assert error.value.message == f"{file} {message}"


def test_of_a_folder_every_model_and_all_that_was_exported_with_it_is_checked(tmp_path: Path):
    for place in ("page", "repository/1"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "model.onnx").write_bytes(SEALED)
    (tmp_path / "page" / "index.html").write_text("page")
    checksums.write(tmp_path / "page")
    found = seal.check_path(tmp_path)
    assert found == {
        tmp_path / "page" / "model.onnx": SUM,
        tmp_path / "page" / "index.html": hashlib.sha256(b"page").hexdigest(),
        tmp_path / "repository" / "1" / "model.onnx": SUM,
    }
    (tmp_path / "page" / "index.html").write_text("Page")
    with pytest.raises(ArtifactError, match=r"index\.html is damaged"):
        seal.check_path(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path):
    with pytest.raises(ArtifactError) as error:
        seal.check_path(tmp_path)
    assert error.value.message == f"{tmp_path} holds no file model.onnx."
    assert error.value.hint == "Name an exported file, or a folder with one."
