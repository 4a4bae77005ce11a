"""State dicts in pickle form: pinned, read safely, converted once, and the same afterwards."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tlzoo import Weights, read_state
from tlzoo.errors import HashMismatch, SourceError
from tlzoo.registry.schema import Checkpoint
from tlzoo.weights import lockfile

NAME = "model.pth"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TLZOO_LOCK", str(tmp_path / "tlzoo.lock"))
    return tmp_path / "cache"


def entry(source: dict[str, Any]) -> Checkpoint:
    facts = {"id": "vision/tiny", "architecture": "x", "tasks": ["image-classification"], "parameters": 1}
    preprocess = {"kind": "text", "max_length": 8}
    return Checkpoint.model_validate({**facts, "feature_dim": 1, "preprocess": preprocess, "source": source})


def stored(folder: Path, content: Any) -> tuple[Checkpoint, Weights]:
    """The content as torch saves it, and an entry that pins it."""
    path = folder / NAME
    torch.save(content, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = {"path": str(path), "sha256": digest, "size": path.stat().st_size}
    return entry({"kind": "file", "files": [file]}), Weights(folder, {NAME: path})


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return list(one) == list(other) and all(
        one[name].dtype == other[name].dtype and torch.equal(one[name], other[name]) for name in one
    )


STATE = OrderedDict(
    [
        ("z.weight", torch.arange(6.0).reshape(2, 3).T),
        ("a.half", torch.ones(3, dtype=torch.float16)),
        ("m.count", torch.tensor(7)),
        ("b.brain", torch.ones(2, 2, dtype=torch.bfloat16)),
        ("e.empty", torch.zeros(0, 4)),
        ("c/d.flag", torch.tensor([True, False])),
    ]
)


def test_order_dtypes_and_values_are_the_same_at_first_and_from_the_copy(tmp_path: Path, cache: Path) -> None:
    checkpoint, weights = stored(tmp_path, STATE)
    first = read_state(checkpoint, weights, NAME)
    assert len(list((cache / "converted").glob("*.safetensors"))) == 1
    assert same(first, STATE)
    assert same(read_state(checkpoint, weights, NAME), STATE)


def test_the_pickle_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint, weights = stored(tmp_path, STATE)
    read_state(checkpoint, weights, NAME)
    monkeypatch.setattr(torch, "load", lambda *args, **options: pytest.fail("unpickled again"))
    assert same(read_state(checkpoint, weights, NAME), STATE)


def test_tied_tensors_stay_one_and_views_of_one_memory_stay_apart(tmp_path: Path) -> None:
    table, memory = torch.rand(4, 2), torch.arange(8.0)
    state = {"in": table, "out": table, "first": memory[:4], "last": memory[4:], "turned": memory.view(2, 4).T}
    checkpoint, weights = stored(tmp_path, state)
    for _ in range(2):
        read = read_state(checkpoint, weights, NAME)
        assert same(read, state)
        assert read["in"].data_ptr() == read["out"].data_ptr()


def test_a_state_dict_inside_another_is_named(tmp_path: Path) -> None:
    document = {"epoch": 3, "state_dict": STATE, "optimizer": {"state": {0: {"momentum": torch.ones(2)}}, "lr": 0.1}}
    checkpoint, weights = stored(tmp_path, document)
    for _ in range(2):
        assert same(read_state(checkpoint, weights, NAME, inside="state_dict"), STATE)
        with pytest.raises(SourceError, match="not a readable state dict"):
            read_state(checkpoint, weights, NAME)
        with pytest.raises(SourceError, match="not a readable state dict"):
            read_state(checkpoint, weights, NAME, inside="absent")


def test_parameters_come_out_as_plain_tensors(tmp_path: Path) -> None:
    checkpoint, weights = stored(tmp_path, {"w": torch.nn.Parameter(torch.ones(2))})
    for _ in range(2):
        assert not read_state(checkpoint, weights, NAME)["w"].requires_grad


@pytest.mark.parametrize("content", [torch.ones(2), [1], {}, {"a": 1}, {"a": torch.ones(1), "b": "text"}])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: Any) -> None:
    checkpoint, weights = stored(tmp_path, content)
    for _ in range(2):
        with pytest.raises(SourceError, match=r"model\.pth of 'vision/tiny' is not a readable state dict"):
            read_state(checkpoint, weights, NAME)


class Malice:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path, cache: Path) -> None:
    checkpoint, weights = stored(tmp_path, {"a": torch.ones(1), "b": Malice(tmp_path / "executed")})
    with pytest.raises(SourceError, match="not a readable state dict"):
        read_state(checkpoint, weights, NAME)
    assert not (tmp_path / "executed").exists()
    assert not (cache / "converted").exists()


def test_a_mapping_that_is_named_again_and_again_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    node: Any = torch.ones(1)
    for _ in range(8):
        node = {f"k{at}": node for at in range(12)}
    checkpoint, weights = stored(tmp_path, {"state": node})
    with pytest.raises(SourceError, match="not a readable state dict"):
        read_state(checkpoint, weights, NAME)


@pytest.mark.parametrize("content", [b"\x80\x02" + b"(" * 99 + b"l" * 99, b"\x80\x04\x8e" + b"\xff" * 8, b"", b"\x80"])
def test_bytes_that_break_the_unpickler_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    pinned = {"path": str(tmp_path / NAME), "sha256": digest, "size": max(1, len(content))}
    with pytest.raises(SourceError, match="not a readable state dict"):
        read_state(entry({"kind": "file", "files": [pinned]}), Weights(tmp_path, {NAME: tmp_path / NAME}), NAME)


def test_other_bytes_than_pinned_are_not_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint, weights = stored(tmp_path, STATE)
    torch.save({"other": torch.ones(1)}, weights.files[NAME])
    monkeypatch.setattr(torch, "load", lambda *args, **options: pytest.fail("unpickled"))
    with pytest.raises(HashMismatch, match="is not the file"):
        read_state(checkpoint, weights, NAME)


def hub_entry(**pins: Any) -> Checkpoint:
    return entry({"kind": "hub", "repo": "tiny/net", "files": [{"path": NAME, **pins}]})


def test_a_pickle_of_a_hub_needs_a_pin_that_somebody_wrote_down(tmp_path: Path) -> None:
    pinned, weights = stored(tmp_path, STATE)
    pin = lockfile.LockedFile(sha256=pinned.source.files[0].sha256, size=pinned.source.files[0].size)
    lockfile.record_repository("tiny/net", lockfile.LockedRepository(revision="a" * 40, files={NAME: pin}))
    with pytest.raises(SourceError, match="without a pinned sha256") as caught:  # what the first use saw is no pin
        read_state(hub_entry(), weights, NAME)
    assert "tlzoo lock vision/tiny" in caught.value.hint
    assert same(read_state(hub_entry(sha256=pin.sha256), weights, NAME), STATE)
    locked = lockfile.LockedCheckpoint(
        entry="0" * 64, kind="hub", origin="tiny/net", revision="a" * 40, files={NAME: pin}
    )
    lockfile.record_checkpoints({"vision/tiny": locked}, lockfile.path())
    assert same(read_state(hub_entry(), weights, NAME), STATE)


@pytest.mark.parametrize("change", ["copy", "hash", "no hash", "metadata"])
def test_a_damaged_copy_is_made_again(tmp_path: Path, cache: Path, change: str) -> None:
    checkpoint, weights = stored(tmp_path, STATE)
    read_state(checkpoint, weights, NAME)
    (copy,) = (cache / "converted").glob("*.safetensors")
    beside = copy.with_name(f"{copy.name}.sha256")
    whole = copy.read_bytes()
    match change:
        case "copy":
            copy.write_bytes(whole[:-1] + b"x")
        case "hash":
            beside.write_text("0" * 64)
        case "no hash":
            beside.unlink()
        case "metadata":
            save_file({"a": torch.ones(1)}, copy)
            beside.write_text(hashlib.sha256(copy.read_bytes()).hexdigest())
    assert same(read_state(checkpoint, weights, NAME), STATE)
    assert copy.read_bytes() == whole


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "file"))
    checkpoint, weights = stored(tmp_path, STATE)
    assert same(read_state(checkpoint, weights, NAME), STATE)


def test_safetensors_are_read_as_they_are_and_torn_ones_are_named(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"w": torch.ones(2)}, path)
    weights = Weights(tmp_path, {path.name: path})
    assert same(read_state(hub_entry(), weights, path.name), {"w": torch.ones(2)})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SourceError, match=r"model\.safetensors"):
        read_state(hub_entry(), weights, path.name)
    with pytest.raises(SourceError, match="has no file 'absent'"):
        read_state(hub_entry(), weights, "absent")
    assert not cache.exists()


@pytest.mark.release
def test_a_kill_while_converting_leaves_nothing_that_is_believed(tmp_path: Path, cache: Path) -> None:
    state = {f"layer.{number}": torch.full((1000, 1000), float(number)) for number in range(20)}
    checkpoint, weights = stored(tmp_path, state)
    (tmp_path / "entry.json").write_text(checkpoint.model_dump_json())
    code = (
        "import sys\nfrom pathlib import Path\nimport tlzoo\nfrom tlzoo.registry.schema import Checkpoint\n"
        "folder = Path(sys.argv[1])\n"
        "checkpoint = Checkpoint.model_validate_json((folder / 'entry.json').read_bytes())\n"
        f"tlzoo.read_state(checkpoint, tlzoo.Weights(folder, {{{NAME!r}: folder / {NAME!r}}}), {NAME!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    deadline = time.monotonic() + 60
    while not list(cache.glob("converted/*")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for each in range(2):
        assert same(read_state(checkpoint, weights, NAME), state), each


def test_the_copy_says_where_its_tensors_come_from(tmp_path: Path, cache: Path) -> None:
    from safetensors import safe_open

    checkpoint, weights = stored(tmp_path, {"model": {"w": torch.ones(1)}, "step": 3})
    read_state(checkpoint, weights, NAME, inside="model")
    (copy,) = (cache / "converted").glob("*.safetensors")
    with safe_open(copy, framework="pt") as file:
        assert list(file.keys()) == ["model/w"]
        about = json.loads(file.metadata()["tlzoo"])
    assert (about["order"], about["others"]) == ([["model", "w"]], [["step"]])
