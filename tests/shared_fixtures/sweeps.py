"""Sweeps: a test of `@pytest.mark.sweep(200)` is 200 trials, each drawn from its number, `trial`.

The first runs with the ordinary tests (`ordinary=0`: none), a tenth with `-m release`, all with `--full`, which does
not repeat what passed for the same commit: a sweep that was stopped goes on where it was.
"""

from __future__ import annotations

import subprocess

import pytest

PASSED = "tlzoo/sweeps"
"""Where pytest's cache keeps what passed, for one commit."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="all trials of the sweeps that have not passed yet")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sweep(trials, ordinary=1): so many trials, each drawn from `trial`, its number")
    if config.getoption("full"):
        config.option.markexpr = "sweep"
        if not hasattr(config, "workerinput"):
            config.pluginmanager.register(_Passed(config))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    mark = metafunc.definition.get_closest_marker("sweep")
    if mark is None:
        return
    [trials], ordinary = mark.args, mark.kwargs.get("ordinary", 1)
    count = trials if metafunc.config.getoption("full") else max(1, trials // 10)
    release = [pytest.mark.release]
    metafunc.parametrize(
        "trial", [pytest.param(n, marks=release if n >= ordinary else []) for n in range(count)], ids=str
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("full"):
        return
    given = getattr(config, "workerinput", None)
    passed = set(given["sweeps_passed"] if given else _passed(config))
    left = [item for item in items if item.nodeid not in passed]
    if len(left) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in passed])
        items[:] = left


def _commit(config: pytest.Config) -> str:
    line = ["git", "-C", str(config.rootpath), "rev-parse", "HEAD"]
    return subprocess.run(line, capture_output=True, text=True, check=False).stdout.strip()


def _passed(config: pytest.Config) -> list[str]:
    assert config.cache is not None
    kept = config.cache.get(PASSED, {})
    return list(kept["tests"]) if kept.get("commit") == _commit(config) else []


class _Passed:
    """Writes down, in the process that collects results, which trials passed."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.commit, self.tests = config, _commit(config), _passed(config)
        self.failed: set[str] = set()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        """A worker of pytest-xdist deselects what this process deselects."""
        node.workerinput["sweeps_passed"] = self.tests  # type: ignore[attr-defined]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown" and report.passed and report.nodeid not in self.failed:
            self.tests.append(report.nodeid)
            assert self.config.cache is not None
            self.config.cache.set(PASSED, {"commit": self.commit, "tests": self.tests})
        elif not report.passed:
            self.failed.add(report.nodeid)
