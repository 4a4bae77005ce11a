"""Snapshots of a training run: one safetensors file, written atomically, with sealed JSON in its metadata.

The JSON holds the facts and a SHA-256 of each tensor, and its own seal, so that no damage is trained on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tlzoo.errors import RunError, TrainingError, first_line
from tlzoo.io.files import SEAL, atomic_file, seal_of
from tlzoo.models.digests import tensor_digests

FILE = "snapshot.safetensors"
VERSION = 2


def save_snapshot(folder: Path, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
    """Write `tensors` and `facts` (JSON) over the last snapshot, which stays if writing fails.

    Raises TrainingError when it cannot be written.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    document = {"version": VERSION, "tensors": tensor_digests(state), **facts}
    try:
        with atomic_file(folder / FILE) as temporary:
            save_file(state, temporary, metadata={"tlzoo": json.dumps({**document, SEAL: seal_of(document)})})
    except (OSError, SafetensorError) as cause:
        reason = getattr(cause, "strerror", None) or first_line(cause)
        before = "the previous snapshot is intact" if (folder / FILE).exists() else "there is no previous snapshot"
        raise TrainingError(
            f"Snapshot {folder / FILE} cannot be written: {reason}; {before}.",
            hint="Free disk space and continue with `resume=True`.",
            parameter="resume",
        ) from cause


def load_snapshot(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """The last snapshot's tensors and facts; `None` if there is none. Raises RunError for a damaged one."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            facts = dict(json.loads((file.metadata() or {})["tlzoo"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RecursionError) as cause:
        raise RunError(
            f"Snapshot {path} cannot be read: {type(cause).__name__}.", hint=f"Remove {folder} and train again."
        ) from cause
    stated = facts.pop(SEAL, None)
    if stated is None and facts.get("version") == VERSION:
        raise _damaged(path)
    if stated is not None and (stated != seal_of(facts) or facts.pop("tensors", {}) != tensor_digests(tensors)):
        raise _damaged(path)
    if facts.get("version") != VERSION:
        raise RunError(
            f"Snapshot {path} has version {facts.get('version')}; this tlzoo reads {VERSION}.",
            hint=f"Use the tlzoo that wrote it, or remove {folder}.",
        )
    return tensors, facts


def _damaged(path: Path) -> RunError:
    return RunError(
        f"Snapshot {path} is damaged: its bytes are not those that were written.",
        hint=f"Restore it from a copy, or remove {path.parent} and train again.",
    )
