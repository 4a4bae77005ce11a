"""Files of each kind that tlzoo writes and reads again, for those who damage them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Get = Callable[[str], Any]


@dataclass(frozen=True)
class Damageable:
    """Files below `folder`, and what reads them; errors name one of these files, or one of `named`.

    What `mends` itself need not say anything, as long as it gives the same.
    """

    folder: Path
    read: Callable[[], Any]
    chosen: Sequence[str] = ("**/*",)
    named: Sequence[Path | str] = ()
    mends: bool = False
    left_out: Sequence[str] = field(default=(".lock", ".db", ".db-journal"))

    def files(self) -> list[Path]:
        """What is damaged, one after another."""
        found = {path for pattern in self.chosen for path in self.folder.glob(pattern) if path.is_file()}
        return sorted(path for path in found if path.suffix not in self.left_out)


def _exported(name: str, signed: bool = False) -> Callable[[Get, Path], Damageable]:
    def make(get: Get, tmp_path: Path) -> Damageable:
        import tlzoo
        from tlzoo.artifact import seal, signature
        from tlzoo.io.signatures import make_key

        file = tmp_path / "file" / "model.onnx"
        file.parent.mkdir()
        content = get(f"{name}_file").path.read_bytes()
        key = None
        if signed:
            key = make_key(tmp_path / "key")
            model = content[: -seal.SIZE]
            model += signature.entry(model, tmp_path / "key")
            content = model + seal.seal(model)
        file.write_bytes(content)

        def read() -> object:
            found = tlzoo.load(file, trusted=key)
            return found.manifest, hashlib.sha256(file.read_bytes()).hexdigest()

        return Damageable(file.parent, read)

    return make


def _layout(format: str) -> Callable[[Get, Path], Damageable]:
    def make(get: Get, tmp_path: Path) -> Damageable:
        import onnx

        from tlzoo.artifact.seal import check_path
        from tlzoo.exporting import export
        from tlzoo.exporting.formats.web import folder

        file, out, library = get("text_file").path, tmp_path / "out", tmp_path / "library.js"
        library.write_bytes(bytes(range(256)) * 40)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(export, "_sealed", lambda proto, key: file.read_bytes())
            patch.setattr(folder, "fetch_library", lambda package: {f"{package.name.rpartition('/')[2]}.js": library})
            patch.setattr(folder, "check_tokens", lambda *_: None)  # which would run that library
            export._write(out, format, onnx.load(file), None)
        return Damageable(out, lambda: check_path(out), named=tuple(out.rglob("SHA256SUMS")))

    return make


def _run(get: Get, tmp_path: Path) -> Damageable:
    from tlzoo import Run
    from tlzoo.runs.record import check_run

    folder = Path(shutil.copytree(get("picture_run").path, tmp_path / "run"))
    get("zoo")

    def read() -> object:
        run = Run.load(folder)
        return run.record, run.preprocess, run.trained_on(), check_run(folder)

    return Damageable(folder, read, named=(folder,))


def _snapshot(get: Get, tmp_path: Path) -> Damageable:
    import torch

    from tlzoo.training.resume import load_snapshot, save_snapshot

    torch.manual_seed(0)
    tensors = {f"model.{n}": torch.randn(20, n + 1) for n in range(9)} | {"step": torch.tensor(3)}
    save_snapshot(tmp_path / "run.unfinished", tensors, {"counts": {"step": 3, "lr": 0.001, "rows": [{"loss": 0.5}]}})

    def read() -> object:
        found = load_snapshot(tmp_path / "run.unfinished")
        assert found is not None
        return {name: tensor.tolist() for name, tensor in found[0].items()}, found[1]

    return Damageable(tmp_path / "run.unfinished", read)


def _predictions(ending: str) -> Callable[[Get, Path], Damageable]:
    def make(get: Get, tmp_path: Path) -> Damageable:
        from tlzoo.runtime.results import find_resume_point, prediction_file, write_predictions
        from tlzoo.tasks.classification.task import LabelPrediction

        names = [f"pictures/{n}.png" for n in range(400)]
        out = tmp_path / "out" / f"answers.{ending}"
        out.parent.mkdir()

        def write(stop: int) -> None:
            def answers(rest: Any) -> Any:
                for name, value in rest:
                    if value == stop:
                        raise InterruptedError
                    scores = {"no": value / 1000, "yes": 1 - value / 1000}
                    yield LabelPrediction("yes", scores["yes"], scores, input=name)

            into = prediction_file(out, LabelPrediction.columns(), resume=True, embeddings=False)
            resumed = find_resume_point(into, iter([(name, n) for n, name in enumerate(names)]))
            write_predictions(into, resumed, answers(resumed.inputs), lambda done: None)

        with pytest.raises(InterruptedError):
            write(300)

        def read() -> object:
            kept = {file: file.read_bytes() for file in out.parent.iterdir()}
            write(-1)
            content = out.read_bytes()
            out.unlink()
            for file, before in kept.items():
                file.write_bytes(before)
            return content

        return Damageable(out.parent, read, mends=True)

    return make


def _weights(get: Get, tmp_path: Path) -> Damageable:
    from tlzoo.errors import SourceError
    from tlzoo.weights import cache
    from tlzoo.workflows import storage

    get("cache")
    content = {"a.bin": bytes(range(256)) * 40, "config.json": b'{"layers": 12, "width": 768}\n'}
    pins = [cache.PinnedFile(name, hashlib.sha256(each).hexdigest(), len(each)) for name, each in content.items()]
    folder = cache.source_folder("vision/tiny", "here")

    def download(into: Path) -> None:
        for name, each in content.items():
            (into / name).write_bytes(each)

    def read(offline: bool = True) -> object:
        found = cache.fetch_or_cache(cache.FetchRequest("vision/tiny", offline), folder, pins, download)
        verified, damaged = storage.verify()
        for each in damaged:
            raise SourceError(f"{each.entry.path}: {each.fault}")
        return {name: file.read_bytes() for name, file in found.files.items()}, verified

    read(offline=False)
    return Damageable(folder.parent, read, named=(folder,))


def _converted(get: Get, tmp_path: Path) -> Damageable:
    import torch

    from tlzoo import Weights, read_state
    from tlzoo.registry.schema import Checkpoint

    cache = get("cache")
    path = tmp_path / "model.pth"
    torch.save({"a": torch.arange(2000.0), "b": torch.ones(3, dtype=torch.float16)}, path)
    file = {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": path.stat().st_size}
    entry = get("entry")("vision/tiny", source={"kind": "file", "files": [file]})

    def read() -> object:
        state = read_state(Checkpoint.model_validate(entry), Weights(tmp_path, {"model.pth": path}), "model.pth")
        return {name: tensor.tolist() for name, tensor in state.items()}

    read()
    return Damageable(cache / "converted", read, mends=True)


def _graphs(get: Get, tmp_path: Path) -> Damageable:
    import torch

    from tlzoo.artifact import seal
    from tlzoo.features import prefix

    get("zoo")
    cache = get("cache")
    model, _ = get("prepared")("nlp/test-bert")
    ids = np.arange(2, 32).reshape(2, 15)
    arrays = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    whole = prefix.backbone_prefix(model, torch.device("cpu"))
    whole.open()
    assert whole.graph is not None
    graph, module = whole.graph.read_bytes()[: -seal.SIZE], model.headless().eval()

    def read() -> object:
        run = prefix._onnx_runner(model, module, whole.graph, lambda path: path.write_bytes(graph))
        return [each.tolist() for each in run(arrays)]

    return Damageable(cache / "graphs", read, mends=True)


def _activations(get: Get, tmp_path: Path) -> Damageable:
    from tlzoo.features.store import ActivationWriter, Layout, load_or_compute

    cache = get("cache")
    layouts = [Layout("maps", "float32", (3, 4)), Layout("words", "float32", (None, 5))]
    numbers = np.random.default_rng(0)
    maps, words = numbers.standard_normal((30, 3, 4), np.float32), numbers.standard_normal((30, 6, 5), np.float32)

    def compute(writer: ActivationWriter) -> None:
        writer.put(range(30), {"maps": maps, "words": words}, np.arange(30) % 6)

    def read() -> object:
        found = load_or_compute("key", layouts, 30, compute, limit_gb=1)
        return {name: array.tolist() for name, array in found.batch(range(30)).items()}

    read()
    return Damageable(cache / "activations", read, mends=True)


def _index(get: Get, tmp_path: Path) -> Damageable:
    from tlzoo.registry.search.index import SqliteTable

    cache = get("cache")
    entries = [get("entry")(f"vision/net-{n}", license="MIT") for n in range(40)]
    file = tmp_path / "registry.json"
    file.write_text(json.dumps({"schema_version": 1, "checkpoints": entries}))

    def read() -> object:
        table = SqliteTable(file, True)
        return [table.get(id) for id in table.ids()]

    read()
    return Damageable(cache / "registry", read, mends=True)


def _description(get: Get, tmp_path: Path) -> Damageable:
    from tlzoo.weights.hub_repository import describe

    cache, hub = get("cache"), get("hub")
    hub.repositories["mine/net"] = {"config.json": b'{"model_type": "bert", "hidden_size": 32}', "w.bin": b"weights"}
    hub.large.add("w.bin")
    hub.cards["mine/net"] = {"cardData": {"license": "mit", "language": ["en"]}, "tags": ["small"]}
    describe("mine/net", offline=False)
    return Damageable(cache / "resolved", lambda: describe("mine/net", offline=True))


def _pins(get: Get, tmp_path: Path) -> Damageable:
    from tlzoo.registry.schema import HubFile, HubSource
    from tlzoo.weights import cache
    from tlzoo.weights.hub import fetch

    where, hub = get("cache"), get("hub")
    hub.repositories["mine/net"] = {"w.bin": b"weights" * 100}
    hub.large.add("w.bin")
    source = HubSource(repo="mine/net", files=(HubFile(path="w.bin"),))

    def read(offline: bool = True) -> object:
        (tmp_path / "tlzoo.lock").unlink(missing_ok=True)
        found = fetch(source, cache.FetchRequest("vision/net", offline))
        return {name: file.read_bytes() for name, file in found.files.items()}

    read(offline=False)
    return Damageable(where / "weights", read, ("**/*.pins.json",))


def _entry(get: Get, tmp_path: Path) -> Damageable:
    from tlzoo_vision.cached_entries import resolve_timm

    cache = get("cache")
    read = lambda: resolve_timm("timm/test_resnet")  # noqa: E731
    read()
    return Damageable(cache / "resolved", read, mends=True)


def _lock(get: Get, tmp_path: Path) -> Damageable:
    from tlzoo.registry.schema import Checkpoint
    from tlzoo.weights import lockfile
    from tlzoo.weights.locked import lock_checkpoint

    get("cache")
    file = tmp_path / "project" / "tlzoo.lock"
    file.parent.mkdir()
    entry = Checkpoint.model_validate(get("entry")("vision/net", license="MIT"))
    found = {f"vision/net-{n}": lock_checkpoint(entry, listed=n % 2 == 0) for n in range(4)}
    pins = {"w.bin": lockfile.LockedFile(sha256="1" * 64, size=3)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLZOO_LOCK", str(file))
        lockfile.record_repository("mine/net", lockfile.LockedRepository(revision="a" * 40, files=pins))
    lockfile.record_checkpoints(found, file)
    return Damageable(file.parent, lambda: lockfile.read(file), left_out=())


def _registries(*chosen: str) -> Callable[[Get, Path], Damageable]:
    def make(get: Get, tmp_path: Path) -> Damageable:
        from tlzoo.registry import catalogue, files
        from tlzoo.registry.subscriptions import config

        get("cache")
        content = json.dumps(
            {"schema_version": 1, "checkpoints": [get("entry")("vision/mine", license="MIT")]}
        ).encode()
        held = config.FetchedCopy(sha256=config.store_copy("mine", content), fetched=config.now(), sequence=4)
        mine = config.Subscription(name="mine", url="https://example.org/r.json", unpinned=True, held=held)
        own = config.Subscription(name="own", path=str(tmp_path / "own.json"), first=True)
        (tmp_path / "own.json").write_bytes(content.replace(b"vision/mine", b"vision/own"))
        config.update_config(lambda before: (mine, own))

        def read() -> object:
            files._warned.clear()
            return config.read(), catalogue.get("vision/mine"), catalogue.get("vision/own")

        return Damageable(config.config_folder(), read, chosen)

    return make


def _key(get: Get, tmp_path: Path) -> Damageable:
    from tlzoo.io.signatures import make_key, sign

    (tmp_path / "keys").mkdir()
    make_key(tmp_path / "keys" / "release.key")
    return Damageable(tmp_path / "keys", lambda: sign(b"content", tmp_path / "keys" / "release.key"))


KINDS: dict[str, Callable[[Get, Path], Damageable]] = {
    "pictures": _exported("picture"),
    "texts": _exported("text"),
    "recordings": _exported("recording"),
    "signed": _exported("picture", signed=True),
    "triton": _layout("triton"),
    "page": _layout("web"),
    "run": _run,
    "snapshot": _snapshot,
    "predictions.jsonl": _predictions("jsonl"),
    "predictions.csv": _predictions("csv"),
    "weights": _weights,
    "converted": _converted,
    "graphs": _graphs,
    "activations": _activations,
    "index": _index,
    "description": _description,
    "pins": _pins,
    "entry": _entry,
    "lock": _lock,
    "copies": _registries("registries/*.json"),
    "registries": _registries("registries.json"),
    "key": _key,
}
