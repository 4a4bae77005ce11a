"""Early extraction: which note belongs to a checkpoint, and when features are waited for."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import TypeAdapter

from tlzoo.features import prefetch as module
from tlzoo.features.prefetch import FeaturePrefetch, _Cancelled, _note_path, _read_note
from tlzoo.io.files import write_sealed_json
from tlzoo.specs import Preprocess

SPEC = TypeAdapter(Preprocess).validate_python(
    {"kind": "image", "size": [8, 8], "crop": 1.0, "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.5] * 3}
)


def checkpoint_of(text: str = "{}") -> Any:
    return SimpleNamespace(plugin="timm", model_dump_json=lambda: text)


def task_of(needs: str = "vector") -> Any:
    return SimpleNamespace(needs=needs)


def options_of(enabled: bool = True, device: str = "cpu") -> Any:
    return SimpleNamespace(caching=SimpleNamespace(enabled=enabled), device=device)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and plugins that are not asked for."""
    monkeypatch.setattr(module.plugins, "find", lambda name: f"tlzoo-{name} 1.0")
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_note_belongs_to_a_checkpoint_what_a_task_needs_and_versions(cache: Path, monkeypatch: pytest.MonkeyPatch):
    place = _note_path(checkpoint_of(), task_of())
    assert place == _note_path(checkpoint_of(), task_of())
    assert place.parent == cache / "graphs"
    assert (len(place.stem), place.suffix) == (32, ".json")
    others = {_note_path(checkpoint_of("{1}"), task_of()), _note_path(checkpoint_of(), task_of("map"))}
    with monkeypatch.context() as patch:
        patch.setattr(module.plugins, "find", lambda name: f"tlzoo-{name} 2.0")
        others.add(_note_path(checkpoint_of(), task_of()))
    monkeypatch.setattr(module.metadata, "version", lambda name: "0.0")
    others.add(_note_path(checkpoint_of(), task_of()))
    assert len(others | {place}) == 5


NOTE = {"graph": "abc", "shape": [3, 4], "preprocess": SPEC.model_dump(mode="json")}


def test_a_note_is_read_with_its_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []
    monkeypatch.setattr(module, "cached_prefix", lambda *given: asked.append(given) or "prefix")
    assert _read_note(tmp_path / "none.json") is None
    write_sealed_json(tmp_path / "note.json", NOTE)
    assert _read_note(tmp_path / "note.json") == ("prefix", SPEC)
    assert asked == [("abc", (3, 4), SPEC)]
    monkeypatch.setattr(module, "cached_prefix", lambda *given: None)
    assert _read_note(tmp_path / "note.json") is None


@pytest.mark.parametrize("changed", [{"graph": None}, {"shape": 3}, {"shape": None}, {"preprocess": {"kind": "image"}}])
def test_a_broken_note_is_none(changed: dict[str, Any], tmp_path: Path):
    given = {name: value for name, value in {**NOTE, **changed}.items() if value is not None}
    write_sealed_json(tmp_path / "note.json", given)
    assert _read_note(tmp_path / "note.json") is None


def prefix_of(key: str = "one", graph: Path | None = Path("graphs/abc.onnx")) -> Any:
    return SimpleNamespace(key=key, graph=graph, layouts=[SimpleNamespace(shape=(3, 4))], spec=SPEC)


@pytest.mark.parametrize(("enabled", "device"), [(False, "cpu"), (True, "cuda"), (True, "cpu")])
def test_without_a_note_it_waits_for_nothing_and_notes_the_graph_that_is_built(
    enabled: bool, device: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "select_device", lambda device: SimpleNamespace(type=device))
    early = FeaturePrefetch(checkpoint_of(), task_of(), [], options_of(enabled, device))
    early.cancel()
    early.join(prefix_of(graph=None))
    place = _note_path(checkpoint_of(), task_of())
    assert not place.exists()
    early.join(prefix_of())
    assert module.read_sealed_json(place) == NOTE


def started(monkeypatch: pytest.MonkeyPatch, enabled: bool = True, device: str = "cpu") -> tuple[Any, threading.Event]:
    """One whose note is there, which extracts until it is let go or cancelled."""
    from tlzoo.features.prefix import Prefix

    go = threading.Event()
    monkeypatch.setattr(module, "select_device", lambda device: SimpleNamespace(type=device))
    monkeypatch.setattr(module, "checkpoint_preprocessor", lambda *given: "preprocessor")
    monkeypatch.setattr(module, "deduplicate", lambda *sets: "unique")
    monkeypatch.setattr(module, "replace", lambda given, **changes: given)
    prefix: Any = object.__new__(Prefix)
    monkeypatch.setattr(type(prefix), "key", "one", raising=False)
    monkeypatch.setattr(module, "_read_note", lambda place: (prefix, SPEC))

    def extract(given: Any, unique: Any, caching: Any, clock: Any, *, before_batch: Any) -> None:
        assert (given, unique) == (prefix, "unique")
        while not go.wait(0.001):
            before_batch()

    monkeypatch.setattr(module, "extract_cached", extract)
    return FeaturePrefetch(checkpoint_of(), task_of(), [], options_of(enabled, device)), go


def test_the_prefix_that_was_noted_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    early, go = started(monkeypatch)
    assert early._thread.is_alive()
    go.set()
    early.join(prefix_of("one"))
    assert not early._thread.is_alive()
    assert (early._awaited, early._wanted) == (True, True)
    assert not _note_path(checkpoint_of(), task_of()).exists()


def test_another_prefix_cancels_it_and_is_noted(monkeypatch: pytest.MonkeyPatch):
    early, _ = started(monkeypatch)
    early._check_cancelled()
    early.join(prefix_of("two"))
    assert not early._thread.is_alive()
    assert (early._awaited, early._wanted) == (False, False)
    assert module.read_sealed_json(_note_path(checkpoint_of(), task_of())) == NOTE
    with pytest.raises(_Cancelled):
        early._check_cancelled()


@pytest.mark.parametrize(("enabled", "device"), [(False, "cpu"), (True, "cuda")])
def test_without_a_cache_or_on_a_gpu_nothing_is_started(enabled: bool, device: str, monkeypatch: pytest.MonkeyPatch):
    early, _ = started(monkeypatch, enabled, device)
    assert not hasattr(early, "_thread")
    early.cancel()


def test_it_runs_on_one_core_until_it_is_awaited(monkeypatch: pytest.MonkeyPatch):
    early, go = started(monkeypatch)
    opened: list[Any] = []
    monkeypatch.setattr(module, "read_graph", lambda graph: f"model of {graph}")
    monkeypatch.setattr(module, "open_session", lambda model, threads=None: opened.append((model, threads)) or threads)
    monkeypatch.setattr(module, "session_runner", lambda session: lambda arrays: (session, arrays))
    early._prefix = prefix_of()
    run = early._open()
    assert run("arrays") == (1, "arrays")
    early._awaited = True
    assert run("arrays") == run("arrays") == (None, "arrays")
    assert opened == [("model of graphs/abc.onnx", 1), ("model of graphs/abc.onnx", None)]
    go.set()
    early._thread.join()
