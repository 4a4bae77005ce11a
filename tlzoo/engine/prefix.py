"""The frozen part, computed once: exported to ONNX, compiled by ONNX Runtime, one pass over the data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch

from tlzoo import plugins
from tlzoo.engine.dataset import Dataset
from tlzoo.engine.graph import OPSET, eager, export_graph
from tlzoo.engine.model import Model
from tlzoo.errors import ExportError, TrainingError
from tlzoo.files import whole_file
from tlzoo.parts import Graph
from tlzoo.preprocess.ahead import ahead
from tlzoo.progress import Advance, progress
from tlzoo.registry.sources import cache
from tlzoo.runtime.session import open_session, run_session

BATCH = 32
TOLERANCE = 1e-4


def features(model: Model, *datasets: Dataset) -> list[np.ndarray]:
    """The backbone's vectors float32 [N, D] for each data set, by one ONNX Runtime pass over each.

    Raises TrainingError naming the first sample whose vector is not finite.
    """
    session = backbone_session(model)
    with progress("Features", sum(len(data) for data in datasets)) as advance:
        return [_one_pass(session, data, model.parts.feature_dim, advance) for data in datasets]


def backbone_session(model: Model) -> ort.InferenceSession:
    """A session on the backbone's graph, exported once per content and kept in the cache.

    Whether fresh or kept, the graph is compared with eager torch at other sizes than it was exported at, so that
    neither a wrong export nor a stale file can be used. Raises ExportError when a fresh one differs.
    """
    headless = model.headless()
    kept = cache.root() / "graphs" / f"{_content_key(headless)}.onnx"
    if kept.exists() and (session := _sound(kept, headless)):
        return session
    with whole_file(kept) as temporary:
        plugins.call(
            "export",
            model.checkpoint.plugin,
            Graph,
            default=export_graph,
            model=headless.eval(),
            path=temporary,
            opset=OPSET,
        )
        session = open_session(temporary.read_bytes())
        if not (difference := _difference(session, headless)) <= TOLERANCE:  # NaN is no agreement either
            raise ExportError(
                f"The exported backbone of {model.checkpoint.id} differs from torch by {difference:.1e} of its scale.",
                hint="Report it to the plugin's author: its module does something that ONNX does not.",
            )
    return session


def _sound(kept: Path, model: Model) -> ort.InferenceSession | None:
    """A session on a kept graph; `None` where it is torn or computes something else than the model now does."""
    try:
        session = open_session(kept.read_bytes())
        return session if _difference(session, model) <= TOLERANCE else None
    except Exception:  # noqa: BLE001 - ONNX Runtime has a type per cause; whatever it is, the graph is written again
        return None


def _content_key(model: Model) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(
            tensor.detach().cpu().contiguous().view(torch.uint8).numpy()
            if tensor.ndim
            else bytes(str(tensor.item()), "ascii")
        )
    digest.update(model.parts.preprocess.model_dump_json(exclude={"tokenizer"}).encode())
    versions = [metadata.version(name) for name in ("tlzoo", "torch", "onnxscript")]
    digest.update(f"{model.checkpoint.id} {plugins.find(model.checkpoint.plugin)} {OPSET} {versions}".encode())
    return digest.hexdigest()[:32]


def _difference(session: ort.InferenceSession, model: Model) -> float:
    """Largest difference from eager torch at other sizes than those of the examples, relative to the outputs' scale."""
    axes = model.parts.dynamic_axes
    arrays = {name: _resized(tensor.numpy(), axes.get(name, {})) for name, tensor in model.parts.example_inputs.items()}
    names = {given.name for given in session.get_inputs()}
    if names != set(arrays):
        return float("inf")
    expected = eager(model, arrays)
    return float(np.abs(run_session(session, arrays) - expected).max() / max(1e-12, np.abs(expected).max()))


def _resized(array: np.ndarray, axes: Mapping[int, str]) -> np.ndarray:
    """One sample more, and two positions less along every other axis that may vary."""
    array = np.concatenate([array, array[:1]])
    for axis in set(axes) - {0}:
        array = array.take(range(max(1, array.shape[axis] - 2)), axis)
    return array


def _one_pass(session: ort.InferenceSession, data: Dataset, dim: int, advance: Advance) -> np.ndarray:
    vectors = np.empty((len(data), dim), dtype=np.float32)
    for positions, arrays in ahead(data.arrays, by_length(data), BATCH):
        vectors[positions] = run_session(session, arrays)
        advance(len(positions))
    if strange := np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist():
        raise TrainingError(
            f"The backbone gives NaN or infinite features for {str(data.inputs[strange[0]])[:200]!r}.",
            hint="Take it out of the data, or choose another checkpoint.",
        )
    return vectors


def by_length(data: Dataset) -> Sequence[int]:
    """Positions so that texts of like length share a batch; other inputs keep their order."""
    if data.modality != "text":
        return range(len(data))
    return [int(i) for i in np.argsort([len(text) for text in data.inputs], kind="stable")]
