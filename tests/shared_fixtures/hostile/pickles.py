"""Pickles that would do something when they are opened, as every library writes them."""

from __future__ import annotations

import functools
import importlib
import io
import logging
import marshal
import operator
import os
import pathlib
import pickle
import random
import runpy
import shutil
import socket
import struct
import subprocess
import tarfile
import time
import timeit
import types
import urllib.request
import webbrowser
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENDINGS = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".npy", ".npz", ".joblib", ".h5", ".safetensors")
PROTOCOLS = (0, 1, 2, 3, 4, 5)


class Reduced:
    """Pickled as a call of `function`; `state` and `items` are what is given to its result."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None, items: Any = None) -> None:
        self.reduced = (function, arguments, state, None, items)

    def __reduce__(self) -> Any:
        return self.reduced

    def __call__(self) -> None:
        """Never: what opening the pickle makes of this is called. Only what can be called is pickled as a function."""


def _code(text: str) -> types.CodeType:
    return compile(text, "canary", "exec")


def reducers(outside: Path, port: int) -> dict[str, Callable[[], Any]]:
    """What each would do, by name, all of it to be seen: a file in `outside`, or a connection to the port."""
    trace, code = str(outside / "trace"), f"open({str(outside / 'trace')!r}, 'w')"

    def make(function: Any, *arguments: Any, **more: Any) -> Callable[[], Any]:
        return lambda: Reduced(function, *arguments, **more)

    return {
        "os.system": make(os.system, f"touch {trace}"),
        "posix.open": make(os.open, trace, os.O_CREAT | os.O_WRONLY),
        "open": make(open, trace, "w"),
        "eval": make(eval, code),
        "exec": make(exec, code),
        "compile": make(eval, Reduced(compile, code, "c", "eval")),
        "subprocess": make(subprocess.call, ["touch", trace]),
        "Popen": make(subprocess.Popen, ["touch", trace]),
        "Path.touch": make(pathlib.Path.touch, pathlib.Path(trace)),
        "Path.write_text": make(pathlib.Path.write_text, pathlib.Path(trace), "x"),
        "mkdir": make(os.mkdir, trace),
        "symlink": make(os.symlink, "/etc", trace),
        "copy": make(shutil.copy, "/etc/hostname", trace),
        "rmtree": make(shutil.rmtree, str(outside)),
        "connect": make(socket.create_connection, ("127.0.0.1", port)),
        "urlopen": make(urllib.request.urlopen, f"http://127.0.0.1:{port}/x"),
        "browser": make(webbrowser.open, f"http://127.0.0.1:{port}/x"),
        "log file": make(logging.FileHandler, trace),
        "io.open": make(io.open, trace, "w"),
        "timeit": make(timeit.timeit, code, "pass", time.perf_counter, 1),
        "run_path": make(runpy.run_path, str(outside / "secret")),
        "import": make(importlib.import_module, "antigravity"),
        "partial": make(functools.partial(os.system, f"touch {trace}")),
        "methodcaller": make(operator.methodcaller("touch"), pathlib.Path(trace)),
        "getattr": make(Reduced(getattr, pathlib.Path(trace), "touch")),
        "function": make(
            Reduced(
                Reduced(getattr, Reduced(importlib.import_module, "types"), "FunctionType"),
                Reduced(marshal.loads, marshal.dumps(_code(code))),
                Reduced(dict),
            )
        ),
        "state": make(OrderedDict, state={"__class__": "x", "update": Reduced(os.system, f"touch {trace}")}),
        "items": lambda: Reduced(OrderedDict, items=iter([("a", Reduced(os.system, f"touch {trace}"))])),
    }


CONTAINERS = ("torch", "legacy", "raw", "in a zip", "in a tar", "numpy", "npz", "after HDF5", "nested")


def pickled(container: str, protocol: int, content: Any) -> bytes:
    """The content as this kind of file has it, beside a tensor where there can be one."""
    import numpy as np
    import torch

    state = OrderedDict([("w", torch.ones(2)), ("evil", content)])
    out = io.BytesIO()
    if container in ("torch", "legacy"):
        torch.save(state, out, pickle_protocol=protocol, _use_new_zipfile_serialization=container == "torch")
    elif container == "raw":
        out.write(pickle.dumps({"w": 1, "evil": content}, protocol))
    elif container == "nested":
        out.write(pickle.dumps({"w": pickle.dumps(content), "state_dict": {"a": {"b": content}}}, protocol))
    elif container == "in a zip":
        with zipfile.ZipFile(out, "w") as bundle:
            bundle.writestr("archive/data.pkl", pickle.dumps({"evil": content}, protocol))
            bundle.writestr("archive/version", "3\n")
            bundle.writestr("archive/code/evil.py", "raise SystemExit")
            bundle.writestr("archive/constants.pkl", pickle.dumps((content,), protocol))
    elif container == "in a tar":
        with tarfile.open(fileobj=out, mode="w") as bundle:
            for name in ("storages", "tensors", "pickle"):
                data = pickle.dumps(content, protocol)
                info = tarfile.TarInfo(name)
                info.size = len(data)
                bundle.addfile(info, io.BytesIO(data))
    elif container == "numpy":
        np.save(out, np.array([content], dtype=object), allow_pickle=True)
    elif container == "npz":
        np.savez(out, evil=np.array([content], dtype=object))
    else:
        out.write(b"\x89HDF\r\n\x1a\n" + pickle.dumps(content, protocol))
    return out.getvalue()


def _laughs() -> Any:
    """A mapping of 12 to the 8th power of leaves, in a few hundred bytes."""
    import torch

    node: Any = torch.ones(1)
    for _ in range(8):
        node = {f"k{at}": node for at in range(12)}
    return node


def broken(source: random.Random) -> tuple[str, bytes]:
    """A pickle that runs nothing but is made to fill the memory, to run long or to break its reader."""
    import torch

    out = io.BytesIO()
    if (
        kind := source.choice(("laughs", "deep", "storage", "memo", "bytes", "noise", "global", "persistent"))
    ) == "laughs":
        torch.save({"state": _laughs()}, out)
    elif kind == "deep":
        out.write(b"\x80\x02" + b"(" * 200_000 + b"l" * 200_000 + b".")
    elif kind == "storage":
        torch.save({"w": torch.ones(2)}, out)
        return kind, out.getvalue().replace(b"K\x02", b"\x8a\x05\0\0\0\0\x7f", 1)
    elif kind == "memo":
        out.write(b"\x80\x02}" + b"".join(b"r" + struct.pack("<I", at) for at in range(0, 2**31, 2**27)) + b".")
    elif kind == "bytes":
        out.write(b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.")
    elif kind == "noise":
        out.write(source.randbytes(3000))
    elif kind == "global":
        out.write(b"\x80\x02ctorch.storage\n_load_from_bytes\n" + b"U\x02xx\x85R.")
    else:
        out.write(b"\x80\x02(X\x07\0\0\0storageX\x01\0\0\0aK\x01tQ.")
    return kind, out.getvalue()
