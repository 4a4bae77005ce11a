"""Load an exported file and predict from paths, bytes, arrays or strings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, cast, overload

import numpy as np
import onnxruntime as ort

from tlzoo.artifact import signature
from tlzoo.artifact.manifest import KEY, Manifest, parse_manifest
from tlzoo.artifact.seal import SealCheck, seal_error
from tlzoo.errors import ArtifactError, InputError, TlzooError, UsageError, concerning, first_line
from tlzoo.io.signatures import read_public_key
from tlzoo.options.arguments import check_classes, check_counts, check_paths, not_none
from tlzoo.plugins.attribution import name_plugins
from tlzoo.plugins.preprocess import misfit, preprocessor_of
from tlzoo.preprocess import Preprocessor
from tlzoo.runtime.graph_signature import arrays_problem, check_graph, check_shapes
from tlzoo.runtime.limits import run_error, session_entries
from tlzoo.runtime.model_check import MAX_BYTES, check_model
from tlzoo.runtime.predictions import (
    CoreAnswer,
    CorePrediction,
    Failure,
    PredictionT,
    PredictOptions,
    as_failure,
    decode_chunk,
)
from tlzoo.runtime.session import open_session
from tlzoo.runtime.stream import BatchPlan, Chunk, predict_chunks
from tlzoo.runtime.unknown_task import task_of_manifest
from tlzoo.runtime.windowing import Windows
from tlzoo.specs import PluginSpec
from tlzoo.tasks.base import Output
from tlzoo.tasks.rows import OutputCollector, Outputs

SINGLE = (str, bytes, bytearray, memoryview, os.PathLike, np.ndarray)


class Predictor(Generic[PredictionT]):
    """An exported model with its own preprocessing, labels and proof."""

    def __init__(self, session: ort.InferenceSession, manifest: Manifest, preprocessor: Preprocessor) -> None:
        self.manifest = manifest
        self.task = task_of_manifest(manifest)
        self.providers: tuple[str, ...] = tuple(session.get_providers())
        self.preprocessor = preprocessor
        self._session = session
        self._inputs = tuple(given.name for given in session.get_inputs())
        self._outputs = tuple(given.name for given in session.get_outputs())
        self._temperature = manifest.calibration.temperature if manifest.calibration else 1.0

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the logits."""
        return self.manifest.labels

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of the file: its manifest, and the reference outputs of its proof."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def prepare(self, inputs: Sequence[Any]) -> dict[str, np.ndarray]:
        """The arrays that the graph takes for `inputs`; raises InputError naming the first that cannot be read."""
        return self.preprocessor(inputs)

    def run(self, arrays: dict[str, np.ndarray], names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """The graph's outputs of these names, by default the task's, for what `prepare` returns.

        Raises UsageError for an output that the graph does not have.
        """
        names = self._output_names if names is None else tuple(names)
        for name in names:
            self._check_output(name)
        given = {name: arrays[name] for name in self._inputs if name in arrays}
        try:
            found = [np.asarray(rows) for rows in self._session.run(list(names), given)]
        except Exception as cause:
            spec = self.manifest.preprocess
            if isinstance(spec, PluginSpec) and (wrong := arrays_problem(self._session.get_inputs(), arrays)):
                raise misfit(spec.plugin, wrong) from cause
            raise run_error(cause) from cause
        named = dict(zip(names, found, strict=True))
        check_shapes(named, given, self.task)
        return named

    def predict(
        self,
        inputs: Any,
        *,
        batch: int = 32,
        top_k: int | None = None,
        threshold: float | None = None,
        embeddings: bool = False,
    ) -> list[PredictionT]:
        """Answer `inputs`: paths, bytes, arrays (uint8 [H, W, 3]; float32 [T] at the model's rate) or texts.

        A single input gives a list of one; an input of a task with several is a tuple of them, or a mapping by name,
        whose other names are ignored.
        The answers are the task's Prediction; probabilities are calibrated where the export was.
        `top_k` limits their `scores` to the likeliest labels. `threshold`, 0..1, is the probability a label needs; with
        one label per input that is None below it. `embeddings` adds each input's [D]. Raises InputError naming the
        first input that cannot be read, UsageError for options that the task or the file does not have.
        """
        chosen = PredictOptions(top_k, threshold, embeddings)
        return [
            each
            for each in self._predict(self._as_list(inputs), batch, chosen, strict=True)
            if not isinstance(each, Failure)
        ]

    @overload
    def stream(
        self: Predictor[CorePrediction],
        inputs: Iterable[Any],
        *,
        batch: int = 32,
        strict: bool = False,
        top_k: int | None = None,
        threshold: float | None = None,
        embeddings: bool = False,
    ) -> Iterator[CoreAnswer]: ...
    @overload
    def stream(
        self,
        inputs: Iterable[Any],
        *,
        batch: int = 32,
        strict: bool = False,
        top_k: int | None = None,
        threshold: float | None = None,
        embeddings: bool = False,
    ) -> Iterator[PredictionT | Failure]: ...
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
        return self._predict(inputs, batch, PredictOptions(top_k, threshold, embeddings), strict)

    def outputs(
        self,
        inputs: Sequence[Any],
        names: Sequence[str] | None = None,
        *,
        batch: int = 32,
        finite: bool = True,
        advance: Callable[[int], None] = lambda count: None,
        longer: set[int] | None = None,
    ) -> Outputs:
        """The graph's outputs of these names, by default the task's, in the order of `inputs`, as trained.

        Each is float32 [N, ...], or N arrays where sizes vary; texts of like length share a batch, and nothing is cut
        into windows. `advance` is told how many more are done, `longer` gets the positions of those that are cut at the
        end. Raises InputError naming the first input that cannot be read, or unless `finite=False` that the model
        answers with NaN or infinity; UsageError where the file has no output of this name.
        """
        chosen = self._output_names if names is None else tuple(names)
        for name in chosen:
            self._check_output(name)
        given = list(inputs)
        rows = OutputCollector(self._output_specs, len(given))
        for chunk in self._chunks(map(self._input, given), batch, chosen):
            chunk.raise_first(finite)
            rows.extend(chunk.start, chunk.outputs)
            if longer is not None:
                longer.update(chunk.start + at for at in chunk.longer)
            advance(len(chunk.items))
        found = rows.outputs()
        return {name: found.get(name, np.zeros((0, 0), np.float32)) for name in chosen}

    def logits(self, inputs: Sequence[Any], *, batch: int = 32) -> np.ndarray:
        """Logits float32 [N, C] of a task that has these; raises as `outputs` does."""
        found: np.ndarray = np.asarray(self.outputs(inputs, ("logits",), batch=batch)["logits"])
        return found

    def embeddings(self, inputs: Any, *, batch: int = 32) -> np.ndarray:
        """What the head sees, float32 [N, D], in the order of `inputs`; raises UsageError where the file has none."""
        found: np.ndarray = np.asarray(self.outputs(self._as_list(inputs), ("embeddings",), batch=batch)["embeddings"])
        return found

    @property
    def _output_names(self) -> tuple[str, ...]:
        return tuple(output.name for output in self.task.outputs)

    @property
    def _output_specs(self) -> tuple[Output, ...]:
        """The task's outputs, and those of the same shape, such as what is derived of them, which have their axes."""
        shapes = {given.name: given.shape for given in self._session.get_outputs()}
        own = self.task.outputs
        alike = [
            replace(output, name=name)
            for name, shape in shapes.items()
            for output in own
            if shape == shapes.get(output.name) and name not in self._output_names
        ]
        return (*own, *{output.name: output for output in alike}.values())

    def _predict(
        self, inputs: Iterable[Any], batch: int, options: PredictOptions, strict: bool
    ) -> Iterator[PredictionT | Failure]:
        options.check(self.task)
        if options.embeddings:
            self._check_output("embeddings")
        point = self.manifest.operating_point
        if point is not None and options.threshold is None and "threshold" in self.task.supports:
            options = replace(options, threshold=point.threshold)
        names = (*self._output_names, "embeddings") if options.embeddings else self._output_names
        return self._decoded(self._windowed(map(self._input, inputs), batch, names), options, strict)

    def _windowed(self, inputs: Iterable[Any], batch: int, names: tuple[str, ...]) -> Iterable[Chunk]:
        """Chunks of whole inputs, also where the model takes them in windows."""
        if not self.task.overrides("windows"):
            return self._chunks(inputs, batch, names)
        windows = Windows(self.task, self.preprocessor)
        return windows.join(self._chunks(windows.cut(inputs), batch, names))

    def _decoded(
        self, parts: Iterable[Chunk], options: PredictOptions, strict: bool
    ) -> Iterator[PredictionT | Failure]:
        with name_plugins():
            for part in parts:
                answers = decode_chunk(self.task, part, self._temperature, options)
                for item, answer in zip(part.items, answers, strict=True):
                    if not isinstance(answer, InputError):
                        yield cast(PredictionT, answer)
                    elif strict:
                        raise answer
                    else:
                        yield as_failure(item, answer)

    def _chunks(self, inputs: Iterable[Any], batch: int, names: tuple[str, ...]) -> Iterator[Chunk]:
        check_counts(batch=batch)
        each = self.manifest.raw_input or self.manifest.preprocess.kind in ("image", "audio")
        plan = BatchPlan(self.task.modality, batch, each, self._output_specs, self.task.contextual)
        return predict_chunks(inputs, self.preprocessor, lambda arrays: self.run(arrays, names), plan)

    def _check_output(self, name: str) -> None:
        if name not in self._outputs:
            raise UsageError(
                f"The file has no output {name!r}; it has: {', '.join(self._outputs)}.",
                hint=f"Choose one of them; the task {self.task.name} has no other.",
                parameter="embeddings" if name == "embeddings" else "names",
            )

    def _as_list(self, inputs: Any) -> list[Any]:
        """A single input as a list of one."""
        several = len(self.task.inputs) > 1
        alone = isinstance(inputs, SINGLE) or not isinstance(inputs, Iterable)
        if isinstance(inputs, tuple) and len(inputs) == 2 and isinstance(inputs[1], int | float | np.number):
            alone = isinstance(inputs[0], np.ndarray)  # a recording and its rate
        if alone or isinstance(inputs, Mapping) or (several and isinstance(inputs, tuple)):
            return [inputs]
        return list(inputs)

    def _input(self, item: Any) -> Any:
        """One input as the model takes it: of a task with several a tuple in their order, else the input itself.

        An error where it is of another number, or a mapping that lacks a name.
        """
        names = [each.name for each in self.task.inputs]
        if isinstance(item, InputError):
            return item
        if isinstance(item, Mapping):
            if missing := [name for name in names if name not in item]:
                return InputError(f"An input has no {missing[0]!r}.", hint=f"Give: {', '.join(names)}.")
            item = tuple(item[name] for name in names)
        elif len(names) == 1:
            if isinstance(item, tuple) and self.task.modality == "text":
                return InputError(
                    f"An input is a tuple of {len(item)}, but this model takes {names[0]} alone.",
                    hint="Give each as an input of its own.",
                )
            return item
        elif not isinstance(item, tuple | list) or len(item) != len(names):
            what = f"a {type(item).__name__}" + (f" of {len(item)}" if isinstance(item, tuple | list) else "")
            return InputError(
                f"An input is {what}, but this model takes {' and '.join(names)} together.",
                hint=f"Give a tuple ({', '.join(names)}), or a mapping by these names.",
            )
        return item[0] if len(names) == 1 else tuple(item)


@overload
def load(
    path: str | Path,
    *,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    preprocessor: Preprocessor | None = None,
    trusted: str | None = None,
) -> Predictor[CorePrediction]: ...
@overload
def load(
    path: str | Path,
    *,
    answers: type[PredictionT],
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    preprocessor: Preprocessor | None = None,
    trusted: str | None = None,
) -> Predictor[PredictionT]: ...
def load(
    path: str | Path,
    *,
    answers: type[Any] | None = None,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    preprocessor: Preprocessor | None = None,
    trusted: str | None = None,
) -> Predictor[Any]:
    """Load an exported ONNX file to run on the CPU, or on `providers`, named as ONNX Runtime does or in short (`cuda`).

    `threads` share one operation, by default one per core. Where the preprocessing is a plugin's own that plugin is
    asked for it, without torch too; `preprocessor` replaces it. `trusted` is an Ed25519 public key (base64, or a file
    that holds it): what it has not signed is refused. Raises ArtifactError when the file is missing, not
    an ONNX model, or has no manifest that this version reads, PluginError where a plugin is missing or broken,
    UsageError for a provider that is not there or that ONNX Runtime would quietly have replaced by the CPU, and where
    the file answers otherwise.
    """
    check_classes(**not_none(answers=answers))
    session, manifest = open_artifact(path, providers, threads, trusted)
    predictor: Predictor[Any] = Predictor(
        session, manifest, preprocessor or preprocessor_of(manifest.preprocess, manifest.raw_input)
    )
    check_graph(session, manifest, predictor.task, str(path))
    if answers is not None and not issubclass(predictor.task.prediction, answers):
        raise UsageError(
            f"{path} answers with {predictor.task.prediction.__name__}, not {answers.__name__}.",
            hint=f"Leave `answers` out, or give {predictor.task.prediction.__name__}.",
            parameter="answers",
        )
    return predictor


@concerning("path", ArtifactError)
def open_artifact(
    path: str | Path,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    trusted: str | None = None,
) -> tuple[ort.InferenceSession, Manifest]:
    """A session on an exported file, and its manifest; the file's seal is hashed while the session opens.

    Raises ArtifactError when the file is missing, no model, damaged, not signed by the key `trusted` where there is
    one, or has no manifest that this version reads.
    """
    check_paths(path=path, **not_none(trusted=trusted))
    check_counts(**not_none(threads=threads))
    file, seal = Path(path), None
    with concerning("trusted", named=True):
        key = None if trusted is None else read_public_key(trusted)
    if not file.is_file():
        raise ArtifactError(
            f"{file} does not exist." if not file.exists() else f"{file} is not a file.",
            hint="Name an exported ONNX file.",
        )
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ArtifactError(
                f"{file} is larger than 2 GiB, the limit of ONNX files.", hint="Name an exported ONNX file."
            )
        model = file.read_bytes()
        seal = SealCheck(model)
        if key is not None:
            signature.check(model, key, file)
        session = open_session(model, threads, providers, entries=session_entries(check_model(model, KEY)))
        manifest = parse_manifest(session.get_modelmeta().custom_metadata_map, str(path))
    except UsageError:
        raise
    except OSError as cause:
        raise ArtifactError(f"{file} cannot be read: {cause.strerror}.") from cause
    except Exception as cause:
        if seal is not None and seal.broken():
            raise seal_error(file) from cause
        if isinstance(cause, TlzooError):
            raise
        raise ArtifactError(
            f"{file} is not an ONNX model that can run: {first_line(cause)}.",
            hint="Export it again: tlzoo export RUN --out FILE.onnx",
        ) from cause
    seal.check(file, manifest.sealed)
    return session, manifest
