"""Exports to ONNX and sessions of ONNX Runtime, made cheaper without leaving one out.

torch.onnx.export parses the sources of its 500 operators anew each time, two thirds of a small network's export: here
once per process. And when the core exports a network that it exported before in this test run, with the same weights,
settings, example inputs and names, it gets the same file; with other weights, what torch made of that network before
it optimises the graph, with these weights in it, and then it is optimised. A network of a class inside a function of a
test is always exported.

Where a model is cut, `torch.export` traces it, most of what a tiny model's training takes: a network of the same
structure, modes and settings as one that this process has traced gets a copy of that graph with its own weights.

How fast a lower precision is, is said after a few calls instead of a hundred.

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
from types import FunctionType, SimpleNamespace
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


def few_calls() -> None:
    """Let the speed of a lower precision be measured by few calls."""
    module = sys.modules.get("tlzoo.exporting.precision.speed")
    if module is not None:
        module.ENOUGH = 5


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
        like = folder / f"{_key(module, args, given, weights=False)}.onnx"
        if like.exists():
            program = _program(_with_state_of(onnx.load(like), module))
        else:
            folder.mkdir(exist_ok=True)
            program = real(module, args, **{**given, "optimize": False})
            if _is_all_state(program.model_proto, module):
                _save(program.model_proto, like)
        program.optimize()
        _save(program.model_proto, file)
        return program

    torch.onnx.export = export


def _program(proto: Any) -> Any:
    import onnx_ir
    from torch.onnx._internal.exporter._onnx_program import ONNXProgram

    return ONNXProgram(onnx_ir.serde.deserialize_model(proto), None)


def _save(proto: Any, file: Path) -> None:
    import onnx

    part = file.with_suffix(f".{os.getpid()}")
    onnx.save(proto, part)
    part.rename(file)


def _state(module: Any) -> dict[str, Any]:
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _is_all_state(proto: Any, module: Any) -> bool:
    """Whether a graph's initializers are the network's own by name and value."""
    from onnx import numpy_helper

    state = _state(module)
    return all(
        tensor.name in state and numpy_helper.to_array(tensor).tobytes() == _bytes(state[tensor.name])
        for tensor in proto.graph.initializer
    )


def _with_state_of(proto: Any, module: Any) -> Any:
    state = _state(module)
    for tensor in proto.graph.initializer:
        about = {"name": tensor.name, "dims": tensor.dims, "data_type": tensor.data_type}
        tensor.CopyFrom(type(tensor)(**about, raw_data=_bytes(state[tensor.name])))
    return proto


def _bytes(tensor: Any) -> bytes:
    import torch

    made: bytes = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
    return made


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
        key = _key(model, args, {"axes": parts.dynamic_axes}, weights=False, trained=True)
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


def _key(module: Any, args: Any, given: dict[str, Any], *, weights: bool = True, trained: bool = False) -> str | None:
    """What tells one export or trace from another; none where code inside a test has a part in it."""
    import torch

    digest = hashlib.sha256(repr((given, torch.is_grad_enabled(), module)).encode())
    for name, part in module.named_modules():
        if "forward" in vars(part) or part._forward_hooks or part._forward_pre_hooks:
            return None
        if isinstance(part, torch.fx.GraphModule):
            digest.update(part.code.encode())  # all that it does
        else:
            codes = [_code(kind) for kind in type(part).__mro__[:-1]]
            if None in codes:
                return None
            digest.update(repr(codes).encode())
        digest.update(repr((name, type(part), part.training, sorted(_settings(part)))).encode())
    tensors = [*module.named_parameters(), *module.named_buffers(), *enumerate(args)]
    for named, tensor in tensors:
        digest.update(repr((named, tensor.dtype, tensor.shape, trained and tensor.requires_grad)).encode())
        if weights:
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _code(kind: type) -> str | None:
    """The digest of the package that a class and its `forward` come from, "" for one that no test changes.

    None for a class in a function, which may hold anything.
    """
    forward = getattr(vars(kind).get("forward"), "__code__", None)
    module = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
    places = (str(ROOT / "tlzoo"), str(ROOT / "plugins"), sys.prefix, sys.base_prefix)
    names = {module: kind.__qualname__, forward.co_filename if forward else "": forward.co_qualname if forward else ""}
    own = [Path(file) for file in names if file and (not file.startswith(places) or "/tests/" in file)]
    if any(not file.is_file() or "<locals>" in names[str(file)] for file in own):
        return None
    texts = [each.read_bytes() for file in sorted(own) for each in sorted(file.parent.glob("*.py"))]
    return hashlib.sha256(b"".join(texts)).hexdigest() if own else ""


def _settings(part: Any) -> Iterator[tuple[str, str]]:
    for name, value in vars(part).items():
        if isinstance(value, str | int | float | bool | tuple | list | None):
            yield name, repr(value)
        elif hasattr(value, "to_json_string"):
            yield name, value.to_json_string()
        elif isinstance(value, FunctionType):
            yield name, repr(_function(value))


def _function(function: FunctionType) -> tuple[Any, ...]:
    """A function and what it closes over, by content: a cell's own text is its address."""
    held = [cell.cell_contents for cell in function.__closure__ or ()]
    closed = [_function(value) if isinstance(value, FunctionType) else value for value in held]
    return function.__qualname__, hash(function.__code__), function.__defaults__, closed
