"""The frozen prefix of a network, run by ONNX Runtime (exported once) or by torch on CUDA."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime as ort
import torch
from torch import fx, nn

from tlzoo import plugins
from tlzoo.artifact.seal import SealCheck, seal
from tlzoo.errors import ExportError, TrainingError
from tlzoo.features.cut import Cut, move_graph
from tlzoo.features.store import Layout
from tlzoo.interfaces import Graph
from tlzoo.io.files import atomic_file, why_unwritable
from tlzoo.models.model import TaskModel
from tlzoo.models.onnx_export import OPSET, export_graph, module_outputs, to_onnx
from tlzoo.progress import say, working
from tlzoo.runtime.session import open_session
from tlzoo.specs import Preprocess
from tlzoo.weights import cache

TOLERANCE = 1e-4

Runner = Callable[[dict[str, np.ndarray]], Sequence[np.ndarray]]


@dataclass(frozen=True)
class Prefix:
    """A frozen prefix: `open()` returns a runner that computes the arrays of `layouts`.

    `key` names it by content, `spec` is what makes its inputs; `graph` is the file that ONNX Runtime runs, where that
    is what runs. `eager` computes the same with the model itself, where there is one.
    """

    key: str
    spec: Preprocess
    layouts: tuple[Layout, ...]
    open: Callable[[], Runner]
    graph: Path | None = None
    eager: Runner | None = None


def backbone_prefix(model: TaskModel, device: torch.device) -> Prefix:
    """All of the backbone, without its head; on the CPU as its plugin exports it."""
    headless = model.headless().eval()

    def write(path: Path) -> Graph:
        plugin = model.checkpoint.plugin
        return plugins.call("export", plugin, Graph, default=export_graph, model=headless, path=path, opset=OPSET)

    return _prefix(model, headless, (feature_layout(model),), write, device)


def feature_layout(model: TaskModel) -> Layout:
    """How what the backbone gives for one sample is stored."""
    parts = model.parts
    if parts.output == "vector":
        return Layout("features", "float32", (parts.feature_dim,))
    arrays = {name: given.numpy() for name, given in parts.example_inputs.items()}
    [made] = module_outputs(model.headless().eval(), arrays, model.plugins)
    shape: list[int | None] = list(made.shape[1:])
    if parts.output == "sequence" and any(len(axes) > 1 for axes in parts.dynamic_axes.values()):
        shape[0] = None
    return Layout("features", "float32", tuple(shape))


def cut_prefix(model: TaskModel, cut: Cut, device: torch.device) -> Prefix:
    """The part of the model before a cut."""
    names = tuple(f"cut.{layout.name}" for layout in cut.layouts)  # the bare name may be another value's in the file
    return _prefix(
        model,
        cut.prefix,
        cut.layouts,
        lambda path: to_onnx(model, cut.prefix, path, OPSET, names),
        device,
        cut.prefix.code,
    )


def _prefix(
    model: TaskModel,
    module: nn.Module,
    layouts: tuple[Layout, ...],
    write: Callable[[Path], Graph],
    device: torch.device,
    code: str = "",
) -> Prefix:
    key = _content_key(model, module, f"{layouts} {code}")
    spec = model.parts.preprocess
    if device.type != "cpu":
        return Prefix(_store_name(key, spec, device.type), spec, layouts, lambda: _torch_runner(model, module, device))
    kept = graph_path(key)
    return Prefix(
        _store_name(key, spec, "onnxruntime"),
        spec,
        layouts,
        lambda: _onnx_runner(model, module, kept, write),
        kept,
        lambda arrays: module_outputs(module, arrays, model.plugins),
    )


def cached_prefix(graph: str, shape: tuple[int | None, ...], spec: Preprocess) -> Prefix | None:
    """The prefix of a backbone by the name of its cached graph; it has not been checked."""
    kept = graph_path(graph)
    if not re.fullmatch("[0-9a-f]{32}", graph) or not kept.exists():
        return None
    layout = Layout("features", "float32", shape)
    name = _store_name(graph, spec, "onnxruntime")
    return Prefix(name, spec, (layout,), lambda: session_runner(open_session(read_graph(kept))), kept)


def graph_path(key: str) -> Path:
    """The path of a cached graph."""
    return cache.root() / "graphs" / f"{key}.onnx"


def read_graph(kept: Path) -> bytes:
    """The bytes of a cached graph; raises ValueError where they are not those that were written."""
    model = kept.read_bytes()
    if (check := SealCheck(model)).broken() or not check.sealed:
        raise ValueError(f"{kept} is damaged")
    return model


def _store_name(key: str, spec: Preprocess, by: str) -> str:
    return f"{key} {spec.model_dump_json()} {by}"


def _torch_runner(model: TaskModel, module: nn.Module, device: torch.device) -> Runner:
    if isinstance(module, fx.GraphModule):
        move_graph(module, device)
    module.to(device)
    return lambda arrays: module_outputs(module, arrays, model.plugins, device)


def _onnx_runner(model: TaskModel, module: nn.Module, kept: Path, write: Callable[[Path], Graph]) -> Runner:
    """A session on the module's graph, exported once per content and kept in the cache.

    Whether fresh or kept, the graph is compared with eager torch at other sizes than it was exported at, so that
    neither a wrong export nor a stale file can be used. Raises ExportError when a fresh one differs.
    """
    with working(f"Checking the graph of {model.checkpoint.id}"):
        if kept.exists() and (session := _open_if_valid(kept, model, module)):
            with suppress(OSError):
                os.utime(kept)
            return session_runner(session)
    say(f"Exporting the frozen layers of {model.checkpoint.id} to ONNX; later runs reuse the file")
    with _writable_path(kept) as temporary:
        write(temporary)
        graph = temporary.read_bytes()
        temporary.write_bytes(graph + seal(graph))
        session = open_session(temporary.read_bytes())
        if not (difference := _difference(session, model, module)) <= TOLERANCE:  # NaN is no agreement either
            raise ExportError(
                f"The exported backbone of {model.checkpoint.id} differs from torch by {difference:.1e} (relative).",
                hint="Report it to the plugin's author: the module does not export to ONNX correctly.",
            )
    return session_runner(session)


@contextmanager
def _writable_path(kept: Path) -> Iterator[Path]:
    """A path that becomes `kept`; if its folder is read-only, a temporary file.

    Raises TrainingError naming the folder if it cannot be written.
    """
    try:
        if why_unwritable(kept) is None:
            with atomic_file(kept) as temporary:
                yield temporary
        else:
            with TemporaryDirectory() as folder:
                yield Path(folder) / kept.name
    except OSError as cause:
        raise TrainingError(
            f"The ONNX graph of the frozen layers, {cause.filename or kept}, cannot be written: "
            f"{cause.strerror or cause}.",
            hint="Free disk space there, or set TLZOO_CACHE to another folder.",
        ) from cause


def session_runner(session: ort.InferenceSession) -> Runner:
    """A runner that passes a session the arrays it needs and returns all outputs."""
    wanted = {given.name for given in session.get_inputs()}

    def run(arrays: dict[str, np.ndarray]) -> Sequence[np.ndarray]:
        made: Sequence[np.ndarray] = session.run(
            None, {name: array for name, array in arrays.items() if name in wanted}
        )
        return made

    return run


def _open_if_valid(kept: Path, model: TaskModel, module: nn.Module) -> ort.InferenceSession | None:
    """A session on a cached graph; `None` where it is damaged or differs from the module."""
    try:
        session = open_session(read_graph(kept))
        return session if _difference(session, model, module) <= TOLERANCE else None
    except Exception:  # noqa: BLE001 - ONNX Runtime has a type per cause; whatever it is, the graph is written again
        return None


def _content_key(model: TaskModel, module: nn.Module, code: str) -> str:
    digest = hashlib.sha256()
    tensors = {**dict(module.named_buffers()), **module.state_dict()}
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    digest.update(model.parts.preprocess.model_dump_json(exclude={"tokenizer"}).encode())
    versions = [metadata.version(name) for name in ("tlzoo", "torch", "onnxscript")]
    digest.update(f"{model.checkpoint.id} {plugins.find(model.checkpoint.plugin)} {OPSET} {versions} {code}".encode())
    return digest.hexdigest()[:32]


def _difference(session: ort.InferenceSession, model: TaskModel, module: nn.Module) -> float:
    """Largest difference from eager torch at other sizes than those of the examples, relative to the outputs' scale."""
    axes = model.parts.dynamic_axes
    arrays = {name: _resized(tensor.numpy(), axes.get(name, {})) for name, tensor in model.parts.example_inputs.items()}
    if {given.name for given in session.get_inputs()} - set(arrays):
        return float("inf")
    found, expected = session_runner(session)(arrays), module_outputs(module, arrays, model.plugins)
    return max(
        float(np.abs(one.astype(np.float64) - other).max() / max(1e-12, np.abs(other).max()))
        for one, other in zip(found, expected, strict=True)
    )


def _resized(array: np.ndarray, axes: Mapping[int, str]) -> np.ndarray:
    """One sample more, and two positions less along every other axis that may vary."""
    array = np.concatenate([array, array[:1]])
    for axis in set(axes) - {0}:
        array = array.take(range(max(1, array.shape[axis] - 2)), axis)
    return array
