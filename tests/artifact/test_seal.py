"""The seal of an exported file: damage is noticed at every byte, in every form."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from shared_fixtures import sealed

import tlzoo
from tlzoo.artifact import checksums, seal
from tlzoo.artifact.manifest import KEY
from tlzoo.errors import ArtifactError, TlzooError

Command = Callable[..., Any]


def with_bit(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def test_the_seal_is_an_entry_of_the_metadata_that_ends_the_file(picture_file: Any):
    content = picture_file.path.read_bytes()
    body = content[: -seal.SIZE]
    assert onnx.load(picture_file.path).metadata_props[-1].key == seal.KEY
    assert onnx.load(picture_file.path).metadata_props[-1].value == hashlib.sha256(body).hexdigest()
    assert seal.check_file(picture_file.path) == hashlib.sha256(body).hexdigest()
    assert picture_file.load().manifest.sealed


def test_one_flipped_bit_anywhere_is_noticed(picture_file: Any, tmp_path: Path):
    """At random places, and at each byte of the seal."""
    content = picture_file.path.read_bytes()
    places, end = random.Random(0).sample(range(len(content) - seal.SIZE), 120), len(content)
    file = tmp_path / "model.onnx"
    for at in [*places, *range(end - seal.SIZE, end)]:
        file.write_bytes(with_bit(content, at, at % 8))
        with pytest.raises(ArtifactError) as error:
            tlzoo.load(file)
        assert str(file) in error.value.message
        assert at >= end - seal.SIZE or "damaged" in error.value.message
        with pytest.raises(ArtifactError):
            seal.check_file(file)


def test_bytes_behind_or_lacking_are_noticed(picture_file: Any, tmp_path: Path):
    content = picture_file.path.read_bytes()
    for changed in (content + b"\0", content[:-1], content[: -seal.SIZE], content + content[-seal.SIZE :], b""):
        (tmp_path / "model.onnx").write_bytes(changed)
        with pytest.raises(ArtifactError):
            tlzoo.load(tmp_path / "model.onnx")
        with pytest.raises(ArtifactError):
            seal.check_file(tmp_path / "model.onnx")


def test_a_file_without_the_field_is_read_without_a_seal(picture_file: Any, tmp_path: Path):
    """As files of older versions are."""
    proto = onnx.load(picture_file.path)
    [stored] = [prop for prop in proto.metadata_props if prop.key == KEY]
    stored.value = stored.value.replace('"sealed":true', '"sealed":false')
    del proto.metadata_props[-1]
    onnx.save(proto, tmp_path / "model.onnx")
    assert tlzoo.load(tmp_path / "model.onnx").labels == picture_file.load().labels


def test_a_file_is_sealed_once(picture_file: Any):
    with pytest.raises(ValueError, match="sealed already"):
        seal.seal(picture_file.path.read_bytes())


def test_who_changes_a_file_on_purpose_can_seal_it(picture_file: Any, tmp_path: Path):
    proto = onnx.load(picture_file.path)
    proto.doc_string = "changed"
    assert tlzoo.load(sealed.save(proto, tmp_path / "model.onnx")).labels == picture_file.load().labels


@pytest.mark.parametrize("name", ["verify", "evaluate", "bench"])
def test_no_command_takes_a_damaged_file(
    command: Command, picture_file: Any, pictures: Path, tmp_path: Path, name: str
):
    file = tmp_path / "model.onnx"
    content = picture_file.path.read_bytes()
    file.write_bytes(with_bit(content, len(content) // 3, 0))
    done = command(name, file, *([] if name == "bench" else [pictures]))
    assert done.code == 2
    assert "damaged" in done.err


def test_verify_checks_the_seal_of_a_file_and_of_a_folder(command: Command, picture_file: Any, tmp_path: Path):
    done = command("verify", picture_file.path, "--seal", "--json")
    assert done.json == [{"file": str(picture_file.path), "sha256": seal.check_file(picture_file.path)}]
    folder = tmp_path / "repository" / "model" / "1"
    folder.mkdir(parents=True)
    shutil.copy(picture_file.path, folder / "model.onnx")
    assert "is unchanged since it was written" in command("verify", tmp_path / "repository", "--seal").out
    content = picture_file.path.read_bytes()
    (folder / "model.onnx").write_bytes(with_bit(content, len(content) // 2, 3))
    damaged = command("verify", tmp_path / "repository", "--seal")
    assert damaged.code == 2
    assert "damaged" in damaged.err


def test_what_no_list_names_is_not_called_checked(command: Command, picture_file: Any, tmp_path: Path):
    folder = tmp_path / "repository"
    folder.mkdir()
    shutil.copy(picture_file.path, folder / "model.onnx")
    (folder / "config.pbtxt").write_text("x")
    done = command("verify", folder, "--seal")
    assert done.code == 2
    assert f"{folder} has no SHA256SUMS, so that only its model could be checked" in done.err
    checksums.write(folder)
    assert command("verify", folder, "--seal").code == 0
    (folder / "labels.txt").write_text("y")
    assert (
        f"Not checked, as SHA256SUMS does not name it: {folder / 'labels.txt'}"
        in command("verify", folder, "--seal").err
    )


def test_verify_asks_for_what_it_needs(command: Command, picture_file: Any, pictures: Path, tmp_path: Path):
    for arguments, said in (
        ((tmp_path, "--seal"), "no file model.onnx"),
        ((tmp_path / "missing.onnx", "--seal"), "does not exist"),
        ((picture_file.path,), "--seal"),
        ((picture_file.path, pictures, "--seal"), "--seal takes no DATA"),
    ):
        done = command("verify", *arguments)
        assert done.code == 2
        assert said in done.err


def test_a_damaged_file_is_a_typed_error(picture_file: Any, tmp_path: Path):
    content = picture_file.path.read_bytes()
    (tmp_path / "model.onnx").write_bytes(with_bit(content, len(content) // 2, 3))
    with pytest.raises(TlzooError) as error:
        tlzoo.load(tmp_path / "model.onnx")
    assert "export" in error.value.hint
