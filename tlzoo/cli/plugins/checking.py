"""`tlzoo plugins check`: its metadata, then its import in a process of its own, then its conformance suite."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from tlzoo import plugins
from tlzoo.cli.shared.options import Json
from tlzoo.cli.shared.output import print_json, print_line
from tlzoo.errors import PluginError
from tlzoo.plugins.authoring import trial
from tlzoo.plugins.authoring.inspection import PluginCheck
from tlzoo.plugins.authoring.staging import stage
from tlzoo.progress import alive, printable, say

IMPORT_S = 120.0
COLUMNS = ("stage", "check", "result", "message")


def check(
    what: Annotated[
        str, typer.Argument(metavar="NAME|FOLDER|FILE.whl", help="An installed plugin, a project or a wheel")
    ],
    timeout: Annotated[
        float, typer.Option(min=1, help="Time limit of the suite in seconds; the import gets at most 120")
    ] = 600.0,
    json: Json = False,
) -> None:
    """Check a plugin's metadata and its import without torch; if it is installed, run its conformance suite."""
    path = Path(what) if what.endswith(".whl") or "/" in what or "\\" in what or what in (".", "..") else None
    documents = _check_path(path, timeout, json) if path else [_check_installed(what, timeout, json)]
    failed = [row for document in documents for row in document["checks"] if not row["passed"]]
    if json:
        print_json(documents[0] if len(documents) == 1 else documents)
    elif path and not failed:
        name = documents[0]["name"]
        say(f"To run its conformance suite: tlzoo plugins install {what} && tlzoo plugins check {name}")
    if failed:
        count = f"{len(failed)} check{'s' if len(failed) > 1 else ''}"
        raise PluginError(f"{what!r} fails {count}, first {failed[0]['name']!r}: {failed[0]['message'].rstrip('.')}.")


def _check_path(path: Path, timeout: float, quiet: bool) -> list[dict[str, Any]]:
    """The first two stages for each plugin that a wheel or a project's folder declares."""
    with tempfile.TemporaryDirectory() as into:
        distribution, folders = stage(path, Path(into))
        names = dict.fromkeys(distribution.entry_points.select(group=plugins.GROUP).names)
        if not names:
            raise PluginError(
                f"{path} declares no plugin.", hint='Add [project.entry-points.tlzoo] name = "package.plugin".'
            )
        return [
            _document(
                name, distribution, trial.try_import(name, distribution.name, min(timeout, IMPORT_S), folders), quiet
            )
            for name in names
        ]


def _check_installed(what: str, timeout: float, quiet: bool) -> dict[str, Any]:
    """All three stages; the suite only where the plugin can be imported."""
    plugin = _installed(what)

    def stages() -> Generator[PluginCheck]:
        importable = True
        for done in trial.try_import(plugin.name, plugin.distribution, min(timeout, IMPORT_S)):
            importable &= done.passed or done.stage != "import"
            yield done
        if importable:
            yield from trial.try_suite(plugin.name, timeout)

    return _document(plugin.name, metadata.distribution(plugin.distribution), stages(), quiet)


def _document(
    name: str, distribution: metadata.Distribution, checks: Generator[PluginCheck], quiet: bool
) -> dict[str, Any]:
    """All that `--json` says of a plugin; each check is printed as it is done, unless `quiet`."""
    done = []
    if not quiet and not sys.stdout.isatty():
        print_line(COLUMNS)
    with closing(checks):
        for one in checks:
            done.append(asdict(one))
            if not quiet:
                _print((one.stage, one.name, "pass" if one.passed else "FAIL", one.message))
    passed = all(row["passed"] for row in done)
    return {
        "name": name,
        "distribution": distribution.name,
        "version": distribution.version,
        "passed": passed,
        "checks": done,
    }


def _print(row: tuple[str, str, str, str]) -> None:
    """A line of a table that grows: columns of fixed width on a terminal, tab-separated elsewhere."""
    alive()
    if sys.stdout.isatty():
        stage, name, result, message = map(printable, row)
        print(f"{stage:<13}{result:<8}{name}" + (f"\n{'':<21}{message}" if message else ""), flush=True)
    else:
        print_line(row)
        sys.stdout.flush()


def _installed(what: str) -> plugins.InstalledPlugin:
    """The plugin of this name, or of the distribution of this name. Raises PluginError."""
    known = plugins.declared_plugins()
    named = [plugin for plugin in known if plugin.name == what]
    found = named or [
        plugin for plugin in known if plugins.normalize_name(plugin.distribution) == plugins.normalize_name(what)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        claims = " and ".join(f"{plugin.name!r} of {plugin}" for plugin in found)
        hint = f"Uninstall one: tlzoo plugins uninstall {found[1].distribution}"
        raise PluginError(f"{what!r} is ambiguous: {claims}.", hint=hint)
    broken = next((one for one in plugins.damaged_plugins() if what in (one.name, one.distribution)), None)
    if broken:
        raise PluginError(
            f"The metadata of {broken.distribution} {broken.version} is damaged: {broken.fault}.",
            hint=f"Remove {broken.path} and install it again.",
        )
    listed = ", ".join(plugin.name for plugin in known) or "none"
    raise PluginError(f"No plugin {what!r} is installed.", hint=f"Installed: {listed}. For a folder, type ./{what}")
