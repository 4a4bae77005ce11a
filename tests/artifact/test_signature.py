"""Signed exports: a trusted key takes what it signed, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from shared_fixtures import sealed

import tlzoo
from tlzoo.artifact import seal, signature
from tlzoo.errors import ArtifactError, UsageError
from tlzoo.io import signatures

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A private key's file, and the public key."""
    file = tmp_path_factory.mktemp("key") / "key"
    return file, signatures.make_key(file)


@pytest.fixture
def signed(picture_file: Any, key: tuple[Path, str], tmp_path: Path) -> Path:
    """The exported pictures' model, signed as the export does it."""
    model = picture_file.path.read_bytes()[: -seal.SIZE]
    model += signature.entry(model, key[0])
    (tmp_path / "signed.onnx").write_bytes(model + seal.seal(model))
    return tmp_path / "signed.onnx"


def test_an_export_signs_and_predict_trusts(
    command: Command, zoo: Any, picture_run: Any, pictures: Path, key: tuple[Path, str], tmp_path: Path
):
    file = tmp_path / "model.onnx"
    assert command("export", picture_run.path, "--out", file, "--sign", key[0], "--quiet").code == 0
    assert [prop.key for prop in onnx.load(file).metadata_props][-2:] == [signature.KEY, seal.KEY]
    picture = pictures / "red" / "000.png"
    assert command("predict", file, picture, "--trusted", key[1]).code == 0
    assert command("predict", file, picture, "--trusted", f"{key[0]}.pub").code == 0
    assert command("verify", file, "--seal").code == 0


def test_other_keys_are_not_trusted(signed: Path, tmp_path: Path):
    other = signatures.make_key(tmp_path / "other")
    with pytest.raises(ArtifactError, match="not signed by the trusted key") as error:
        tlzoo.load(signed, trusted=other)
    assert signatures.fingerprint(other) in error.value.message


def test_a_file_that_nobody_signed_is_not_trusted(picture_file: Any, key: tuple[Path, str]):
    with pytest.raises(ArtifactError, match="is not signed"):
        tlzoo.load(picture_file.path, trusted=key[1])
    assert tlzoo.load(picture_file.path).labels


def test_who_changes_a_file_and_seals_it_anew_has_no_signature(signed: Path, key: tuple[Path, str], tmp_path: Path):
    proto = onnx.load(signed)
    proto.doc_string = "changed"
    changed = sealed.save(proto, tmp_path / "changed.onnx")
    assert tlzoo.load(changed).labels
    with pytest.raises(ArtifactError, match="not signed by the trusted key"):
        tlzoo.load(changed, trusted=key[1])


def test_a_signature_of_another_file_is_none(signed: Path, text_file: Any, key: tuple[Path, str], tmp_path: Path):
    other = text_file.path.read_bytes()[: -seal.SIZE]
    taken = signed.read_bytes()[-seal.SIZE - signature.SIZE : -seal.SIZE]
    (tmp_path / "other.onnx").write_bytes(other + taken + seal.seal(other + taken))
    with pytest.raises(ArtifactError, match="not signed by the trusted key"):
        tlzoo.load(tmp_path / "other.onnx", trusted=key[1])


def test_keys_that_are_none_are_refused_before_the_work(zoo: Any, picture_run: Any, picture_file: Any, tmp_path: Path):
    (tmp_path / "nokey").write_text("hello")
    with pytest.raises(UsageError, match="not a private key"):
        tlzoo.export(picture_run.path, tmp_path / "model.onnx", sign=tmp_path / "nokey")
    with pytest.raises(UsageError, match="neither a key nor a readable key file"):
        tlzoo.load(picture_file.path, trusted="hello")
    assert not (tmp_path / "model.onnx").exists()
