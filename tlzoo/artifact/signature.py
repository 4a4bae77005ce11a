"""The signature of an exported file: who sealed it, as far as a public key says (Ed25519, RFC 8032). Torch-free.

It is the metadata's entry before the seal, `tlzoo.signature`, and is made of the SHA-256 of all bytes before itself. A
seal alone stops accidents; whoever changes a file can make a new one, but no new signature without the private key.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from tlzoo.artifact import seal
from tlzoo.errors import ArtifactError
from tlzoo.io import signatures

KEY: Final = "tlzoo.signature"
_LENGTH: Final = 88
"""Characters of 64 bytes in base64."""
_ENTRY: Final = bytes([0x0A, len(KEY)]) + KEY.encode() + bytes([0x12, _LENGTH])
_HEAD: Final = bytes([14 << 3 | 2, len(_ENTRY) + _LENGTH]) + _ENTRY
SIZE: Final = len(_HEAD) + _LENGTH
"""Bytes of the entry."""


def entry(model: bytes, private_key: str | os.PathLike[str]) -> bytes:
    """The signature's entry for these bytes, to be written behind them and before the seal.

    Raises UsageError for what is no private key.
    """
    signature, _ = signatures.sign(_message(model), Path(private_key).expanduser())
    return _HEAD + signature.encode()


def check(model: bytes, key: str, file: str | os.PathLike[str]) -> None:
    """Raise ArtifactError unless the file with these bytes is signed by the key, the base64 of its 32 public bytes."""
    body = memoryview(model)[: -seal.SIZE] if seal.stated(model) else memoryview(model)
    tail = bytes(body[-SIZE:])
    if not tail.startswith(_HEAD):
        raise ArtifactError(
            f"{file} is not signed.",
            hint="Leave out `trusted`, or export it again: tlzoo export RUN --sign KEYFILE",
            parameter="trusted",
        )
    if not signatures.is_signed(_message(body[:-SIZE]), tail[len(_HEAD) :], key):
        raise ArtifactError(
            f"{file} is not signed by the trusted key {signatures.fingerprint(key)}.",
            hint="Take it from who has that key, or trust another.",
            parameter="trusted",
        )


def _message(body: bytes | memoryview) -> bytes:
    return f"{KEY} sha256 {hashlib.sha256(body).hexdigest()}".encode()
