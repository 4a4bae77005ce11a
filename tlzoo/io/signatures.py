"""Ed25519 signatures (RFC 8032) of registries and exported files: who wrote the bytes, as far as a public key says.

A public key is written as the base64 of its 32 bytes. A signature is detached: 64 bytes over the file's bytes, raw or
in base64, beside the file under its name with `.sig` added.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tlzoo.errors import UsageError, WriteError
from tlzoo.io.disk import write_errors
from tlzoo.io.regular import named, open_regular

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SUFFIX = ".sig"
MAX_BYTES = 1024
"""A file that is longer is no signature and no key."""
_SHOWN = 100

_KEY_BYTES, _SIGNATURE_BYTES = 32, 64


def read_public_key(given: str) -> str:
    """The public key that is given as base64 or as a file (PEM, base64 or the raw 32 bytes). Raises UsageError."""
    key = _from_base64(given.encode("utf-8", "surrogateescape"), _KEY_BYTES)
    if key is None:
        content = _content(Path(given))
        key = _from_pem(content, given) if b"-----BEGIN" in content else _decoded(content, _KEY_BYTES)
    if key is None:
        raise UsageError(
            f"{_shown(given)} is not an Ed25519 public key.",
            hint="Give the base64 of its 32 bytes, or a file that holds it, PEM or base64 or raw.",
        )
    return base64.b64encode(key).decode()


def fingerprint(key: str) -> str:
    """What two people compare: the first 32 hex digits of the public key's sha256, in fours."""
    digest = hashlib.sha256(base64.b64decode(key)).hexdigest()[:32]
    return ":".join(digest[i : i + 4] for i in range(0, 32, 4))


def is_signed(content: bytes, signature: bytes, key: str) -> bool:
    """Whether this signature, raw or in base64, was made over these bytes with the key's private half."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    raw = _decoded(signature, _SIGNATURE_BYTES)
    if raw is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key)).verify(raw, content)
    except InvalidSignature:
        return False
    return True


def make_key(path: Path) -> str:
    """Write a new private key (PEM, PKCS #8, mode 0600) to `path`, the public one to `path`.pub; return the latter.

    Raises UsageError where one of the files is there already or cannot be written.
    """
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    public = base64.b64encode(private.public_key().public_bytes_raw()).decode()
    secret = private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
    beside = path.with_name(f"{path.name}.pub")
    if os.path.lexists(beside):
        raise UsageError(f"{beside} already exists.", hint="Choose another name; a key is never overwritten.")
    _write_new(path, secret, 0o600)
    try:
        _write_new(beside, f"{public}\n".encode(), 0o644)
    except (UsageError, WriteError):
        path.unlink()  # one without the other is no pair
        raise
    return public


def sign(content: bytes, private_key: Path) -> tuple[str, str]:
    """The signature of these bytes in base64, and the public key that verifies it. Raises UsageError."""
    private = _private(private_key)
    public = base64.b64encode(private.public_key().public_bytes_raw()).decode()
    return base64.b64encode(private.sign(content)).decode(), public


def _private(path: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_content(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as cause:
        raise UsageError(
            f"{path} is not a private key in PEM without a password.", hint="Make one: tlzoo registry new-key KEYFILE"
        ) from cause
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} is not an Ed25519 key.", hint="Make one: tlzoo registry new-key KEYFILE")
    _check_half(path, key.public_key().public_bytes_raw())
    return key


def _check_half(path: Path, public: bytes) -> None:
    """Raise UsageError where the file beside a private key, which `make_key` wrote, holds another public one."""
    beside = path.with_name(f"{path.name}.pub")
    if beside.is_file() and base64.b64decode(read_public_key(str(beside))) != public:
        raise UsageError(
            f"{path} and {beside} do not belong together: one of them is damaged, or belongs to another key.",
            hint=f"Restore them from a copy; or remove {beside} if {path} is right.",
        )


def _from_pem(content: bytes, given: str) -> bytes | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY" in content:
        raise UsageError(f"{given} holds a private key.", hint="Give the public one, such as the .pub file beside it.")
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key.public_bytes_raw() if isinstance(key, Ed25519PublicKey) else None


def _decoded(content: bytes, length: int) -> bytes | None:
    """The `length` bytes that this is, raw or as base64; `None` for anything else."""
    return content if len(content) == length else _from_base64(content, length)


def _from_base64(content: bytes, length: int) -> bytes | None:
    try:
        raw = base64.b64decode(content.strip(), validate=True)
    except binascii.Error:
        return None
    return raw if len(raw) == length else None


def _shown(given: object) -> str:
    """A path on one line, and no more of it: it may be a key that nobody else is to see."""
    text = repr(str(given))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _content(path: Path) -> bytes:
    try:
        with open_regular(path.expanduser()) as file, named(path):
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError, RuntimeError) as cause:  # the last where a user named by ~ has no folder
        reason = cause.strerror if isinstance(cause, OSError) else cause
        raise UsageError(
            f"{_shown(path)} is neither a key nor a readable key file: {reason}.", hint="Check the key or path."
        ) from cause
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path} is too long for an Ed25519 key.", hint="Check the path.")
    return content


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as cause:
        raise UsageError(f"{path} already exists.", hint="Choose another name; a key is never overwritten.") from cause
    except OSError as cause:
        raise UsageError(f"{path} cannot be written: {cause.strerror}.", hint="Choose another folder.") from cause
    try:
        with write_errors(path), open(descriptor, "wb") as file:
            file.write(content)
    except WriteError:
        path.unlink()  # half a key is none
        raise
