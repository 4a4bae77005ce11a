"""Attribute errors to plugins: an error from a plugin's code names the plugin, its distribution and the line."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlzoo.errors import HookError, TlzooError
from tlzoo.io.entry_points import describe_plugin
from tlzoo.io.stops import is_stop
from tlzoo.plugins.discovery import FIRST_PARTY, enabled_plugins

DEBUG_HINT = "Run the command with --debug for the whole trace, and report it to the plugin's author."
CALLED_PLUGINS: set[str] = set()
"""The plugins whose hooks a command has called."""


@contextmanager
def attribute_errors(what: str, plugin: str) -> Iterator[None]:
    """Raise what comes out of the block and is no TlzooError as HookError: `what` of that plugin failed."""
    try:
        yield
    except TlzooError:
        raise
    except BaseException as cause:
        if is_stop(cause):
            raise
        raise HookError(f"{what} of {describe_plugin(plugin)} failed: {error_line(cause)}", hint=DEBUG_HINT) from cause


@contextmanager
def name_plugins() -> Iterator[None]:
    """Raise what a plugin's code inside raises, and is no TlzooError, as HookError; around what users call."""
    try:
        yield
    except TlzooError:
        raise
    except BaseException as cause:
        if is_stop(cause) or (fault := raised_by_plugin(cause)) is None:
            raise
        raise fault from cause


def error_line(cause: BaseException) -> str:
    """An exception in one line, even if its text cannot be formatted."""
    try:
        text = " ".join(str(cause).split())
    except Exception:  # noqa: BLE001 - a plugin's exception may fail to format, too
        text = ""
    return f"{type(cause).__name__}: {text}".rstrip(": ")


def plugin_error(error: BaseException) -> HookError | None:
    """An error as that of a plugin: whose code is in its trace, else of those asked that anyone but tlzoo publishes.

    A task's methods, a head's module, a loss and a format are called from many places, and what they answer goes
    further still; this finds them from any. `None` where no such plugin took part.
    """
    if (found := raised_by_plugin(error)) is not None:
        return found
    if guests := [describe_plugin(name) for name in sorted(CALLED_PLUGINS) if name not in FIRST_PARTY]:
        return HookError(
            f"Something that {' or '.join(guests)} returned cannot be used: {error_line(error)}", hint=DEBUG_HINT
        )
    return None


def raised_by_plugin(error: BaseException) -> HookError | None:
    """An error that a plugin's code raised or passed on, with the file and line; `None` for any other.

    What Python or a library made another error of, such as a StopIteration in a generator, counts as well.
    """
    owners = {one.module.partition(":")[0].partition(".")[0]: one for one in enabled_plugins()}
    for cause in _causes(error):
        for frame, line in reversed(list(traceback.walk_tb(cause.__traceback__))):
            package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
            if (plugin := owners.get(package)) is not None:
                file = frame.f_code.co_filename
                where = f"{Path(file).name}, line {line}, in {frame.f_code.co_qualname}"
                return HookError(
                    f"Plugin {plugin.name!r} ({plugin}) failed in {where}: {error_line(cause)}", hint=DEBUG_HINT
                )
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised from, outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__
