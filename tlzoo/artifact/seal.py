"""The seal of an exported file: the SHA-256 of all bytes before it, in its last 80 bytes. Torch-free.

It is the last entry of the ONNX metadata, `tlzoo.seal`, so the file stays an ONNX model like any other. It notices
damage; who changes a file on purpose can seal it anew.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tlzoo.artifact import checksums
from tlzoo.errors import ArtifactError
from tlzoo.progress import say

KEY: Final = "tlzoo.seal"
_DIGITS: Final = 64
_VALUE: Final = bytes([0x12, _DIGITS])
_ENTRY: Final = bytes([0x0A, len(KEY)]) + KEY.encode() + _VALUE
_HEAD: Final = bytes([14 << 3 | 2, len(_ENTRY) + _DIGITS]) + _ENTRY
"""Protobuf's bytes of a ModelProto's field metadata_props (14), a StringStringEntryProto of key (1) and value (2)."""
SIZE: Final = len(_HEAD) + _DIGITS
"""Bytes of the seal."""
_CHUNK: Final = 2**20


def seal(model: bytes) -> bytes:
    """The seal of these bytes, to be written behind them; raises ValueError where they are sealed already."""
    if stated(model) is not None:
        raise ValueError("the model is sealed already")
    return _HEAD + hashlib.sha256(model).hexdigest().encode()


def stated(model: bytes) -> str | None:
    """The SHA-256 that the last bytes state; `None` where they are no seal."""
    tail = bytes(memoryview(model)[-SIZE:])
    digits = tail[len(_HEAD) :]
    whole = tail.startswith(_HEAD) and len(digits) == _DIGITS and not digits.strip(b"0123456789abcdef")
    return digits.decode() if whole else None


class SealCheck:
    """Hashes a model's bytes in a thread of its own, while others look at them."""

    def __init__(self, model: bytes) -> None:
        self._stated = stated(model)
        self._found = ""
        self._thread: threading.Thread | None = None
        if self._stated is not None:
            body = memoryview(model)[:-SIZE]
            self._thread = threading.Thread(target=self._hash, args=(body,), name="seal", daemon=True)
            self._thread.start()

    def _hash(self, body: memoryview) -> None:
        self._found = hashlib.sha256(body).hexdigest()

    @property
    def sealed(self) -> bool:
        """Whether there is a seal, right or wrong."""
        return self._stated is not None

    def broken(self) -> bool:
        """Whether there is a seal of other bytes than these; waits for the hash."""
        if self._thread is not None:
            self._thread.join()
        return self._stated is not None and self._found != self._stated

    def check(self, file: str | os.PathLike[str], sealed: bool) -> None:
        """Raise ArtifactError where the bytes are not those that were sealed, or, `sealed`, the seal is gone."""
        if self.broken() or (sealed and self._stated is None):
            raise seal_error(file)


def seal_error(file: str | os.PathLike[str]) -> ArtifactError:
    """The error of a file whose bytes are not those that were exported."""
    return ArtifactError(
        f"{file} is damaged, or was changed after its export: its bytes are not those that were sealed.",
        hint="Take another copy of it, or export it again: tlzoo export RUN --out FILE.onnx",
    )


def check_path(path: Path) -> dict[Path, str]:
    """The SHA-256 that an exported file is sealed with, or every `model.onnx` in a folder, such as a Triton repository
    or a page; and of the other files that were exported with it.

    Raises ArtifactError as `check_file` does, where there is no such file, and for one of the others that changed.
    """
    if not path.is_dir():
        return {path: check_file(path)}
    models = sorted(path.rglob("model.onnx"))
    if not models:
        raise ArtifactError(f"{path} holds no file model.onnx.", hint="Name an exported file, or a folder with one.")
    found = {model: check_file(model) for model in models}
    for sums in sorted(path.rglob(checksums.NAME)):
        found = {**checksums.check(sums), **found}
    _check_others(path, set(found))
    return found


def _check_others(folder: Path, checked: set[Path]) -> None:
    """Say which files of an exported folder were not checked; raise ArtifactError where no list names any of them."""
    others = [file for file in sorted(folder.rglob("*")) if file.name != checksums.NAME and not file.is_dir()]
    unknown = [file for file in others if file not in checked]
    if unknown and next(folder.rglob(checksums.NAME), None) is None:
        raise ArtifactError(
            f"{folder} has no {checksums.NAME}, so that only its model could be checked, and not {unknown[0]}.",
            hint="Export the folder again, or check model.onnx alone.",
        )
    for file in unknown:
        say(f"Not checked, as {checksums.NAME} does not name it: {file}")


def check_file(path: Path) -> str:
    """The SHA-256 that a file is sealed with, read in parts.

    Raises ArtifactError where it cannot be read, has no seal, or is not what was sealed.
    """
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise ArtifactError(f"{path} {what}.", hint="Name an exported ONNX file.")
    try:
        return _check(path, path.stat().st_size)
    except OSError as cause:
        raise ArtifactError(f"{path} cannot be read: {cause.strerror}.") from cause


def _check(path: Path, size: int) -> str:
    with path.open("rb") as file:
        file.seek(max(0, size - SIZE))
        found = stated(file.read())
        if found is None:
            raise ArtifactError(
                f"{path} has no seal: it is damaged, or was not exported by this version of tlzoo.",
                hint="Export it again: tlzoo export RUN --out FILE.onnx",
            )
        file.seek(0)
        if _hashed(iter(lambda: file.read(_CHUNK), b""), size - SIZE) != found:
            raise seal_error(path)
    return found


def _hashed(parts: Iterable[bytes], count: int) -> str:
    """The SHA-256 of the first `count` bytes."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part[:count])
        count -= len(part[:count])
        if count <= 0:
            break
    return whole.hexdigest()
