"""Contain a plugin's code: prints go to stderr, changes of the process are put back, what is slow is named."""

from __future__ import annotations

import random
import sys
import threading
import time
import warnings
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from tlzoo import progress
from tlzoo.io.entry_points import REPORT_HINT, describe_plugin
from tlzoo.io.stops import forget_earlier, is_stop
from tlzoo.plugins.attribution import CALLED_PLUGINS, attribute_errors, name_plugins
from tlzoo.plugins.discovery import FIRST_PARTY
from tlzoo.plugins.process_state import (
    CHANGED_BY_CORE,
    FILTERS,
    STREAMS,
    put_back_settings,
    read_settings,
    shared_settings,
    torch_defaults,
)
from tlzoo.progress import overdue, printable

SHOWN = 200
"""Characters of a setting before and after up to which a warning shows them."""
REPORTED_CHANGES: set[tuple[str, str]] = set()
"""Changes that were warned of, by plugin and setting: each is once."""


@contextmanager
def contain(what: str, plugin: str, *, draws: bool = True, alone: bool = True) -> Iterator[None]:
    """Run a plugin's code as `watch` does, and raise its errors as `attribute_errors` does."""
    with watch(what, plugin, draws=draws, alone=alone), attribute_errors(what, plugin):
        yield


@contextmanager
def watch(what: str, *plugins: str, draws: bool = True, alone: bool = False) -> Iterator[None]:
    """Run code of these plugins: in the block, `what` of them runs.

    Prints go to stderr. Changes of the process are put back and warned of, once each; where code of plugins runs in
    other threads meanwhile, that is named as well. Where it `draws` not, random numbers go on as before it. What runs
    long is named on stderr, also when the user stops it; without `alone` only within other work that is named. The
    work stands for tlzoo's own plugins: that they are slow on this machine is no fault of theirs.
    """
    if _transparent:
        yield
        return
    workflow, before = _baseline, _put_back_baseline()
    generators, began = None if draws else _generators(), time.monotonic()

    def line(seconds: float) -> str:
        return f"{what} of {_names(plugins)} takes long: {seconds:.0f} s so far. Ctrl-C stops it; in training, twice."

    own = set(filter(None, plugins))
    behind = bool(own) and own <= FIRST_PARTY.keys()
    with overdue(line, alone, behind), _stdout_to_stderr(), _beside(what, plugins) as others:
        streams = {name: getattr(sys, name.removeprefix("sys.")) for name in STREAMS if name in before}
        try:
            yield
        except BaseException as cause:
            seconds = time.monotonic() - began
            if is_stop(cause) and seconds >= progress.PATIENCE_S and not getattr(cause, "__notes__", None):
                cause.add_note(f"Stopped in: {what} of {_names(plugins)}, after {seconds:.0f} s.")
                print(printable(cause.__notes__[-1]), file=sys.stderr, flush=True)
            raise
        finally:
            leave = (FILTERS,) if others else ()  # when those have ended, filters that are left will be seen
            imported = torch_defaults() if _in_first_thread() else {}
            if not _in_first_thread() and _baseline is not workflow:  # which has ended: what all share is its caller's
                before = {title: before[title] for title in read_settings() if title in before}
            changed = put_back_settings({**imported, **before, **streams}, leave)
            if generators is not None:
                _put_back_generators(generators)
    if changed:
        _warn_of(changed, (what, plugins), *((each.what, each.plugins) for each in others if each.plugins))


def watch_task(what: str, plugin: str) -> AbstractContextManager[None]:
    """Run code of a task as `watch` does where it is a plugin's; `plugin` is empty for the core's tasks."""
    return watch(what, plugin) if plugin else nullcontext()


@contextmanager
def uncontained() -> Iterator[None]:
    """Let plugins do in this block what they do, for the check that is about it."""
    global _transparent
    _transparent = True
    try:
        yield
    finally:
        _transparent = False


@contextmanager
def guard_workflow() -> Iterator[None]:
    """Around what users call: errors of plugins are named, and at the end the process is as it was before."""
    global _baseline
    if _baseline is not None or not _in_first_thread():
        with name_plugins():
            yield
        return
    forget_earlier()
    _baseline = read_settings()
    try:
        with name_plugins(), _stdout_to_stderr():
            stream = sys.stdout
            try:
                yield
            finally:
                if sys.stdout is not stream and not stream.closed:
                    _warn_of({"sys.stdout": (stream, sys.stdout)}, _somebody())
    finally:
        _put_back_baseline(())
        _baseline = None


def _in_first_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


_transparent = False
_baseline: dict[str, Any] | None = None
"""The settings with which a workflow began, for changes by code that is not watched, such as a task's or a thread's."""


@contextmanager
def keep_setting(title: str) -> Iterator[None]:
    """What the core sets in the block for the process stays when the workflow ends; what others have set does not."""
    if _baseline is not None and (changed := put_back_settings({t: v for t, v in _baseline.items() if t == title})):
        _warn_of(changed, _somebody())
    yield
    if _baseline is not None:
        _baseline[title] = read_settings((title,))[title]


def _put_back_baseline(leave: Iterable[str] = CHANGED_BY_CORE) -> dict[str, Any]:
    """The settings as they are, once those are put back that differ from the workflow's beginning.

    In another thread they are those that a plugin's code there is held to: the thread's own, and of a workflow's
    those that the core leaves alone.
    """
    if not _in_first_thread():
        shared = {} if _baseline is None else shared_settings({**torch_defaults(), **_baseline})
        return {**read_settings(), **shared}
    now = read_settings()
    if _baseline is None:
        return now
    if changed := put_back_settings({**torch_defaults(), **_baseline}, leave, now):
        _warn_of(changed, _somebody())
        return read_settings()
    return now


def _somebody() -> tuple[str, Collection[str]]:
    """Whoever changed what code that is not watched changes, as a task's."""
    return "Something", sorted(CALLED_PLUGINS - FIRST_PARTY.keys())


@dataclass(eq=False)
class _Block:
    """Code that runs in one thread, and the code that ran in others meanwhile."""

    what: str
    plugins: Collection[str]
    thread: threading.Thread = field(default_factory=threading.current_thread)
    others: list[_Block] = field(default_factory=list)


_blocks: list[_Block] = []
_blocks_lock = threading.Lock()


@contextmanager
def _beside(what: str, plugins: Collection[str]) -> Iterator[list[_Block]]:
    """Yield what runs in other threads while the block does; it grows."""
    block = _Block(what, plugins)
    with _blocks_lock:
        block.others += [each for each in _blocks if each.thread is not block.thread]
        for each in block.others:
            each.others.append(block)
        _blocks.append(block)
    try:
        yield block.others
    finally:
        with _blocks_lock:
            _blocks.remove(block)


@contextmanager
def beside_plugins() -> Iterator[None]:
    """In a thread of the core: the filters of warnings may change for a while, as in imports, and no plugin did it."""
    with _beside("", ()):
        yield


def _names(plugins: Iterable[str]) -> str:
    return " or ".join(map(describe_plugin, dict.fromkeys(filter(None, plugins)))) or "a plugin"


def _warn_of(changed: dict[str, tuple[Any, Any]], *suspects: tuple[str, Collection[str]]) -> None:
    """Warn, once each, of changes by code of these plugins; what tlzoo's own import, as torch does, accuses nobody."""
    accused = {name for _, plugins in suspects for name in plugins if name}
    if not accused - FIRST_PARTY.keys():
        return
    plugins = " ".join(sorted(accused))
    who = " or ".join(dict.fromkeys(f"{what} of {_names(plugins)}" for what, plugins in suspects))
    for title, values in changed.items():
        if (plugins, title) not in REPORTED_CHANGES:
            REPORTED_CHANGES.add((plugins, title))
            old, new = map(_shown, values)
            shown = f" from {old} to {new}" if title not in STREAMS and len(old + new) < SHOWN else ""
            warnings.warn(
                f"{who} changes {title}{shown}, for the whole process; it is put back. {REPORT_HINT}",
                RuntimeWarning,
                stacklevel=4,
            )


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - of a plugin's own object
        return type(value).__name__


def _generators() -> tuple[Any, ...]:
    """The states of the generators of Python, numpy and torch, of those that are imported."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    return (
        random.getstate(),
        None if numpy is None else numpy.random.get_state(),
        None if not hasattr(torch, "get_rng_state") else torch.get_rng_state(),  # type: ignore[union-attr]
    )


def _put_back_generators(states: tuple[Any, ...]) -> None:
    random.setstate(states[0])
    if states[1] is not None:
        sys.modules["numpy"].random.set_state(states[1])
    if states[2] is not None:
        sys.modules["torch"].set_rng_state(states[2])


class _Redirection:
    """Stdout leads to stderr while a block runs; blocks of the first thread may lie in each other."""

    def __init__(self) -> None:
        self._depth = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        if self._depth:
            yield
            return
        self._depth, kept = 1, sys.stdout
        sys.stdout = sys.stderr
        try:
            yield
        finally:
            self._depth, sys.stdout = 0, kept


_redirection = _Redirection()


def _stdout_to_stderr() -> Any:
    """Another thread's prints are left: what it restored would be another's."""
    return _redirection() if _in_first_thread() else nullcontext()
