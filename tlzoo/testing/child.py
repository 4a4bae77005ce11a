"""What a check does in a process of its own, where heavy libraries cannot be imported: one JSON document in and out."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

HEAVY = ("jax", "onnx", "onnxscript", "peft", "sklearn", "tensorflow", "timm", "torch", "torchvision", "transformers")
MARK = "tlzoo-conformance: "
LIMIT = 300
"""Seconds after which a process is ended."""


class Blocker(MetaPathFinder, Loader):
    """Fails the import of libraries by name, and remembers which were asked for; looking for them is allowed."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names, self.wanted = frozenset(names), list[str]()

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A module that cannot be made, in place of those blocked."""
        return ModuleSpec(fullname, self) if fullname.partition(".")[0] in self._names else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Refuse."""
        self.wanted.append(spec.name)
        raise ImportError(f"{spec.name} cannot be imported in this process", name=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Never reached: the module is never made."""


def imported(module: str) -> dict[str, Any]:
    """Import the plugin `module` (`package.module` or `package.module:object`); the seconds that took."""
    began = time.perf_counter()
    importlib.import_module(module.partition(":")[0])
    return {"seconds": time.perf_counter() - began}


def prepared(spec: dict[str, Any], inputs: Sequence[Any]) -> dict[str, Any]:
    """What the runtime makes of raw inputs: of each array its dtype, shape and sha256."""
    from pydantic import TypeAdapter

    from tlzoo import plugins
    from tlzoo.preprocess import make_preprocessor
    from tlzoo.specs import PluginSpec, Preprocess

    known: Preprocess = TypeAdapter(Preprocess).validate_python(spec)
    maker: Callable[..., Any] = make_preprocessor
    if isinstance(known, PluginSpec):
        return digests(plugins.call("make_preprocessor", known.plugin, object, maker, spec=known)(inputs))  # type: ignore[operator]
    return digests(maker(known)(inputs))


def predicted(path: str, inputs: Sequence[Any]) -> dict[str, Any]:
    """The labels, or values, that an exported file gives."""
    from tlzoo.runtime import load

    return {"answers": [answer_of(answer) for answer in load(path).predict(list(inputs))]}


def answer_of(answer: Any) -> Any:
    """What a prediction says: its fields, numbers to four digits, and to the fourth place."""
    return _rounded(answer.as_row())


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(float(f"{value:.4g}"), 4)
    if isinstance(value, dict):
        return {str(name): _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value


def digests(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Of each array its dtype, shape and sha256."""
    return {
        name: [str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
        for name, array in arrays.items()
    }


DEEDS: dict[str, Callable[..., dict[str, Any]]] = {"import": imported, "prepare": prepared, "predict": predicted}


def ask(deed: str, cache: str, **given: Any) -> dict[str, Any]:
    """Do one of `DEEDS` in a process where nothing `HEAVY` can be imported.

    Its answer, with `wanted`, the libraries that were asked for all the same, and `error` where it failed.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "TLZOO_CACHE": cache,
        "TLZOO_OFFLINE": "1",
    }
    command = [sys.executable, "-P", "-m", "tlzoo.testing.child", deed]
    try:
        ended = subprocess.run(
            command,
            input=json.dumps(given),
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"it did not end within {LIMIT} seconds", "wanted": []}
    lines = [line for line in ended.stdout.splitlines() if line.startswith(MARK)]
    if not lines:
        last = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return {"error": f"the process ended with code {ended.returncode}: {last}", "wanted": []}
    answer: dict[str, Any] = json.loads(lines[-1].removeprefix(MARK))
    return answer


def main() -> None:
    """Do what the first argument names with what stands on stdin."""
    blocker = Blocker(HEAVY)
    sys.meta_path.insert(0, blocker)
    given = json.load(sys.stdin)
    if "inputs" in given:  # JSON has no tuples, which a sample of several inputs is
        given["inputs"] = [tuple(each) if isinstance(each, list) else each for each in given["inputs"]]
    try:
        answer = DEEDS[sys.argv[1]](**given)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the parent reports it
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(MARK + json.dumps({**answer, "wanted": list(dict.fromkeys(blocker.wanted))}))


if __name__ == "__main__":
    main()
