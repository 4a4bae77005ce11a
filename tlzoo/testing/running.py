"""Run a suite with pytest from Python, and find the suites of a plugin."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from types import ModuleType
from typing import Any

from tlzoo.errors import PluginError, UsageError

try:
    import pytest
except ModuleNotFoundError as cause:
    raise UsageError(
        "The conformance suite runs with pytest, which is not installed.",
        hint="Install it: pip install 'tlzoo[conformance]'",
    ) from cause

from tlzoo.io.entry_points import declared_entries
from tlzoo.plugins.attribution import error_line
from tlzoo.plugins.discovery import CONFORMANCE_GROUP
from tlzoo.testing.base import ConformanceNote
from tlzoo.testing.suite import PluginSuite

_OPTIONS = (
    *("-c", os.devnull, "--rootdir", os.path.dirname(__file__), "--noconftest", "--disable-plugin-autoload"),
    *("--assert=plain", "--capture=no", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "no:terminal"),
    *("-p", "no:threadexception", "-p", "no:unraisableexception"),  # these collect garbage five times at the end
    *("-W", "ignore", "-W", f"always::{ConformanceNote.__module__}.{ConformanceNote.__name__}"),
)
"""The user's own configuration and plugins are about the user's own tests."""


@dataclass(frozen=True)
class Result:
    """One check's outcome; `message` says what to fix, or of one that passed what to know. `seconds` is its time."""

    name: str
    passed: bool
    message: str
    seconds: float


def checks(suite: type[PluginSuite]) -> list[str]:
    """The names of a suite's checks, by topic, each topic's in the order in which it is written, as pytest has them."""
    names = dict.fromkeys(name for base in reversed(suite.__mro__) for name in vars(base) if name.startswith("test_"))
    return [name for name in names if callable(getattr(suite, name, None))]


def run(
    suite: type[PluginSuite], only: Collection[str] = (), tell: Callable[[Result], object] = lambda result: None
) -> list[Result]:
    """Run every check of a suite, or those named; a fault in one is its result and not an exception.

    `tell` is given each result as it comes. Raises UsageError for an unknown name.
    """
    return _run({"": suite}, only, tell)


def _run(
    suites: Mapping[str, type[PluginSuite]],
    only: Collection[str],
    tell: Callable[[Result], object],
    begin: Callable[[str], object] = lambda name: None,
) -> list[Result]:
    for suite in suites.values():
        if strange := sorted(set(only) - set(checks(suite))):
            raise UsageError(f"There is no check {strange[0]!r}.", hint=f"Checks: {', '.join(checks(suite))}.")
    runner = _Runner(suites, only, tell, begin)
    with pytest.MonkeyPatch.context() as environment:
        for name in ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_PLUGINS"):
            environment.delenv(name, raising=False)
        if pytest.main([*_OPTIONS, __file__], [runner]) == pytest.ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
    return runner.results


class _Runner:
    """A plugin of pytest's that has it run classes, which are in no file of tests, and turns reports into results."""

    def __init__(
        self,
        suites: Mapping[str, type[PluginSuite]],
        only: Collection[str],
        tell: Callable[[Result], object],
        begin: Callable[[str], object],
    ) -> None:
        self._module, self._only, self._tell, self._begin = ModuleType("conformance"), only, tell, begin
        vars(self._module).update({f"Test{name}": suite for name, suite in suites.items()})
        self._passed, self._messages, self._seconds = True, list[str](), 0.0
        self.results: list[Result] = []

    def pytest_pycollect_makemodule(self, module_path: Any, parent: Any) -> pytest.Module:
        """The classes, in place of the file's own content."""
        module: pytest.Module = pytest.Module.from_parent(parent, path=module_path)
        module.obj = self._module
        return module

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Those asked for."""
        items[:] = [item for item in items if not self._only or item.name.partition("[")[0] in self._only]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """One check, with the notes that are warned of."""
        self._passed, self._messages, self._seconds = True, [], 0.0
        suite = item.parent.name.removeprefix("Test") if item.parent else ""
        name = f"{suite}.{item.name}" if suite else item.name
        self._begin(name)
        done = yield
        result = Result(name, self._passed, " ".join(self._messages), round(self._seconds, 3))
        self.results.append(result)
        self._tell(result)
        return done

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """How one phase of a check ended."""
        report = yield
        self._passed &= not report.failed
        self._seconds += call.duration
        if call.excinfo is not None:
            fault = call.excinfo.value
            kind = "" if report.skipped or isinstance(fault, AssertionError) else f"{type(fault).__name__}: "
            self._messages.append(f"{kind}{fault}" or f"An assertion fails in {item.name}.")
        return report

    def pytest_warning_recorded(self, warning_message: Any) -> None:
        """A note, where there is nothing graver to say."""
        if self._passed and issubclass(warning_message.category, ConformanceNote):
            self._messages.append(str(warning_message.message))


def run_suites(
    tell: Callable[[dict[str, Any]], object], plugin: str, only: Collection[str] = (), *, running: bool = False
) -> None:
    """Run all suites of a plugin and `tell` each result, as a dict; if `running`, before it `{"running": name}`.

    Raises as `suites_of` and `run`.
    """
    suites = suites_of(plugin)
    _enable_plugins_of(suites.values())
    _run(
        suites,
        only,
        lambda result: tell(asdict(result)),
        lambda name: tell({"running": name}) if running else None,
    )


def _enable_plugins_of(suites: Iterable[type[PluginSuite]]) -> None:
    """Where `TLZOO_PLUGINS` names the plugins that count, add those of the checkpoints that the suites name."""
    if (chosen := os.environ.get("TLZOO_PLUGINS")) is None:
        return
    given = [suite.checkpoint for suite in suites if suite.checkpoint is not None]
    needed = [each.partition("/")[0] if isinstance(each, str) else each.plugin for each in given]
    os.environ["TLZOO_PLUGINS"] = ",".join(dict.fromkeys([*filter(None, chosen.split(",")), *needed]))


def suites_of(plugin: str) -> dict[str, type[PluginSuite]]:
    """The suites that a plugin's distribution names in the group `tlzoo.conformance` as `module:Suite`, by name.

    `""` is the one named as the plugin, without one a suite for its smallest checkpoint; others are `<plugin>.<name>`.
    Raises PluginError where what is named is no suite.
    """
    found = {
        named.name.removeprefix(plugin).lstrip("."): _suite(plugin, named.name, named.value)
        for named in declared_entries(CONFORMANCE_GROUP)
        if named.name == plugin or named.name.startswith(f"{plugin}.")
    }
    if "" not in found:
        found[""] = type("Generic", (PluginSuite,), {"plugin": plugin})
    return dict(sorted(found.items()))


def _suite(plugin: str, name: str, value: str) -> type[PluginSuite]:
    """The class that an entry point of the group `tlzoo.conformance` names. Raises PluginError where there is none."""
    try:
        suite = metadata.EntryPoint(name, value, CONFORMANCE_GROUP).load()
        if not (isinstance(suite, type) and issubclass(suite, PluginSuite)):
            raise TypeError("it is not a subclass of tlzoo.testing.PluginSuite")
    except Exception as cause:
        raise PluginError(
            f"The conformance suite of {plugin!r}, {value}, cannot be used: {error_line(cause)}.",
            hint="Correct the entry point of group tlzoo.conformance: module:Suite",
        ) from cause
    return suite
