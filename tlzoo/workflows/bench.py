"""`tlzoo.bench`: how fast exported files answer here, beside torch where that is wanted. Torch-free without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlzoo.errors import UsageError
from tlzoo.plugins.containment import guard_workflow
from tlzoo.runtime.bench import LENGTH, Baselines, BenchResult
from tlzoo.runtime.bench import bench as measure
from tlzoo.runtime.predictor import open_artifact

if TYPE_CHECKING:
    from tlzoo.runs.run import RunFolder


@guard_workflow()
def bench(
    files: str | Path | Sequence[str | Path],
    *,
    batches: Sequence[int] = (1, 8, 32),
    threads: Sequence[int] = (),
    providers: Sequence[str] = ("cpu",),
    inputs: Sequence[Any] | None = None,
    length: int = LENGTH,
    seconds: float = 2.0,
    run: str | Path | RunFolder | None = None,
) -> list[BenchResult]:
    """Measure exported files side by side: `seconds` of calls of each, in turns, for every batch and thread count.

    `inputs` are paths or texts, repeated to fill a batch, which are measured end to end too; without, arrays are made
    up, texts of `length` tokens. `threads` are all cores by default. `run`, which the first file was exported from, is
    measured beside it in torch, eager and compiled. Raises ArtifactError for what is no exported file, UsageError for
    unknown providers, files of different kinds and a run that is another, InputError for bad inputs.
    """
    several = [files] if isinstance(files, str | Path) else list(files)
    if not several:
        raise UsageError("No file was given.", hint="Pass an exported ONNX file.", parameter="files")
    return measure(
        several,
        batches=batches,
        threads=threads,
        providers=providers,
        inputs=inputs,
        length=length,
        seconds=seconds,
        against=None if run is None else _in_torch(several[0], run, providers),
    )


def _in_torch(file: str | Path, run: str | Path | RunFolder, providers: Sequence[str]) -> Baselines:
    """Torch's ways to answer as the file does; raises UsageError for what cannot be compared."""
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
