"""What the benchmarks share: child processes with a stopwatch, and a cache of their own to be cold or warm in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
"""What `tlzoo.allocator` sets for the user, as the environment variables that give it to any other program."""


Made = TypeVar("Made")


@dataclass(frozen=True)
class Finished:
    """Wall seconds from before the start to after the end of a process, its peak RSS in MiB, what it printed."""

    seconds: float
    peak: float
    output: str


def run(command: Sequence[str | Path], **environment: str) -> Finished:
    """Run one process to its end; what it says on stderr is shown only when it fails, which ends the benchmark.

    `Popen.wait` would not tell the peak of this one child; on Linux `ru_maxrss` is in KiB.
    """
    began = time.perf_counter()
    child = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    output, complaint = _read_both(child)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(map(str, command))[:500]}\nended with {child.returncode}:\n{complaint[-3000:]}")
    return Finished(seconds, usage.ru_maxrss / 1024, output)


def _read_both(child: subprocess.Popen[str]) -> tuple[str, str]:
    """All of stdout and stderr, without reaping the child."""
    from concurrent.futures import ThreadPoolExecutor

    assert child.stdout is not None
    assert child.stderr is not None
    with ThreadPoolExecutor(2) as pool, child.stdout as out, child.stderr as complaints:
        said, complained = pool.submit(out.read), pool.submit(complaints.read)
        return said.result(), complained.result()


class Cache:
    """A cache folder for tlzoo that shares the user's weights and nothing else, so that emptying it costs nobody."""

    def __init__(self, folder: Path) -> None:
        from tlzoo.weights import cache

        self.folder = folder
        folder.mkdir(parents=True)
        weights = cache.root() / "weights"
        weights.mkdir(parents=True, exist_ok=True)
        (folder / "weights").symlink_to(weights)

    def tlzoo(self, *arguments: str | Path) -> Finished:
        """One `tlzoo` command in this cache."""
        return run([sys.executable, "-m", "tlzoo", *arguments], TLZOO_CACHE=str(self.folder))

    def newest_graph(self) -> Path:
        """The graph that was written last."""
        return max((self.folder / "graphs").glob("*.onnx"), key=os.path.getmtime)

    def forget_activations(self) -> None:
        """What the frozen part computed is gone; the exported graphs stay."""
        shutil.rmtree(self.folder / "activations", ignore_errors=True)

    def activation_bytes(self) -> int:
        """Size of what the frozen part computed, on disk."""
        return sum(path.stat().st_size for path in (self.folder / "activations").rglob("*") if path.is_file())


def apart(function: Callable[..., Made], *arguments: object) -> Made:
    """What a function returns in a new process: on Linux a child's peak memory starts at that of its parent."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


class Side:
    """A child process that measures itself, a turn at a time: a JSON line in, a JSON line out.

    While one side has its turn the others wait, so that none takes another's processor and all meet the same hour.
    """

    def __init__(self, command: Sequence[str | Path], **environment: str) -> None:
        self._child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **environment},
        )
        self.ready = self._answer()

    def turn(self, request: object) -> Any:
        """What the child answers to one request."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(request) + "\n")
        self._child.stdin.flush()
        return self._answer()

    def end(self) -> None:
        """Close its input, upon which it ends."""
        self._child.communicate()

    def _answer(self) -> Any:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise SystemExit(f"A side ended with {self._child.wait()}: {' '.join(map(str, self._child.args))[:500]}")
        return json.loads(line)


def machine() -> str:
    """What the figures depend on, in a line."""
    import tlzoo  # noqa: F401  before onnxruntime, whose telemetry it switches off
    import onnxruntime  # isort: skip

    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.is_file() else []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set())
    fast = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8") if flag in flags]
    return (
        f"{os.cpu_count()} cores, {named} ({' '.join(fast)}), Python {sys.version.split()[0]}, "
        f"onnxruntime {onnxruntime.__version__}, load average before {os.getloadavg()[0]:.1f}"
    )
