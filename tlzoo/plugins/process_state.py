"""What a plugin's code may change for the whole process: read before it runs, and put back after it."""

from __future__ import annotations

import gc
import locale
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tlzoo.io.stops import NUMBERS

_VARIABLES = (
    *("TLZOO_ALLOCATOR", "TLZOO_CACHE", "TLZOO_CONFIG", "TLZOO_DEBUG", "TLZOO_LOCK", "TLZOO_MEMORY"),
    *("TLZOO_OFFLINE", "TLZOO_PLUGINS", "TLZOO_REGISTRY", "TLZOO_TRUSTED_HOSTS"),
)
"""Those that steer tlzoo: reading the whole environment would take most of the time that a call is watched."""
STREAMS = ("sys.stdout", "sys.stderr")
"""What the core replaces itself, as while a bar is drawn."""
THREADS = "torch's number of threads"
"""What the core sets once for the process."""
FILTERS = "the filters of warnings"
"""What every thread that suppresses warnings changes for a while."""
_AUTOCAST = ("cpu", "cuda")
"""The devices whose mixed precision is watched."""
_STATUS = Path("/proc/self/status")
_UNREADABLE = (IndexError, KeyError, AttributeError, ImportError, OSError, ValueError, locale.Error)
"""What reading raises of a library that is not imported, or only in part so far, and of a folder that was removed."""


class Setting(NamedTuple):
    """One thing that a process has one of; `thread` where each thread has its own."""

    title: str
    read: Callable[[], Any]
    put_back: Callable[[Any], object]
    thread: bool = False


class _Filters(tuple[Any, ...]):
    """The filters of warnings; libraries add some for their own warnings, so that equal means: for all warnings."""

    def _blanket(self) -> list[Any]:
        return [one for one in self if one[1] is one[3] is None and one[2].__module__ == "builtins"]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Filters) and self._blanket() == other._blanket()

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__

    def __repr__(self) -> str:
        return f"{len(self._blanket())} for all warnings"


def _put_back_filters(before: _Filters) -> None:
    known = set(before)
    own = [one for one in warnings.filters if one not in known and one not in _Filters(warnings.filters)._blanket()]
    warnings.filters[:] = [*own, *before]  # type: ignore[index]
    with warnings.catch_warnings():  # lets Python see that they changed
        pass


def _torch() -> Any:
    """Torch where it is imported."""
    return sys.modules["torch"]


def _put_back_device(before: Any) -> None:
    _torch().set_default_device(None if before.type == "cpu" else before)  # none is faster than naming the CPU


def _put_back_handlers(before: tuple[Any, ...]) -> None:
    for number, handler in zip(NUMBERS, before, strict=True):
        if handler is not None:  # one that was not installed from Python
            signal.signal(number, handler)


def _put_back_environment(before: dict[str, str]) -> None:
    for name in set(_environment()) - set(before):
        del os.environ[name]
    os.environ.update(before)


def _environment() -> dict[str, str]:
    return {name: value for name in _VARIABLES if (value := os.environ.get(name)) is not None}


def _put_back_logging(before: tuple[Any, ...]) -> None:
    logging.root.handlers[:] = before[0]
    logging.root.setLevel(before[1])
    logging.disable(before[2])


def _umask() -> int:
    """As Linux tells it; asking `os.umask` would change it for other threads for a moment."""
    return int(_STATUS.read_bytes().split(b"\nUmask:", 1)[1].split(None, 1)[0], 8)


def _put_back_collector(before: bool) -> None:
    (gc.enable if before else gc.disable)()


def _put_back_stream(name: str) -> Callable[[Any], None]:
    return lambda before: setattr(sys, name, before)


def _open_streams() -> tuple[bool, bool]:
    return tuple(not getattr(stream, "closed", False) for stream in (sys.stdout, sys.stderr))  # type: ignore[return-value]


def _reopen_streams(before: tuple[bool, bool]) -> None:
    """Give what was closed a new stream on the same descriptor, which closing Python's own leaves open."""
    shared = sys.stdout is sys.stderr
    for name, number, was_open in (("stderr", 2, before[1]), ("stdout", 1, before[0])):
        closed = getattr(sys, name)
        if not was_open or not getattr(closed, "closed", False):
            continue
        fresh = open(number, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115 - it stays open
        for each in (name, f"__{name}__"):
            if getattr(sys, each) is closed:
                setattr(sys, each, fresh)
        if shared:
            sys.stdout = fresh


def _deterministic() -> tuple[bool, bool]:
    torch = _torch()
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _autocast() -> tuple[bool, bool]:
    return tuple(map(_torch().is_autocast_enabled, _AUTOCAST))


def _put_back_autocast(before: tuple[bool, bool]) -> None:
    for kind, enabled in zip(_AUTOCAST, before, strict=True):
        _torch().set_autocast_enabled(kind, enabled)


def _anomalies() -> tuple[bool, bool]:
    torch = _torch()
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _libraries() -> tuple[bool, ...]:
    backends = _torch().backends
    return backends.mkldnn.enabled, backends.cudnn.enabled, backends.cudnn.benchmark, backends.cudnn.deterministic


def _put_back_libraries(before: tuple[bool, ...]) -> None:
    backends = _torch().backends
    backends.mkldnn.enabled = before[0]
    backends.cudnn.enabled, backends.cudnn.benchmark, backends.cudnn.deterministic = before[1:]


SETTINGS = (
    Setting("torch's default dtype", lambda: _torch().get_default_dtype(), lambda b: _torch().set_default_dtype(b)),
    Setting("torch's default device", lambda: _torch().get_default_device(), _put_back_device),
    Setting(THREADS, lambda: _torch().get_num_threads(), lambda b: _torch().set_num_threads(b)),
    Setting("torch's grad mode", lambda: _torch().is_grad_enabled(), lambda b: _torch().set_grad_enabled(b), True),
    Setting(
        "torch's deterministic algorithms",
        _deterministic,
        lambda b: _torch().use_deterministic_algorithms(b[0], warn_only=b[1]),
    ),
    Setting("torch's autocast", _autocast, _put_back_autocast, True),
    Setting("torch's detection of anomalies", _anomalies, lambda b: _torch().autograd.set_detect_anomaly(*b)),
    Setting(
        "torch's use of oneDNN and cuDNN",
        _libraries,
        _put_back_libraries,
    ),
    Setting(
        "torch's precision of float32 products",
        lambda: _torch().get_float32_matmul_precision(),
        lambda b: _torch().set_float32_matmul_precision(b),
    ),
    Setting(
        "numpy's handling of errors",
        lambda: sys.modules["numpy"].geterr(),
        lambda b: sys.modules["numpy"].seterr(**b),
        True,
    ),
    Setting(
        "the handlers of SIGINT, SIGTERM and SIGHUP", lambda: tuple(map(signal.getsignal, NUMBERS)), _put_back_handlers
    ),
    Setting(FILTERS, lambda: _Filters(warnings.filters), _put_back_filters),
    Setting("the working directory", os.getcwd, os.chdir),
    Setting(
        "the locale", lambda: locale.setlocale(locale.LC_ALL), lambda before: locale.setlocale(locale.LC_ALL, before)
    ),
    Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    Setting("the garbage collector", gc.isenabled, _put_back_collector),
    Setting("the umask", _umask, os.umask),
    Setting(
        "the time limit of sockets",
        lambda: sys.modules["socket"].getdefaulttimeout(),
        lambda before: sys.modules["socket"].setdefaulttimeout(before),
    ),
    Setting("sys.excepthook", lambda: sys.excepthook, lambda before: setattr(sys, "excepthook", before)),
    Setting("sys.stdout", lambda: sys.stdout, _put_back_stream("stdout")),
    Setting("sys.stderr", lambda: sys.stderr, _put_back_stream("stderr")),
    Setting("whether sys.stdout and sys.stderr are open", _open_streams, _reopen_streams, True),
    Setting(
        "the handlers of the root logger",
        lambda: (list(logging.root.handlers), logging.root.level, logging.root.manager.disable),
        _put_back_logging,
    ),
    Setting("the environment of tlzoo", _environment, _put_back_environment),
)
CHANGED_BY_CORE = {
    *STREAMS,
    THREADS,
    FILTERS,
    "torch's autocast",
    "torch's default device",
    "torch's grad mode",
    "numpy's handling of errors",
    "the handlers of SIGINT, SIGTERM and SIGHUP",
}
"""What the core itself changes for a while, around calls of plugins."""


def read_settings(also: Container[str] = ()) -> dict[str, Any]:
    """Every setting by its title, as it is now; in another thread than the first those of the thread, and `also`."""
    found, first = {}, threading.current_thread() is threading.main_thread()
    for each in SETTINGS:
        if first or each.thread or each.title in also:
            try:
                found[each.title] = each.read()
            except _UNREADABLE:
                continue
    return found


def put_back_settings(
    before: Mapping[str, Any], leave: Iterable[str] = (), now: Mapping[str, Any] | None = None
) -> dict[str, tuple[Any, Any]]:
    """Put back what has changed since, or until `now`; returns it by title, with its value before and after."""
    now, changed = read_settings(before) if now is None else now, {}
    for each in SETTINGS:
        if each.title not in before or each.title not in now or each.title in leave:
            continue
        old, new = before[each.title], now[each.title]
        if each.title in STREAMS and getattr(old, "closed", False):
            continue  # another was opened for it
        if old is not new and old != new:
            with suppress(*_UNREADABLE):
                each.put_back(old)
            changed[each.title] = (old, new)
    return changed


def shared_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of these settings those that all threads share and the core leaves alone."""
    own = {each.title for each in SETTINGS if each.thread} | CHANGED_BY_CORE
    return {title: value for title, value in settings.items() if title not in own}


def torch_defaults() -> dict[str, Any]:
    """The settings of a torch that has just been imported, where it was; for code that imports it first."""
    if (torch := sys.modules.get("torch")) is None or not hasattr(torch, "float32"):
        return {}
    return {
        "torch's default dtype": torch.float32,
        "torch's default device": torch.device("cpu"),
        "torch's grad mode": True,
        "torch's deterministic algorithms": (False, False),
    }
