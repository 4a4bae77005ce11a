"""Early feature extraction: where the backbone's ONNX graph is cached, extraction starts at once.

Importing a backbone's library and building the network takes seconds in which nothing else happens. A note in the
cache says which graph belongs to a checkpoint; with it a thread extracts features while the network is being built.
They are used only if the network that was built has that graph.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path

from pydantic import TypeAdapter

from tlzoo import plugins
from tlzoo.data import Samples
from tlzoo.data.dataset import make_dataset
from tlzoo.features.extract import extract_cached
from tlzoo.features.prefix import Prefix, Runner, cached_prefix, read_graph, session_runner
from tlzoo.features.unique import deduplicate
from tlzoo.io.files import read_sealed_json, write_sealed_json
from tlzoo.io.timings import Clock
from tlzoo.models.devices import select_device
from tlzoo.options import StrategyOptions
from tlzoo.plugins.containment import beside_plugins
from tlzoo.plugins.preprocess import checkpoint_preprocessor
from tlzoo.registry.schema import Checkpoint
from tlzoo.runtime.session import open_session
from tlzoo.specs import Preprocess
from tlzoo.tasks import Task
from tlzoo.weights import cache as kept

_SPEC: TypeAdapter[Preprocess] = TypeAdapter(Preprocess)


class _Cancelled(Exception):
    """The features are no longer needed."""


class FeaturePrefetch:
    """Extracts a checkpoint's features in a thread while the network is built, where its graph is cached."""

    def __init__(
        self, checkpoint: Checkpoint, task: Task, samples: Sequence[Samples], options: StrategyOptions
    ) -> None:
        self._place, self._task, self._samples, self._options = _note_path(checkpoint, task), task, samples, options
        self._wanted, self._awaited, self._prefix = True, False, None
        if (
            options.caching.enabled
            and select_device(options.device).type == "cpu"
            and (noted := _read_note(self._place))
        ):
            noted_prefix, spec = noted
            self._prefix = replace(noted_prefix, open=self._open)
            self._preprocessor = checkpoint_preprocessor(checkpoint, spec)
            self._thread = threading.Thread(target=self._compute, daemon=True)
            self._thread.start()

    def join(self, prefix: Prefix) -> None:
        """Wait for it if it runs `prefix`; else cancel it and save a note of `prefix`."""
        if self._prefix is not None and self._prefix.key == prefix.key:
            self._awaited = True
            self._thread.join()
        else:
            self.cancel()
            self._write_note(prefix)

    def cancel(self) -> None:
        """Stop after the current batch."""
        self._wanted = False
        if self._prefix is not None:
            self._thread.join()

    def _open(self) -> Runner:
        """Runs on one core, and on all cores once awaited: ONNX Runtime's threads would slow down the import.

        The number of threads does not change the results.
        """
        assert self._prefix is not None
        assert self._prefix.graph is not None
        model = read_graph(self._prefix.graph)
        alone, together = (
            session_runner(open_session(model, threads=1)),
            cache(lambda: session_runner(open_session(model))),
        )
        return lambda arrays: together()(arrays) if self._awaited else alone(arrays)

    def _compute(self) -> None:
        assert self._prefix is not None
        try:
            parts = self._samples
            sets = [make_dataset(replace(part, targets=None), self._task, self._preprocessor) for part in parts]
            with beside_plugins():
                extract_cached(
                    self._prefix, deduplicate(*sets), self._options.caching, Clock(), before_batch=self._check_cancelled
                )
        except Exception:  # noqa: BLE001 - errors are raised by the regular extraction
            return

    def _check_cancelled(self) -> None:
        if not self._wanted:
            raise _Cancelled

    def _write_note(self, prefix: Prefix) -> None:
        if prefix.graph is None:
            return
        [layout] = prefix.layouts
        spec = prefix.spec.model_dump(mode="json")
        with suppress(OSError):  # without a note the next run merely starts later
            write_sealed_json(self._place, {"graph": prefix.graph.stem, "shape": layout.shape, "preprocess": spec})


def _read_note(place: Path) -> tuple[Prefix, Preprocess] | None:
    """The prefix of a note; `None` where the note or its graph is missing."""
    try:
        noted = read_sealed_json(place) or {}
        spec = _SPEC.validate_python(noted["preprocess"])
        prefix = cached_prefix(noted["graph"], tuple(noted["shape"]), spec)
    except (ValueError, LookupError, TypeError):
        return None
    return None if prefix is None else (prefix, spec)


def _note_path(checkpoint: Checkpoint, task: Task) -> Path:
    versions = [metadata.version(name) for name in ("tlzoo", "torch", "onnxscript")]
    text = f"{checkpoint.model_dump_json()} {task.needs} {plugins.find(checkpoint.plugin)} {versions}"
    return kept.root() / "graphs" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
