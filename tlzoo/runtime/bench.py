"""How fast a file answers on this machine: latency and throughput by batch, threads, precision and provider."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from tlzoo.errors import ArtifactError, TlzooError, UsageError, concerning, first_line
from tlzoo.io.cores import available_cores
from tlzoo.plugins.preprocess import preprocessor_of
from tlzoo.preprocess import Preprocessor
from tlzoo.preprocess.prefetch import Arrays
from tlzoo.progress import progress
from tlzoo.runtime.predictor import open_artifact
from tlzoo.runtime.session import run_session
from tlzoo.runtime.timing import time_interleaved
from tlzoo.runtime.unknown_task import task_of_manifest
from tlzoo.specs import Preprocess, TextSpec

if TYPE_CHECKING:
    from tlzoo.artifact.manifest import Manifest

Call = Callable[[], object]
Baselines = Callable[[Arrays, int], Mapping[str, Call | str]]
"""Engines to compare with: for these arrays and threads, the call of each, or why it cannot run."""

LENGTH = 128
IMAGE_SIZE = (480, 640)
ROUNDS = 4
DTYPES = {"tensor(uint8)": np.uint8, "tensor(int64)": np.int64, "tensor(float)": np.float32}


@dataclass(frozen=True)
class BenchResult:
    """One engine on one file, called `calls` times: milliseconds per batch at percentiles, and samples per second.

    `shape` is one sample's, of the graph's first input. Where it could not run the figures are absent and `note` says
    why.
    """

    file: str
    precision: str
    engine: str
    provider: str
    threads: int
    batch: int
    shape: str
    calls: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    samples_per_s: float | None = None
    note: str = ""


@dataclass(frozen=True)
class _OpenFile:
    name: str
    provider: str
    session: ort.InferenceSession
    manifest: Manifest
    outputs: tuple[str, ...]


def bench(
    files: Sequence[str | Path],
    *,
    batches: Sequence[int] = (1, 8, 32),
    threads: Sequence[int] = (),
    providers: Sequence[str] = ("cpu",),
    inputs: Sequence[Any] | None = None,
    length: int | None = None,
    seconds: float = 2.0,
    against: Baselines | None = None,
) -> list[BenchResult]:
    """Measure exported files side by side: `seconds` of calls of each, in turns, for every batch and thread count.

    With `inputs` (paths, texts; repeated to fill a batch) there is a row more for each file, end to end: decoding,
    preprocessing and session. Without, arrays are made up: pixels and samples of noise, texts of `length` tokens (128)
    or as many as the model takes, pictures of 480 x 640 where the graph resizes itself. `threads` are all cores by
    default.
    Raises ArtifactError for what is no exported file, UsageError for unknown providers or files of different kinds,
    InputError for bad inputs.
    """
    rows: list[BenchResult] = []
    counts = tuple(threads) or (available_cores(),)
    with progress("Bench", len(counts) * len(batches), "settings") as advance:
        for count in counts:
            opened = list(_open(files, providers, count))
            _check_length(opened, length, inputs)
            for batch in batches:
                candidates = _candidates(opened, batch, count, inputs, length or LENGTH, against)
                rows += _measure(candidates, seconds)
                advance(1)
    return rows


def _open(files: Sequence[str | Path], providers: Sequence[str], threads: int) -> Iterator[_OpenFile]:
    tasks = {}
    for file in files:
        for provider in providers:
            with concerning("files", ArtifactError, inner="path"):
                session, manifest = open_artifact(file, [provider], threads)
            tasks[manifest.preprocess.kind] = file
            own = {output.name for output in task_of_manifest(manifest).outputs}
            there = [output.name for output in session.get_outputs()]
            names = tuple(name for name in there if name in own) or (there[0],)
            yield _OpenFile(Path(file).name, provider, session, manifest, names)
    if len(tasks) > 1:
        raise UsageError(
            f"{' and '.join(map(str, tasks.values()))} take different inputs: {', '.join(tasks)}.",
            hint="Compare files of one modality.",
            parameter="files",
        )


def _check_length(opened: Sequence[_OpenFile], length: int | None, inputs: Sequence[Any] | None) -> None:
    """Raise UsageError for a length that no made-up array would have."""
    if length is None:
        return
    beside = "`data`, whose inputs have lengths of their own" if inputs is not None else ""
    if not any(_free_axes(given) for file in opened for given in file.session.get_inputs()):
        beside = f"{opened[0].name}, whose inputs have one size"
    if beside:
        raise UsageError(
            f"`length={length}` has no effect with {beside}.", hint="Leave `length` out.", parameter="length"
        )


def _free_axes(given: ort.NodeArg) -> bool:
    """Whether an input, other than a picture, has an axis of any length beside that of the batch."""
    return len(given.shape) != 4 and not all(isinstance(size, int) for size in given.shape[1:])


def _candidates(
    opened: Sequence[_OpenFile],
    batch: int,
    threads: int,
    inputs: Sequence[Any] | None,
    length: int,
    against: Baselines | None,
) -> list[tuple[BenchResult, Call | str]]:
    """Every candidate for a batch: its row without figures, and its call, or why it cannot run."""
    candidates: list[tuple[BenchResult, Call | str]] = []
    for file in opened:
        row = BenchResult(file.name, file.manifest.precision, "onnxruntime", file.provider, threads, batch, "")
        if inputs is None:
            arrays = synthetic_inputs(file.session, batch, min(length, _longest(file.manifest.preprocess)))
        else:
            given = _batch_of(inputs, batch, same=file.manifest.raw_input)
            preprocessor = preprocessor_of(file.manifest.preprocess, file.manifest.raw_input)
            arrays = preprocessor(given)
            whole = _end_to_end(file, preprocessor, given)
        row = replace(row, shape="x".join(map(str, next(iter(arrays.values())).shape[1:])))
        candidates.append((row, _session_call(file, arrays)))
        if inputs is not None:
            candidates.append((replace(row, engine="end to end"), whole))
        if against and file is opened[0]:
            for engine, call in against(arrays, threads).items():
                candidates.append((replace(row, precision="fp32", engine=engine), call))
    return candidates


def _longest(spec: Preprocess) -> int:
    """How many tokens a model takes."""
    return spec.max_length if isinstance(spec, TextSpec) else sys.maxsize


def _session_call(file: _OpenFile, arrays: Arrays) -> Call:
    return lambda: run_session(file.session, arrays, file.outputs)


def _end_to_end(file: _OpenFile, preprocessor: Preprocessor, given: list[Any]) -> Call:
    return lambda: run_session(file.session, preprocessor(given), file.outputs)


def _batch_of(inputs: Sequence[Any], batch: int, same: bool) -> list[Any]:
    """As many inputs as a batch takes, from the first on and again; the first alone where all must have one size."""
    return list(islice(cycle(inputs[:1] if same else inputs), batch))


def synthetic_inputs(session: ort.InferenceSession, batch: int, length: int = LENGTH) -> Arrays:
    """Arrays of the shapes and types that the graph states, its free axes filled in; always the same ones.

    Raises UsageError for an input of another type.
    """
    random = np.random.default_rng(0)
    arrays = {}
    for given in session.get_inputs():
        if given.type not in DTYPES:
            raise UsageError(
                f"There are no synthetic inputs of type {given.type}.",
                hint="Give your own inputs: `data`.",
                parameter="data",
            )
        free = dict(zip((1, 2), IMAGE_SIZE, strict=True)) if len(given.shape) == 4 else {}
        shape = [d if isinstance(d, int) else free.get(at, length) for at, d in enumerate(given.shape)]
        shape[0] = batch
        match DTYPES[given.type]:
            case np.uint8:
                arrays[given.name] = random.integers(0, 256, shape, np.uint8)
            case np.int64:
                arrays[given.name] = np.ones(shape, np.int64)  # a token that every vocabulary has; all under the mask
            case _:
                arrays[given.name] = random.standard_normal(shape, np.float32) / 10
    return arrays


def _measure(candidates: Sequence[tuple[BenchResult, Call | str]], seconds: float) -> list[BenchResult]:
    """The rows with their figures.

    Each way has several turns, as other work on the machine comes and goes. The first calls of a turn do not count:
    meanwhile the threads of the way before it, which wait for more work and take its time, come to rest.
    """
    times_of: dict[int, list[float]] = {}
    notes: dict[int, str] = {}
    turns: dict[int, int] = {}
    for at, (_, call) in enumerate(candidates):
        if isinstance(call, str):
            notes[at] = call
            continue
        try:
            turns[at] = _round_count(call, seconds)
        except TlzooError:
            raise
        except Exception as cause:  # noqa: BLE001 - whatever a provider or a compiler raises, the others can run
            notes[at] = first_line(cause)
    for turn in range(ROUNDS):
        for at, many in turns.items():
            call = candidates[at][1]
            if turn < many and not isinstance(call, str):
                times = time_interleaved({"": call}, seconds=seconds / many, warmup=1 if many == 1 else 3)[""]
                times_of.setdefault(at, []).extend(times)
    return [
        _with_figures(row, times_of[at]) if at in times_of else replace(row, note=notes[at])
        for at, (row, _) in enumerate(candidates)
    ]


def _round_count(call: Call, seconds: float) -> int:
    """How many turns a call is given: one where few fit into the time."""
    call()
    before = time.perf_counter()
    call()
    return int(np.clip(seconds / (6 * max(time.perf_counter() - before, 1e-9)), 1, ROUNDS))


def _with_figures(row: BenchResult, times: Sequence[float]) -> BenchResult:
    p50, p95, p99 = (float(value) for value in np.percentile(np.array(times) * 1e3, (50, 95, 99)))
    return replace(
        row, calls=len(times), p50_ms=p50, p95_ms=p95, p99_ms=p99, samples_per_s=row.batch * len(times) / sum(times)
    )
