"""How much memory a model may take while it is opened and run."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

import onnxruntime as ort

from tlzoo.errors import ArtifactError, InputError, TlzooError, UsageError
from tlzoo.runtime.model_check import ModelCost

VARIABLE = "TLZOO_MEMORY"
_FOLDING_BYTES = 2**30
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def session_entries(cost: ModelCost) -> dict[str, str]:
    """ONNX Runtime's settings for a file that somebody gave: opening and running it takes bounded memory.

    Constants computed while it is opened take about 1 GiB at most, running it at most `memory_limit`.
    """
    folded = max(_FOLDING_BYTES // max(cost.nodes, 1), 2 * cost.largest)
    entries = {
        "optimization.constant_folding_max_output_size_in_bytes": str(folded),
        "session.load_model_format": "ONNX",
    }
    if _arena_is_limited():
        entries["session.use_env_allocators"] = "1"
    return entries


def memory_limit() -> int | None:
    """Bytes that running models may take together: TLZOO_MEMORY, or half of what this machine or container has."""
    given = os.environ.get(VARIABLE, "").strip()
    if given:
        parts = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", given, re.IGNORECASE)
        if not parts or not float(parts[1]):
            raise UsageError(f"{VARIABLE} cannot be {given!r}.", hint=f"Give a size: {VARIABLE}=4GB")
        return int(float(parts[1]) * _UNITS[parts[2].upper()])
    known = []
    with suppress(AttributeError, ValueError, OSError):  # Windows has no sysconf
        known.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for file in _CGROUPS:
        with suppress(OSError, ValueError):  # "max" is no number
            known.append(int(Path(file).read_text()))
    return min(known) // 2 if known else None


@cache
def _arena_is_limited() -> bool:
    """Give this process' CPU sessions one arena of bounded size; ONNX Runtime takes one per process."""
    limit = memory_limit()
    if limit is None:
        return False
    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(place, ort.OrtArenaCfg({"max_mem": limit}))
    return True


def run_error(cause: Exception) -> TlzooError:
    """The error for a run that ONNX Runtime gave up: out of memory, inputs it does not take, or a broken graph."""
    reason = " ".join(str(cause).split())
    if isinstance(cause, MemoryError) or re.search("bad_alloc|Available memory of|Failed to allocate memory", reason):
        return InputError(
            "The model needs more memory for this batch than the limit allows.",
            hint=f"Use smaller batches, or raise the limit: {VARIABLE}=8GB",
        )
    if "out of data bounds" in reason:  # of a table of tokens
        return InputError(
            "The model has no entry for one of its tokens.", hint="Leave it out, or export the model again."
        )
    detail = reason.rpartition("Status Message: ")[2][-200:]
    return ArtifactError(f"The model could not be run: {detail or type(cause).__name__}", hint="Export it again.")
