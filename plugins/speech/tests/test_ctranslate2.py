"""The reader of CTranslate2's format, against files written here by its description."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tlzoo_speech.ctranslate2 import read_variables

from tlzoo.errors import SourceError

TYPES = [torch.float32, torch.int8, torch.int16, torch.int32, torch.float16, torch.bfloat16]
NAMES = st.text("abc/_0é", min_size=1, max_size=12)
SHAPES = st.lists(st.integers(1, 3), max_size=3)


def written(variables: dict[str, torch.Tensor], aliases: dict[str, str], version: int = 6) -> bytes:
    def string(text: str) -> bytes:
        return struct.pack("<H", len(text.encode()) + 1) + text.encode() + b"\0"

    out = struct.pack("<I", version) + string("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, value in variables.items():
        data = bytes(value.contiguous().view(-1).view(torch.uint8).tolist())
        sizes = struct.pack(f"<B{value.dim()}I", value.dim(), *value.shape)
        out += string(name) + sizes + struct.pack("<BI", TYPES.index(value.dtype), len(data)) + data
    return out + struct.pack("<I", len(aliases)) + b"".join(string(a) + string(b) for a, b in aliases.items())


def read(data: bytes, scope: str = "") -> dict[str, torch.Tensor]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.bin")
        path.write_bytes(data)
        return read_variables(path, scope)


@given(st.dictionaries(NAMES, st.tuples(SHAPES, st.sampled_from(TYPES)), max_size=4))
def test_what_is_written_is_read(plan: dict[str, tuple[list[int], torch.dtype]]) -> None:
    variables = {name: torch.randint(-100, 100, shape).to(dtype) for name, (shape, dtype) in plan.items()}
    found = read(written(variables, {}))
    assert list(found) == list(variables)
    for name, value in variables.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)


def test_an_alias_is_the_variable_it_names_and_a_scope_leaves_the_others_out() -> None:
    data = written({"decoder/a": torch.ones(1), "encoder/a": torch.zeros(2)}, {"encoder/b": "encoder/a"})
    assert sorted(read(data, "encoder/")) == ["encoder/a", "encoder/b"]
    assert torch.equal(read(data)["encoder/b"], torch.zeros(2))


def test_a_file_cut_anywhere_is_refused() -> None:
    whole = written({"encoder/a": torch.zeros(2, 3)}, {"b": "encoder/a"})
    for length in range(len(whole)):
        with pytest.raises(SourceError, match=r"model\.bin"):
            read(whole[:length])


@pytest.mark.parametrize("data", [b"PK\3\4" + bytes(100), written({}, {}, version=3), written({}, {}, version=7)])
def test_a_file_of_another_kind_or_version_is_refused(data: bytes) -> None:
    with pytest.raises(SourceError, match="version"):
        read(data)
