"""What holds in every test process and in the processes that tests start."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from shared_fixtures.cheaper import few_calls, one_thread, remember_exports, remember_operators, remember_traces
from shared_fixtures.needs import check_needs
from shared_fixtures.once import Once

pytest_plugins = [
    "shared_fixtures.children",
    "shared_fixtures.duo_plugin",
    "shared_fixtures.prepared",
    "shared_fixtures.servers",
    "shared_fixtures.sweeps",
    "shared_fixtures.two_outputs",
    "shared_fixtures.watch",
]

settings.register_profile("no-seconds", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no-seconds")  # whatever a machine takes for an example

BYTE_CODE = Path(__file__).parent / ".pytest_cache" / "bytecode"

os.environ.setdefault("OMP_NUM_THREADS", "1")
"""For torch, which is imported later: there is a worker per core, and threads of several would wait for each other."""

if sys.dont_write_bytecode:  # without byte code each process that imports torch and timm compiles for 12 s
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ.setdefault("PYTHONPYCACHEPREFIX", str(BYTE_CODE))


gc.set_threshold(50_000, 20, 20)
"""Torch, timm and transformers are a million objects, through all of which the collector would go every few seconds."""


def _with_room(run: Callable[..., object], *arguments: object) -> object:
    return run(*arguments)


_with_room.__code__ = _with_room.__code__.replace(co_stacksize=80_000)
"""Python 3.11 keeps frames in chunks of 16 KB and gives a chunk back with its first frame: where pytest's own frames
fill one, each call of a test maps memory and gives it back. A frame of this size begins a chunk of a megabyte."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> object:
    """Run a test as pytest does, with room for its frames: a tenth less processor time."""
    return _with_room(item.config.pluginmanager.get_plugin("runner").pytest_runtest_protocol, item, nextitem)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Look for the programs that the test needs."""
    check_needs(item)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Makes what all workers of a test run share."""
    return Once(tmp_path_factory)


@pytest.fixture(scope="session", autouse=True)
def own_configuration(once: Once) -> None:
    """What the user has set up for tlzoo on this machine does not matter."""
    os.environ["TLZOO_CONFIG"] = str(once.folder / "config")


@pytest.fixture(autouse=True)
def cheaper(once: Once) -> None:
    """No model is traced or exported to ONNX twice; sessions have one thread."""
    one_thread()
    few_calls()
    remember_operators()
    remember_traces()
    remember_exports(once.folder / "exports")


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Progress is told, and the environment that steers tlzoo and the hub's library is afterwards as it was."""
    from tlzoo.progress import set_quiet

    set_quiet(False)
    before = steering_environment()
    yield
    after = steering_environment()
    for name in after.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
    assert after == before


def steering_environment() -> dict[str, str]:
    """What of the environment steers tlzoo and the hub's library."""
    return {name: value for name, value in os.environ.items() if name.startswith(("TLZOO_", "HF_"))}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Forget the byte code of modules that tests wrote."""
    if not hasattr(session.config, "workerinput"):
        base = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        shutil.rmtree(BYTE_CODE / base.relative_to(base.anchor), ignore_errors=True)
