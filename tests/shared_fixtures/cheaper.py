"""Exports to ONNX and sessions of ONNX Runtime, made cheaper without leaving one out.

torch.onnx.export parses the sources of its 500 operators anew each time, two thirds of a small network's export: here
once per process. And when the core exports a network that it exported before in this test run, with the same weights,
settings, example inputs and names, it gets the same file. A network with code of a test's own is always exported.

Where a model is cut, `torch.export` traces it, most of what a tiny model's training takes: a network of the same
structure, modes and settings as one that this process has traced gets a copy of that graph with its own weights.

A session has a thread per core unless it is told otherwise, and these wait by spinning: 2.4 times the processor time
on two cores for the same small batches. Here it is one, as for torch.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[2]
OURS = "tlzoo.output."
"""How the names of the outputs begin when the core exports; other exports are left alone."""


def remember_operators() -> None:
    """Let exports of this process parse the operators once."""
    module = sys.modules.get("torch.onnx._internal.exporter._registration")
    registry = getattr(module, "ONNXRegistry", None)
    if registry is None or hasattr(registry, "remembered"):
        return
    registry.remembered = functools.cache(registry.from_torchlib)

    def from_torchlib(cls: Any, opset_version: int) -> Any:
        known = cls.remembered(opset_version=opset_version)
        fresh = copy.copy(known)
        fresh.functions = {target: list(metas) for target, metas in known.functions.items()}
        return fresh

    registry.from_torchlib = classmethod(from_torchlib)


def one_thread() -> None:
    """Let sessions that do not ask for threads have one."""
    runtime = sys.modules.get("onnxruntime")
    if runtime is None or hasattr(runtime, "AnyThreads"):
        return
    runtime.AnyThreads = runtime.SessionOptions

    class SessionOptions(runtime.AnyThreads):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.intra_op_num_threads = 1

    runtime.SessionOptions = SessionOptions


def remember_exports(folder: Path) -> None:
    """Let the core's exports of equal networks share one file in `folder`."""
    torch = sys.modules.get("torch")
    if torch is None or hasattr(torch.onnx, "unremembered"):
        return
    real = torch.onnx.unremembered = torch.onnx.export

    @functools.wraps(real)
    def export(module: Any, args: Any = (), *rest: Any, **given: Any) -> Any:
        core = not rest and all(name.startswith(OURS) for name in given.get("output_names") or ["other"])
        key = _key(module, args, given) if core else None
        if key is None:
            return real(module, args, *rest, **given)
        import onnx

        file = folder / f"{key}.onnx"
        if file.exists():
            return SimpleNamespace(model_proto=onnx.load(file))
        program = real(module, args, **given)
        folder.mkdir(exist_ok=True)
        part = folder / f"{key}.{os.getpid()}"
        onnx.save(program.model_proto, part)
        part.rename(file)
        return program

    torch.onnx.export = export


def remember_traces() -> None:
    """Let models of one structure be traced once in this process."""
    module = sys.modules.get("tlzoo.features.cut")
    if module is None or hasattr(module, "untraced"):
        return
    real = module.untraced = module.trace
    known: dict[str, Any] = {}

    @functools.wraps(real)
    def trace(model: Any) -> Any:
        parts = model.parts
        args = tuple(parts.example_inputs.values())
        key = _key(model, args, {"axes": parts.dynamic_axes}, weights=False)
        if key is None:
            return real(model)
        if key in known and (found := _with_weights_of(known[key], model)) is not None:
            return found
        traced = real(model)
        known[key] = copy.copy(traced)
        known[key].graph = _copied(traced.graph)
        return traced

    module.trace = trace


def _copied(graph: Any) -> Any:
    """A graph whose nodes can be rewritten, with the same names and notes."""
    from torch import fx

    other = fx.Graph()
    made: dict[Any, Any] = {}
    output = other.graph_copy(graph, made, return_output_node=True)
    result = other.output(output[0] if isinstance(output, tuple) else output)
    result.meta = dict(next(reversed(graph.nodes)).meta)
    return other


def _with_weights_of(traced: Any, model: Any) -> Any:
    """The traced graph over another model of its structure; none where it holds a tensor that is not the model's."""
    from torch import fx

    own = dict(model.named_parameters()) | dict(model.named_buffers())
    root: dict[str, Any] = {}
    for node in traced.graph.nodes:
        if node.op == "get_attr":
            if node.target not in own:
                return None
            root[node.target] = own[node.target]
        elif node.op == "call_module":
            root[node.target] = traced.get_submodule(node.target)
    return fx.GraphModule(root, _copied(traced.graph))


def _key(module: Any, args: Any, given: dict[str, Any], *, weights: bool = True) -> str | None:
    """What tells one export or trace from another; none where code of a test has a part in it."""
    import torch

    digest = hashlib.sha256(repr((given, torch.is_grad_enabled(), module)).encode())
    for name, part in module.named_modules():
        if "forward" in vars(part) or part._forward_hooks or part._forward_pre_hooks:
            return None
        if isinstance(part, torch.fx.GraphModule):
            digest.update(part.code.encode())  # all that it does
        elif not all(_installed(kind) for kind in type(part).__mro__[:-1]):
            return None
        digest.update(repr((name, type(part), part.training, sorted(_settings(part)))).encode())
    tensors = [*module.named_parameters(), *module.named_buffers(), *enumerate(args)]
    for named, tensor in tensors:
        digest.update(repr((named, tensor.dtype, tensor.shape, tensor.requires_grad)).encode())
        if weights:
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _installed(kind: type) -> bool:
    """Whether a class and its `forward` come from a package or from this repository, and not from a test."""
    forward = vars(kind).get("forward")
    code = getattr(forward, "__code__", None)
    files = [getattr(sys.modules.get(kind.__module__), "__file__", None) or "", code.co_filename if code else ""]
    places = (str(ROOT / "tlzoo"), str(ROOT / "plugins"), sys.prefix, sys.base_prefix)
    return all(not file or (file.startswith(places) and "/tests/" not in file) for file in files)


def _settings(part: Any) -> Iterator[tuple[str, str]]:
    for name, value in vars(part).items():
        if isinstance(value, str | int | float | bool | tuple | list | None):
            yield name, repr(value)
        elif hasattr(value, "to_json_string"):
            yield name, value.to_json_string()
