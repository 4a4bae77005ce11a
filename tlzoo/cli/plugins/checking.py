"""`tlzoo plugins check`: statically, then by importing it in a process of its own, then by its conformance suite."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from tlzoo import plugins
from tlzoo.cli.shared.options import Json
from tlzoo.cli.shared.output import print_json, print_table
from tlzoo.errors import PluginError
from tlzoo.plugins.authoring import trial
from tlzoo.plugins.authoring.description import Description, describe, describe_project, describe_wheel
from tlzoo.plugins.authoring.inspection import Check, examine
from tlzoo.progress import say

IMPORT_S = 30.0
COLUMNS = ("stage", "check", "result", "what to mend")


def check(
    what: Annotated[str, typer.Argument(metavar="NAME|FOLDER|FILE.whl")],
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds for the suite; the import gets at most 30 of them")
    ] = 600.0,
    json: Json = False,
) -> None:
    """Check a plugin: its metadata and source; where it is installed, its import without torch, and its suite."""
    documents = _check_path(Path(what)) if _is_path(what) else [_check_installed(what, timeout)]
    failed = [row for document in documents for row in document["checks"] if not row["passed"]]
    if json:
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        print_table(COLUMNS, (_cells(row) for document in documents for row in document["checks"]))
        if _is_path(what) and not failed:
            name = documents[0]["name"]
            say(f"For the rest install it: tlzoo plugins install {what}, then: tlzoo plugins check {name}")
    if failed:
        count = f"{len(failed)} check{'s' if len(failed) > 1 else ''}"
        raise PluginError(f"{what!r} fails {count}, first {failed[0]['name']!r}: {failed[0]['message'].rstrip('.')}.")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (row["stage"], row["name"], "pass" if row["passed"] else "FAIL", row["message"])


def _is_path(what: str) -> bool:
    return what.endswith(".whl") or "/" in what or "\\" in what or what in (".", "..")


def _check_path(path: Path) -> list[dict[str, Any]]:
    """The static checks of each plugin that a wheel or a project's folder declares."""
    with tempfile.TemporaryDirectory() as folder:
        described = describe_project(path) if path.is_dir() else describe_wheel(path, Path(folder))
        names = list(dict.fromkeys(name for name, _ in described.entries.get(plugins.GROUP, ())))
        if not names:
            raise PluginError(
                f"{path} declares no plugin.", hint='Add [project.entry-points.tlzoo] name = "package.plugin".'
            )
        return [_document(name, described, examine(described, name)) for name in names]


def _check_installed(what: str, timeout: float) -> dict[str, Any]:
    """All three stages; the suite only where the plugin declares one and can be imported."""
    plugin = _installed(what)
    described = describe(metadata.distribution(plugin.distribution))
    checks = examine(described, plugin.name)
    ready = next(done.passed for done in checks if done.name == "suite")
    imported = trial.try_import(plugin.name, min(timeout, IMPORT_S))
    checks += imported
    if ready and all(done.passed for done in imported):
        checks += trial.try_suite(plugin.name, timeout)
    return _document(plugin.name, described, checks)


def _installed(what: str) -> plugins.Installed:
    """The plugin of this name, or of the distribution of this name. Raises PluginError."""
    known = plugins.declared()
    named = [plugin for plugin in known if plugin.name == what]
    found = named or [plugin for plugin in known if plugins.normal(plugin.distribution) == plugins.normal(what)]
    if len(found) == 1:
        return found[0]
    if found:
        claims = " and ".join(f"{plugin.name!r} of {plugin}" for plugin in found)
        hint = f"Uninstall one: tlzoo plugins uninstall {found[1].distribution}"
        raise PluginError(f"{what!r} is {claims}.", hint=hint)
    broken = next((one for one in plugins.damaged() if what in (one.name, one.distribution)), None)
    if broken:
        raise PluginError(
            f"The metadata of {broken.distribution} {broken.version} is damaged: {broken.fault}.",
            hint=f"Remove {broken.path} and install it again.",
        )
    listed = ", ".join(plugin.name for plugin in known) or "none"
    raise PluginError(f"No plugin {what!r} is installed.", hint=f"Installed: {listed}. A folder is given as ./{what}")


def _document(name: str, described: Description, checks: list[Check]) -> dict[str, Any]:
    return {
        "name": name,
        "distribution": described.distribution,
        "version": described.version,
        "passed": all(done.passed for done in checks),
        "checks": [asdict(done) for done in checks],
    }
