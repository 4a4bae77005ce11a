"""Run a suite without pytest, and find the suite of a plugin."""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from importlib import metadata
from unittest import SkipTest

from tlzoo.errors import PluginError, UsageError
from tlzoo.io.entry_points import declared
from tlzoo.testing.subject import ConformanceNote
from tlzoo.testing.suite import PluginSuite

GROUP = "tlzoo.conformance"


@dataclass(frozen=True)
class Result:
    """One check's outcome; `message` says what to mend, or of one that passed what to know. `seconds` is its time."""

    name: str
    passed: bool
    message: str
    seconds: float


def checks(suite: type[PluginSuite]) -> list[str]:
    """The names of a suite's checks, by topic, each topic's in the order in which it is written, as pytest has them."""
    names = dict.fromkeys(name for base in reversed(suite.__mro__) for name in vars(base) if name.startswith("test_"))
    return [name for name in names if callable(getattr(suite, name, None))]


def run(suite: type[PluginSuite], only: Collection[str] = ()) -> list[Result]:
    """Run every check of a suite, or those named; a fault in one is its result and not an exception.

    Raises UsageError for a name that is none.
    """
    known = checks(suite)
    if strange := sorted(set(only) - set(known)):
        raise UsageError(f"There is no check {strange[0]!r}.", hint=f"Checks: {', '.join(known)}")
    subject = suite()
    try:
        return [_result(subject, name) for name in known if not only or name in only]
    finally:
        suite.teardown_class()


def _result(subject: PluginSuite, name: str) -> Result:
    began = time.perf_counter()
    passed, message = False, ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", ConformanceNote)
        try:
            getattr(subject, name)()
            passed = True
        except SkipTest as reason:
            passed, message = True, str(reason)
        except AssertionError as fault:
            message = str(fault) or f"An assertion fails in {name}."
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - a plugin may raise anything
            message = f"{type(fault).__name__}: {fault}"
    notes = " ".join(str(warning.message) for warning in caught)
    return Result(name, passed, message or notes, round(time.perf_counter() - began, 3))


def suite_of(plugin: str) -> type[PluginSuite]:
    """The suite that a plugin's distribution names in the group `tlzoo.conformance` as `module:Suite`.

    Without one, a suite for the plugin's smallest checkpoint. Raises PluginError where what is named is no suite.
    """
    return suites_of(plugin)[""]


def suites_of(plugin: str) -> dict[str, type[PluginSuite]]:
    """All its suites by name: `""` is that of `suite_of`, others are declared as `<plugin>.<name>`."""
    found = {
        named.name.removeprefix(plugin).lstrip("."): _suite(plugin, named.name, named.value)
        for named in declared(GROUP)
        if named.name == plugin or named.name.startswith(f"{plugin}.")
    }
    if "" not in found:
        found[""] = type("Generic", (PluginSuite,), {"plugin": plugin})
    return dict(sorted(found.items()))


def _suite(plugin: str, name: str, value: str) -> type[PluginSuite]:
    entry = metadata.EntryPoint(name, value, GROUP)
    try:
        found = importlib.import_module(entry.module)
        suite = getattr(found, entry.attr)
    except Exception as cause:
        raise PluginError(
            f"The suite of {plugin!r}, {entry.value}, cannot be imported: {type(cause).__name__}: {cause}",
            hint="Correct the entry point of group tlzoo.conformance: module:Suite",
        ) from cause
    if not (isinstance(suite, type) and issubclass(suite, PluginSuite)):
        raise PluginError(
            f"The conformance suite of {plugin!r}, {entry.value}, is no PluginSuite.",
            hint="Subclass tlzoo.testing.PluginSuite.",
        )
    return suite
