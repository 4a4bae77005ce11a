"""Try one plugin in processes of their own: examine and import it without torch, then run its conformance suite."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from tlzoo import plugins
from tlzoo.plugins.authoring import child
from tlzoo.plugins.authoring.inspection import PluginCheck, static_checks
from tlzoo.progress import working


def try_import(name: str, distribution: str, limit: float, folders: Sequence[Path] = ()) -> Generator[PluginCheck]:
    """The static checks, then whether it can be imported and its hooks registered where torch is not installed.

    `folders` are searched before this environment: those of a plugin that is not installed.
    """
    path = os.pathsep.join(filter(None, [*map(str, folders), *sys.path]))
    environment, hooks = {"TLZOO_PLUGINS": name, "PYTHONPATH": path}, ""
    tried = child.run_in_child(
        f"{__name__}:import_and_report",
        limit,
        environment,
        block=child.HEAVY_LIBRARIES,
        name=name,
        distribution=distribution,
    )
    for document in tried:
        if "stage" in document:
            yield PluginCheck(**document)
        elif "hooks" in document:
            hooks = f"hooks: {', '.join(document['hooks']) or 'none'}"
        else:
            yield PluginCheck("import", "import", not document["fault"], document["fault"] or hooks)
            if document["imported"] is not None:
                found = next(iter(document["imported"]), "")
                message = f"importing it imports {found}; move that into the hook that needs it" if found else ""
                yield PluginCheck("import", "without torch", not found, message)


def import_and_report(send: child.Send, name: str, distribution: str) -> None:
    """What `try_import` does in the other process."""
    for check in static_checks(metadata.distribution(distribution), name):
        send(asdict(check))
    send({"hooks": plugins.import_plugin(name).hooks})


def try_suite(name: str, limit: float) -> Generator[PluginCheck]:
    """The results of the plugin's conformance suites, each as it comes."""
    count, suite = 0, "tlzoo.testing.running:run_suites"
    with working(f"Starting the conformance suite of {name}") as rename:
        for document in child.run_in_child(suite, limit, {"TLZOO_PLUGINS": name}, plugin=name, running=True):
            if "running" in document:
                rename(f"Running {document['running']}")
            elif "name" in document:
                count += 1
                yield PluginCheck(
                    "conformance", document["name"], document["passed"], " ".join(document["message"].split())
                )
            elif document["fault"] or not count:
                message = f"{document['fault']} {document['hint']}".strip() or "the suite has no checks"
                yield PluginCheck("conformance", "suite", False, message)
