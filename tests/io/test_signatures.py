"""Keys and signatures: what is given for one is named in an error, and no more of it than tells which it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlzoo.errors import UsageError
from tlzoo.io import signatures


def test_a_key_signs_and_its_public_half_says_so(tmp_path: Path):
    public = signatures.make_key(tmp_path / "key.pem")
    signature, signer = signatures.sign(b"content", tmp_path / "key.pem")
    assert signer == public == signatures.read_public_key(str(tmp_path / "key.pem.pub"))
    assert signatures.is_signed(b"content", signature, public)
    assert not signatures.is_signed(b"Content", signature, public)


def test_what_is_no_key_is_named(tmp_path: Path):
    (tmp_path / "text").write_bytes(b"no key at all")
    with pytest.raises(UsageError) as caught:
        signatures.read_public_key(str(tmp_path / "text"))
    assert caught.value.message == f"{str(tmp_path / 'text')!r} is not an Ed25519 public key."


def test_a_long_text_in_the_place_of_a_key_is_shown_in_part():
    with pytest.raises(UsageError) as caught:
        signatures.read_public_key("c0ffee" * 100)
    assert caught.value.message.startswith("'c0ffeec0ffee")
    assert "... is neither a key nor a readable key file" in caught.value.message
    assert caught.value.message.count("c0ffee") < 20


def test_a_private_key_is_not_taken_for_a_public_one(tmp_path: Path):
    signatures.make_key(tmp_path / "key.pem")
    with pytest.raises(UsageError, match="holds a private key"):
        signatures.read_public_key(str(tmp_path / "key.pem"))
