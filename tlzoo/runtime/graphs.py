"""Optimised graphs, kept so that a small model opens faster the next time.

<cache>/sessions/<sha256 of the model, ONNX Runtime's version, its settings and the CPU>: 32 bytes of sha256, the model.

Measured for 3 MB of int8 EfficientNet-Lite0: 24 ms with hashes and all instead of 38. What is saved grows with the
nodes, what the hashes cost with the bytes: at 13 MB both are equal, at 30 MB and above it is slower.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import onnxruntime as ort

from tlzoo.io.files import cache_folder, whole_file
from tlzoo.runtime.session import CPU, open_session, provider_names

LARGEST = 8 * 2**20
ROOM = 2**30
_DIGEST = 32
_CPU_LINES = ("flags", "Features", "model name")


def open_through_cache(
    model: bytes, threads: int | None, providers: tuple[str, ...] | None, entries: Mapping[str, str]
) -> ort.InferenceSession:
    """As `open_session`, from the optimised graph where it pays: on the CPU, for models of up to 8 MiB.

    A damaged entry is made anew; where none can be written the model is opened all the same.
    """
    if len(model) > LARGEST or provider_names(providers) != (CPU,):
        return open_session(model, threads, providers, entries=entries)
    place = folder() / _key(model, entries)
    if (optimised := _read(place)) is not None:
        with suppress(Exception):
            session = open_session(optimised, threads, entries=entries, optimise=False)
            os.utime(place)
            return session
    try:
        return _open_and_keep(model, threads, entries, place)
    except Exception:  # noqa: BLE001 - no room, no right to write: if it is the model's fault, the same comes again
        return open_session(model, threads, entries=entries)


def folder() -> Path:
    """Where optimised graphs lie."""
    return cache_folder() / "sessions"


def _key(model: bytes, entries: Mapping[str, str]) -> str:
    about = (ort.__version__, platform.system(), platform.machine(), _cpu(), sorted(entries.items()))
    return hashlib.sha256(hashlib.sha256(model).digest() + repr(about).encode()).hexdigest()


def _cpu() -> str:
    """What distinguishes this CPU for the optimiser; nothing where the system does not say it in a file."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            first = file.read(8192).partition("\n\n")[0]
    except OSError:
        return ""
    return "\n".join(line for line in first.splitlines() if line.startswith(_CPU_LINES))


def _read(place: Path) -> bytes | None:
    try:
        content = place.read_bytes()
    except OSError:
        return None
    whole = hashlib.sha256(memoryview(content)[_DIGEST:]).digest() == content[:_DIGEST]
    return content[_DIGEST:] if whole else None


def _open_and_keep(model: bytes, threads: int | None, entries: Mapping[str, str], place: Path) -> ort.InferenceSession:
    """Open the model and keep its optimised graph; raises OSError where it cannot be kept."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(place.parent, os.W_OK):
        raise PermissionError(place.parent)
    with whole_file(place) as temporary:
        session = open_session(model, threads, entries=entries, save_to=temporary)
        optimised = temporary.read_bytes()
        temporary.write_bytes(hashlib.sha256(optimised).digest() + optimised)
    _prune(place.parent)
    return session


def _prune(folder: Path) -> None:
    """Remove what was used longest ago until the rest fits into its room."""
    with suppress(OSError):
        known = sorted((entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(folder))
        total = sum(size for _, size, _ in known)
        for _, size, path in known:
            if total <= ROOM:
                return
            os.unlink(path)
            total -= size
