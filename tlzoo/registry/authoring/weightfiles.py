"""What a weight file says of itself, read without torch: the tensors and the metadata of safetensors files."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlzoo.errors import SourceError

PICKLED = (".bin", ".ckpt", ".pt", ".pth")
_LONGEST_HEADER = 100_000_000
_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8}
_STATISTICS = re.compile(r"(^|\.)(running_mean|running_var|num_batches_tracked)$")


@dataclass(frozen=True)
class Header:
    """A safetensors file's floating-point tensors, by name their numbers of elements, and its metadata."""

    elements: Mapping[str, int]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """Read a safetensors file's header. Raises SourceError where the file is torn or is none."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_LONGEST_HEADER, size - 8):
                raise ValueError("its header does not fit into it")
            tensors: dict[str, Any] = json.loads(file.read(length))
        metadata = tensors.pop("__metadata__", {})
        elements = {
            name: math.prod(tensor["shape"])
            for name, tensor in tensors.items()
            if _fits(tensor, size - 8 - length) and tensor["dtype"] in _BITS
        }
        return Header(elements, {str(key): str(value) for key, value in metadata.items()})
    except OSError as cause:
        raise SourceError(f"{path} cannot be read: {cause.strerror}.", hint="Check the path.") from cause
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as cause:
        raise SourceError(f"{path} is not a whole safetensors file: {cause}.", hint="Download it again.") from cause


def parameters(elements: Mapping[str, int], without: Iterable[str] = ()) -> Counter[str]:
    """Parameters by the first part of their names; BatchNorm's statistics and what starts with `without` are none."""
    left_out = tuple(f"{prefix.rstrip('.')}." for prefix in without)
    counted: Counter[str] = Counter()
    for name, number in elements.items():
        if not _STATISTICS.search(name) and not f"{name}.".startswith(left_out):
            counted[name.partition(".")[0]] += number
    return counted


def _fits(tensor: Mapping[str, Any], body: int) -> bool:
    """Whether a tensor's bytes are as many as its shape says, and in the file; raises ValueError where they are not."""
    begin, end = tensor["data_offsets"]
    bits = _BITS.get(tensor["dtype"])
    if not 0 <= begin <= end <= body or (bits and (end - begin) * 8 != math.prod(tensor["shape"]) * bits):
        raise ValueError("a tensor lies outside of it")
    return True
