"""`tlzoo.bench`: how fast exported files answer here, beside torch where that is wanted. Torch-free without."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlzoo.errors import ArtifactError, UsageError, concerning
from tlzoo.plugins.containment import guard_workflow
from tlzoo.runtime.bench import Baselines, BenchResult
from tlzoo.runtime.bench import bench as measure
from tlzoo.runtime.predictor import open_artifact

if TYPE_CHECKING:
    from tlzoo.runs.run import RunFolder


@guard_workflow()
def bench(
    files: str | Path | Sequence[str | Path],
    *,
    batch: int | Sequence[int] = (1, 8, 32),
    threads: int | Sequence[int] = (),
    provider: str | Sequence[str] = "cpu",
    data: Sequence[Any] | None = None,
    length: int | None = None,
    seconds: float = 2.0,
    run: str | Path | RunFolder | None = None,
) -> list[BenchResult]:
    """Measure exported files side by side: `seconds` of calls of each, in turns, for every batch and thread count.

    `data` are paths or texts, repeated to fill a batch, which are measured end to end too; without, arrays are made
    up, texts of `length` tokens (128). `threads` are all cores by default. `run`, which the first file was exported
    from, is measured beside it in torch, eager and compiled. Raises ArtifactError for what is no exported file,
    UsageError for unknown providers, files of different kinds and a run that is another, InputError for bad inputs.
    """
    several = [files] if isinstance(files, str | os.PathLike) else files
    if not isinstance(several, Sequence) or not all(isinstance(each, str | os.PathLike) for each in several):
        raise UsageError(
            f"`files` cannot be {files!r}.", hint="Give an exported ONNX file, or several.", parameter="files"
        )
    if not several:
        raise UsageError("No file was given.", hint="Pass an exported ONNX file.", parameter="files")
    providers = (provider,) if isinstance(provider, str) else tuple(provider)
    if not providers or not all(isinstance(each, str) for each in providers):
        raise UsageError(f"`provider` cannot be {provider!r}.", hint="Give a name such as 'cpu'.", parameter="provider")
    if data is not None and (isinstance(data, str | Path) or not len(data)):
        raise UsageError(f"`data` cannot be {data!r}.", hint="Give a list of paths, arrays or texts.", parameter="data")
    if isinstance(seconds, bool) or not isinstance(seconds, Real) or not 0.01 <= seconds < math.inf:
        raise UsageError(f"`seconds` cannot be {seconds!r}.", hint="Give a number, 0.01 or more.", parameter="seconds")
    if length is not None:
        _counts("length", length)
    batches = _counts("batch", batch)
    if not batches:
        raise UsageError("`batch` cannot be empty.", hint="Give sizes such as (1, 8).", parameter="batch")
    return measure(
        several,
        batches=batches,
        threads=_counts("threads", threads),
        providers=providers,
        inputs=data,
        length=length,
        seconds=seconds,
        against=None if run is None else _in_torch(several[0], run, providers),
    )


def _counts(name: str, given: object) -> tuple[int, ...]:
    """One whole number, or several, 1 or more; raises UsageError for anything else."""
    each = [given] if isinstance(given, int | np.integer) else given
    several = isinstance(each, Iterable) and not isinstance(each, str | bytes)
    counts = list(each) if several else [0]  # type: ignore[call-overload]
    if all(isinstance(one, int | np.integer) and not isinstance(one, bool) and one >= 1 for one in counts):
        return tuple(map(int, counts))
    raise UsageError(f"`{name}` cannot be {given!r}.", hint="Give whole numbers, 1 or more.", parameter=name)


def _in_torch(file: str | Path, run: str | Path | RunFolder, providers: Sequence[str]) -> Baselines:
    """Torch's ways to answer as the file does; raises UsageError for what cannot be compared."""
    with concerning("files", ArtifactError, inner="path"):
        _, manifest = open_artifact(file)
    if manifest.raw_input:
        raise UsageError(
            f"{file} resizes pictures inside the graph; the run in torch does not.",
            hint="Compare a file that was exported without `raw_input=True`.",
            parameter="run",
        )
    from tlzoo.workflows.torch_bench import torch_calls

    device = "cuda" if any(name.lower().startswith(("cuda", "tensorrt")) for name in providers) else "cpu"
    fingerprint = str(manifest.data["fingerprint"])
    return torch_calls(
        run, checkpoint=manifest.checkpoint.id, labels=manifest.labels, fingerprint=fingerprint, device=device
    )
