"""Reading CTranslate2's `model.bin`, the format in which faster-whisper's models are published.

Little-endian: version u32, name of the specification, revision u32, number of variables u32; each variable as name,
rank u8, sizes u32, type u8, number of bytes u32 and the bytes; then aliases as pairs of names. A string is its length
with the closing zero as u16, its bytes and the zero. Versions 4 to 6 are the same in this.
"""

from __future__ import annotations

import struct
from pathlib import Path

import torch

from tlzoo.errors import SourceError

_VERSIONS = range(4, 7)
_TYPES = (torch.float32, torch.int8, torch.int16, torch.int32, torch.float16, torch.bfloat16)


class _Cursor:
    """Reads values one after another, and refuses to read past the end."""

    def __init__(self, data: bytearray) -> None:
        self.data = memoryview(data)
        self.at = 0

    def take(self, count: int) -> memoryview:
        if self.at + count > len(self.data):
            raise ValueError(f"it ends within a value, at byte {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, code: str) -> int:
        value: int = struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]
        return value

    def string(self) -> str:
        return bytes(self.take(self.number("H"))).rstrip(b"\0").decode("utf-8")


def read_variables(path: Path, scope: str = "") -> dict[str, torch.Tensor]:
    """The variables whose names start with `scope`, in the types they are stored in.

    Raises SourceError when the file is not of this format or is damaged.
    """
    cursor = _Cursor(bytearray(path.read_bytes()))
    try:
        return _variables(cursor, scope)
    except (ValueError, RuntimeError) as cause:
        raise SourceError(
            f"Weights file {path.name!r} is not a CTranslate2 model: {cause}.", hint="Delete it and pull it again."
        ) from cause


def _variables(cursor: _Cursor, scope: str) -> dict[str, torch.Tensor]:
    version = cursor.number("I")
    if version not in _VERSIONS:
        raise ValueError(f"binary version {version} is not {_VERSIONS.start} to {_VERSIONS.stop - 1}")
    cursor.string()
    cursor.number("I")
    variables: dict[str, torch.Tensor] = {}
    for _ in range(cursor.number("I")):
        name = cursor.string()
        sizes = [cursor.number("I") for _ in range(cursor.number("B"))]
        kind = cursor.number("B")
        data = cursor.take(cursor.number("I"))
        if kind >= len(_TYPES):
            raise ValueError(f"variable {name!r} has the unknown type {kind}")
        if name.startswith(scope):
            variables[name] = torch.frombuffer(bytearray(data), dtype=_TYPES[kind]).reshape(sizes)
    for _ in range(cursor.number("I")):
        alias, name = cursor.string(), cursor.string()
        if name in variables and alias.startswith(scope):
            variables[alias] = variables[name]
    return variables
