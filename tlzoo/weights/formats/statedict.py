"""Read a state dict, also one in pickle form: from pinned bytes alone, with `weights_only`, and unpickled once.

<cache>/converted/<sha256 of the pickle>.safetensors          every tensor of it
<cache>/converted/<sha256 of the pickle>.safetensors.sha256   what that file's own sha256 must be

A tensor is named by the keys that lead to it, joined by `/`. The metadata keep what safetensors cannot say: the order,
which tensors are one and the same, and what there is beside tensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from tlzoo.errors import HashMismatch, SourceError
from tlzoo.interfaces import Weights
from tlzoo.io.files import atomic_file, sha256_of
from tlzoo.registry.schema import Checkpoint
from tlzoo.weights import cache
from tlzoo.weights.pins import pinned_sha256

State = dict[str, torch.Tensor]
Keys = tuple[str, ...]
MAX_LEAVES = 200_000
"""Tensors and other values in a file: one of some hundred bytes could name the same mapping again and again."""


@dataclass(frozen=True)
class _StateContent:
    """What a file holds: each tensor by its keys in the file's order, and the keys of what is no tensor."""

    tensors: dict[Keys, torch.Tensor]
    others: list[Keys]


def read_state(checkpoint: Checkpoint, weights: Weights, name: str, *, inside: str | None = None) -> State:
    """The tensors of one of the checkpoint's files, by name, on the CPU, in the file's order and dtypes.

    `name` is a key of `weights.files`; `inside` names the entry that holds the state dict where it is not the whole
    file, such as `state_dict` or `model_state`. What is not .safetensors is read as torch's pickle: only when its
    sha256 is pinned in the checkpoint's entry or by `tlzoo lock`, with `weights_only`, and once: from then on its
    copy in safetensors is used. Raises SourceError for a file without a pin, or one that is no state dict.
    """
    path = weights.files.get(name)
    if path is None:
        raise SourceError(
            f"{checkpoint.id!r} has no file {name!r}.", hint=f"It has: {', '.join(sorted(weights.files))}."
        )
    if path.suffix == ".safetensors":
        try:
            content = _StateContent({(key,): value for key, value in load_file(path).items()}, [])
        except (SafetensorError, OSError) as cause:
            raise _unreadable(checkpoint, path) from cause
    else:
        content = _load_pickle_once(checkpoint, path, name)
    chosen = () if inside is None else (inside,)
    state = {keys[-1]: value for keys, value in content.tensors.items() if keys[:-1] == chosen}
    if not state or any(keys[:-1] == chosen for keys in content.others) or len(state) < _below(content, chosen):
        raise _unreadable(checkpoint, path)
    return state


def _below(content: _StateContent, chosen: Keys) -> int:
    return sum(keys[: len(chosen)] == chosen for keys in content.tensors)


def _load_pickle_once(checkpoint: Checkpoint, path: Path, name: str) -> _StateContent:
    sha256 = pinned_sha256(checkpoint, name)
    if sha256 is None:
        raise SourceError(
            f"{name} of {checkpoint.id!r} is a pickle without a pinned sha256.",
            hint=f"If you trust it, pin it: tlzoo lock {checkpoint.id}. Better: an entry with safetensors.",
        )
    converted = cache.root() / "converted" / f"{sha256}.safetensors"
    kept = _read_converted(converted, path.stat().st_size)
    if kept is not None:
        return kept
    if sha256_of(path) != sha256:
        raise HashMismatch(
            f"{name} of {checkpoint.id!r} is not the file whose sha256 {sha256[:16]}… is pinned.",
            hint=f"Fetch it again: tlzoo pull {checkpoint.id}",
        )
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        content = _content(loaded)
    except Exception as cause:  # whatever torch's unpickler, zip and storage readers raise
        raise _unreadable(checkpoint, path) from cause
    with suppress(OSError, SafetensorError, ValueError):  # no room, or a dtype that safetensors lacks
        _write_converted(converted, content, path.stat().st_size)
    return content


def _unreadable(checkpoint: Checkpoint, path: Path) -> SourceError:
    return SourceError(
        f"Weight file {path.name} of {checkpoint.id!r} is not a readable state dict.",
        hint=f"Fetch it again: delete {path} and run tlzoo pull {checkpoint.id}",
    )


def _content(loaded: Any) -> _StateContent:
    if not isinstance(loaded, Mapping):
        raise TypeError("the file holds no mapping")
    content = _StateContent({}, [])
    for count, (keys, value) in enumerate(_leaves(loaded, ())):
        if count >= MAX_LEAVES:
            raise ValueError(f"the file holds more than {MAX_LEAVES:,} values")
        if isinstance(value, torch.Tensor):
            content.tensors[keys] = value.detach()
        else:
            content.others.append(keys)
    return content


def _leaves(node: Mapping[Any, Any], above: Keys) -> Iterator[tuple[Keys, Any]]:
    for key, value in node.items():
        nested = isinstance(value, Mapping) and all(isinstance(each, str) for each in value)
        if nested and len(above) < 8:
            yield from _leaves(value, (*above, str(key)))
        else:
            yield (*above, str(key)), value


def _write_converted(path: Path, content: _StateContent, size: int) -> None:
    """Write the file, then its hash beside it: a reader that finds no right hash takes the file for absent."""
    names = {keys: "/".join(keys) for keys in content.tensors}
    if len(set(names.values())) < len(names):
        raise ValueError("two tensors have one name")
    ties, stored = _split_tied(content.tensors, names)
    # in one key: of several, safetensors would choose the order anew each time
    about = {"order": list(content.tensors), "ties": ties, "others": content.others, "size": size}
    with atomic_file(path) as temporary:
        save_file(stored, temporary, {"tlzoo": json.dumps(about)})
        digest = sha256_of(temporary)
    with atomic_file(_digest_path(path)) as temporary:
        temporary.write_text(f"{digest}\n", encoding="ascii")


def _split_tied(tensors: Mapping[Keys, torch.Tensor], names: Mapping[Keys, str]) -> tuple[dict[str, str], State]:
    """Which names stand for another's tensor, and the other tensors, each with memory of its own."""
    first: dict[tuple[object, ...], str] = {}
    storages: set[int] = set()
    ties, stored = {}, {}
    for keys, value in tensors.items():
        if value.layout != torch.strided:
            raise ValueError("safetensors has no sparse tensors")
        storage = value.untyped_storage().data_ptr()
        view = (storage, value.storage_offset(), value.shape, value.stride(), value.dtype)
        if storage and view in first:
            ties[names[keys]] = first[view]
            continue
        first[view] = names[keys]
        stored[names[keys]] = value.clone().contiguous() if storage in storages else value.contiguous()
        storages.add(storage)
    return ties, stored


def _digest_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _read_converted(path: Path, size: int) -> _StateContent | None:
    """What was written there of a pickle of `size` bytes; `None` where there is nothing whole."""
    try:
        if sha256_of(path) != _digest_path(path).read_text("ascii").strip():
            return None
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["tlzoo"])
        if about["size"] != size:
            return None
        order, others = ([tuple(keys) for keys in about[name]] for name in ("order", "others"))
        ties = about["ties"]
        stored = load_file(path)
        tensors = {}
        for keys in order:
            name = "/".join(keys)
            tensors[keys] = stored[ties.get(name, name)]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None
    with suppress(OSError):
        path.touch()  # its last use
    return _StateContent(tensors, others)
