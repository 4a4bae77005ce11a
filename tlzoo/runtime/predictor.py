"""Load an exported file and predict from paths, bytes, arrays or strings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from tlzoo.artifact.manifest import KEY, Manifest, parse_manifest
from tlzoo.errors import ArtifactError, TlzooError, UsageError
from tlzoo.plugins.preprocess import preprocessor_of
from tlzoo.preprocess import Preprocessor
from tlzoo.runtime.graph_signature import check_graph, check_rows
from tlzoo.runtime.graphs import open_through_cache
from tlzoo.runtime.limits import failed_run, session_entries
from tlzoo.runtime.model_check import MAX_BYTES, check_model
from tlzoo.runtime.predictions import Wanted, answers, failure
from tlzoo.runtime.session import open_session
from tlzoo.runtime.stream import NotFinite, Plan, Stretch, stretches
from tlzoo.tasks import make_task

SINGLE = (str, bytes, bytearray, memoryview, os.PathLike, np.ndarray)


class Predictor:
    """An exported model with its own preprocessing, labels and proof."""

    def __init__(self, session: ort.InferenceSession, manifest: Manifest, preprocessor: Preprocessor) -> None:
        self.manifest = manifest
        self.task = make_task(manifest.task, manifest.labels)
        self.providers: tuple[str, ...] = tuple(session.get_providers())
        self._session = session
        self._preprocessor = preprocessor
        self._inputs = tuple(given.name for given in session.get_inputs())
        self._outputs = tuple(given.name for given in session.get_outputs())
        self._temperature = manifest.calibration.temperature if manifest.calibration else 1.0

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the logits."""
        return self.manifest.labels

    @property
    def metadata(self) -> dict[str, str]:
        """The texts that the file carries: its manifest, and the answers it was proven by."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def prepare(self, inputs: Sequence[Any]) -> dict[str, np.ndarray]:
        """The arrays that the graph takes for `inputs`; raises InputError naming the first that cannot be read."""
        return self._preprocessor(inputs)

    def run(self, arrays: dict[str, np.ndarray], output: str = "logits") -> np.ndarray:
        """One output of the graph for what `prepare` returns, such as `logits` [N, C] or `embeddings` [N, D].

        Raises UsageError for an output that the graph does not have.
        """
        return self._run(arrays, (output,))[output]

    def predict(
        self,
        inputs: Any,
        *,
        batch: int = 32,
        top_k: int | None = None,
        threshold: float | None = None,
        embeddings: bool = False,
    ) -> list[Any]:
        """Answer `inputs`: paths, bytes, arrays (uint8 [H, W, 3]; float32 [T] at the model's rate) or texts.

        A single input gives a list of one. The answers are of type Prediction, where an input may have several labels
        MultiLabelPrediction, for regression ValuePrediction; probabilities are calibrated where the export was.
        `top_k` limits their `scores` to the likeliest labels. `threshold`, 0..1, is the probability a label needs; with
        one label per input that is None below it. `embeddings` adds each input's [D]. Raises InputError naming the
        first input that cannot be read, UsageError for options that the task or the file does not have.
        """
        chosen = Wanted(top_k, threshold, embeddings)
        return list(self._answers(_listed(inputs), batch, chosen, strict=True))

    def stream(
        self,
        inputs: Iterable[Any],
        *,
        batch: int = 32,
        strict: bool = False,
        top_k: int | None = None,
        threshold: float | None = None,
        embeddings: bool = False,
    ) -> Iterator[Any]:
        """Answers as of `predict`, in order, for inputs without end: they are read lazily, in bounded memory.

        An input that cannot be read is answered with a Failure, whose `error` says why; with `strict` InputError is
        raised instead, after the answers of those before it.
        """
        return self._answers(inputs, batch, Wanted(top_k, threshold, embeddings), strict)

    def logits(self, inputs: Sequence[Any], *, batch: int = 32, finite: bool = True) -> np.ndarray:
        """Logits float32 [N, C] as trained, in the order of `inputs`; texts of like length share a batch.

        Raises InputError naming the first input that cannot be read, or unless `finite=False` that the model answers
        with NaN or infinity.
        """
        return self._rows(inputs, batch, "logits", len(self.labels), finite)

    def embeddings(self, inputs: Any, *, batch: int = 32) -> np.ndarray:
        """What the head sees, float32 [N, D], in the order of `inputs`; raises UsageError where the file has none."""
        return self.outputs(_listed(inputs), "embeddings", batch=batch)

    def outputs(self, inputs: Sequence[Any], name: str, *, batch: int = 32) -> np.ndarray:
        """An output of the graph by its name, float32 [N, ...], in the order of `inputs`; raises as `logits` does.

        UsageError where the file has no output of this name.
        """
        self._check_output(name)
        return self._rows(inputs, batch, name, 0)

    def _rows(self, inputs: Iterable[Any], batch: int, output: str, width: int, finite: bool = True) -> np.ndarray:
        parts = []
        for stretch in self._stretches(inputs, batch, (output,)):
            _raise_first(stretch, finite)
            parts.append(stretch.outputs[output])
        return np.concatenate(parts).astype(np.float32, copy=False) if parts else np.empty((0, width), np.float32)

    def _answers(self, inputs: Iterable[Any], batch: int, wanted: Wanted, strict: bool) -> Iterator[Any]:
        wanted.check(self.task)
        if wanted.embeddings:
            self._check_output("embeddings")
        outputs = ("logits", "embeddings") if wanted.embeddings else ("logits",)
        return self._answered(self._stretches(inputs, batch, outputs), wanted, strict)

    def _answered(self, parts: Iterable[Stretch], wanted: Wanted, strict: bool) -> Iterator[Any]:
        for part in parts:
            for output in part.outputs.values():
                output[list(part.errors)] = 0
            embeddings = part.outputs.get("embeddings") if wanted.embeddings else None
            logits = part.outputs.get("logits", np.zeros((len(part.items), len(self.labels)), np.float32))
            rows = answers(self.task, part.items, logits, embeddings, self._temperature, wanted)
            for at, (item, row) in enumerate(zip(part.items, rows, strict=True)):
                if at not in part.errors:
                    yield row
                elif strict:
                    raise part.errors[at]
                else:
                    yield failure(item, part.errors[at])

    def _stretches(self, inputs: Iterable[Any], batch: int, outputs: tuple[str, ...]) -> Iterator[Stretch]:
        if batch < 1:
            raise UsageError(f"The batch size is {batch}.", hint="Give 1 or more.")
        each = self.manifest.raw_input or self.manifest.preprocess.kind in ("image", "audio")
        plan = Plan(self.task.modality, batch, each)
        return stretches(inputs, self._preprocessor, lambda arrays: self._run(arrays, outputs), plan)

    def _run(self, arrays: dict[str, np.ndarray], outputs: tuple[str, ...]) -> dict[str, np.ndarray]:
        for output in outputs:
            self._check_output(output)
        given = {name: arrays[name] for name in self._inputs if name in arrays}
        names = [self._outputs[0] if name == "logits" else name for name in outputs]
        try:
            found = [np.asarray(rows) for rows in self._session.run(names, given)]
        except Exception as cause:
            raise failed_run(cause) from cause
        check_rows(found, given)
        return dict(zip(outputs, found, strict=True))

    def _check_output(self, name: str) -> None:
        if name != "logits" and name not in self._outputs:
            raise UsageError(
                f"The file has no output {name!r}; it has: {', '.join(self._outputs)}.", hint="Export it again."
            )


def load(
    path: str | Path,
    *,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    preprocessor: Preprocessor | None = None,
    cache: bool = True,
) -> Predictor:
    """Load an exported ONNX file to run on the CPU, or on `providers`, named as ONNX Runtime does or in short (`cuda`).

    `threads` share one operation, by default one per core. `cache` keeps a small model's optimised graph in
    `<cache>/sessions` for the next time. Where the preprocessing is a plugin's own that plugin is asked for it, without
    torch too; `preprocessor` stands in for it. Raises ArtifactError when the file is missing, not an ONNX model, or has
    no manifest that this version reads, PluginError where a plugin is missing or broken, UsageError for a provider that
    is not there or that ONNX Runtime would quietly have replaced by the CPU.
    """
    session = open_artifact(path, providers, threads, cache=cache)
    manifest = read_manifest(session, path)
    check_graph(session, manifest, str(path))
    return Predictor(session, manifest, preprocessor or preprocessor_of(manifest.preprocess, manifest.raw_input))


def open_artifact(
    path: str | Path,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    *,
    cache: bool = False,
) -> ort.InferenceSession:
    """A session on an ONNX file, with `cache` from its optimised graph where that is faster.

    Raises ArtifactError when it is missing or not a model.
    """
    file = Path(path)
    if not file.is_file():
        raise ArtifactError(
            f"{file} does not exist." if not file.exists() else f"{file} is not a file.",
            hint="Name an exported ONNX file.",
        )
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ArtifactError(f"{file} is larger than 2 GiB, as no ONNX file is.", hint="Name an exported ONNX file.")
        model = file.read_bytes()
        entries = session_entries(check_model(model, KEY))
        if cache:
            return open_through_cache(model, threads, tuple(providers) if providers else None, entries)
        return open_session(model, threads, providers, entries=entries)
    except TlzooError:
        raise
    except OSError as cause:
        raise ArtifactError(f"{file} cannot be read: {cause.strerror}.") from cause
    except Exception as cause:
        reason = str(cause).strip().splitlines()[0][:200] if str(cause).strip() else type(cause).__name__
        raise ArtifactError(
            f"{file} is not an ONNX model that can run: {reason.rstrip('.')}.",
            hint="Export it again: tlzoo export RUN --out FILE.onnx",
        ) from cause


def read_manifest(session: ort.InferenceSession, path: str | Path) -> Manifest:
    """What an opened file says of itself."""
    return parse_manifest(session.get_modelmeta().custom_metadata_map, str(path))


def _listed(inputs: Any) -> list[Any]:
    """A single input as a list of one."""
    return [inputs] if isinstance(inputs, SINGLE) or not isinstance(inputs, Iterable) else list(inputs)


def _raise_first(stretch: Stretch, finite: bool) -> None:
    for _, error in sorted(stretch.errors.items()):
        if finite or not isinstance(error, NotFinite):
            raise error
