"""Import one plugin in a process of its own, without torch, and run its conformance suite: whatever it does there."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from tlzoo.errors import PluginError
from tlzoo.plugins.authoring import child
from tlzoo.plugins.authoring.inspection import HEAVY, Check


def try_import(name: str, timeout: float) -> list[Check]:
    """Whether the plugin can be imported and its hooks registered where torch is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        ended = child.run([sys.executable, "-P", "-m", __name__, name, str(report)], timeout, _environment(name))
        told = _document(report.read_text("utf-8")) if report.is_file() else None
    if not isinstance(told, dict):
        reason = ended.fault or "the process ended before the import did"
        return [Check("import", "import", False, f"{reason} while it was imported" + _said(ended.last))]
    checks = [Check("import", "import", not told["error"], told["error"])]
    wanted = told["wanted"]
    message = f"importing it imports {wanted[0]}; move that into the hook that needs it" if wanted else ""
    return [*checks, Check("import", "without torch", not wanted, message)]


def try_suite(name: str, timeout: float) -> list[Check]:
    """The results of the plugin's conformance suite, run by `python -m tlzoo.testing`."""
    ended = child.run([sys.executable, "-P", "-m", "tlzoo.testing", name, "--json"], timeout, _environment(name))
    told = _document(ended.out)
    results = told.get("results") if isinstance(told, dict) else told
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        return [Check("conformance", "suite", False, (ended.fault or "it printed no results") + _said(ended.last))]
    if not results:
        return [Check("conformance", "suite", False, "the suite holds no test")]
    return [
        Check("conformance", str(row.get("name")), row.get("passed") is True, _line(row.get("message")))
        for row in results
    ]


def _environment(name: str) -> dict[str, str]:
    return {**os.environ, "TLZOO_PLUGINS": name, "PYTHONIOENCODING": "utf-8"}


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _line(message: object) -> str:
    return " ".join(str(message or "").split())


def _said(last: str) -> str:
    return f": {last}" if last else ""


class _Wanted(MetaPathFinder):
    """Notes who asks for a heavy module, and says that it is not installed."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """None, or ModuleNotFoundError for a heavy module."""
        if name.partition(".")[0] not in HEAVY:
            return None
        self.names.append(name)
        raise ModuleNotFoundError(f"No module named {name!r}: a plugin is imported where it is not", name=name)


def main(name: str, report: str) -> None:
    """Import the plugin, and write what came of it as JSON to `report`."""
    from tlzoo import plugins

    wanted, error = _Wanted(), ""
    sys.meta_path.insert(0, wanted)
    try:
        plugins.load(name)
    except PluginError as cause:
        error = cause.message
    Path(report).write_text(json.dumps({"error": error, "wanted": wanted.names}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # what the plugin left running is not waited for
