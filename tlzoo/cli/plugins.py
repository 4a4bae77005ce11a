"""`tlzoo plugins`: list, install and uninstall, importing nothing of any plugin."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tlzoo import plugins
from tlzoo.cli.output import make_app, print_json, print_table
from tlzoo.errors import PluginError
from tlzoo.progress import say

COLUMNS = ("name", "distribution", "version", "status")
app = make_app("List, install and uninstall plugins. Without a command: list.")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.callback(invoke_without_command=True)
def _default(context: typer.Context, json: AsJson = False) -> None:
    if context.invoked_subcommand is None:
        show(json)


@app.command("list")
def show(json: AsJson = False) -> None:
    """List the installed plugins; conflict: two claim the name; off: TLZOO_PLUGINS leaves it out."""
    rows = status()
    if json:
        print_json(rows)
        return
    print_table(COLUMNS, ([row[column] for column in COLUMNS] for row in rows))
    if not rows:
        say(f"No plugin is installed. Install one: tlzoo plugins install {plugins.FIRST_PARTY['vision']}")


@app.command()
def install(specs: Annotated[list[str], typer.Argument(metavar="SPEC...")]) -> None:
    """Install plugins, as `tlzoo-vision`, `tlzoo-nlp==0.1.0`, `vision`, or a path, into this Python environment."""
    before = set(plugins.declared())
    _run_installer("install", [plugins.FIRST_PARTY.get(spec, spec) for spec in specs])
    new = [plugin for plugin in plugins.declared() if plugin not in before]
    for plugin in new:
        say(f"Installed plugin {plugin.name!r} ({plugin}).")
    if not new:
        say("Done; no plugin is new or changed. See: tlzoo plugins list")


@app.command()
def uninstall(names: Annotated[list[str], typer.Argument(metavar="NAME...")]) -> None:
    """Uninstall plugins by the name of their distribution, as `tlzoo-vision`, or a first-party one's short name."""
    distributions = [_contributor(plugins.FIRST_PARTY.get(name, name)) for name in names]
    _run_installer("uninstall", distributions)
    say(f"Uninstalled {', '.join(distributions)}.")


def status() -> list[dict[str, str]]:
    """Name, distribution, version and status (`ok`, `conflict` or `off`) of each installed plugin."""
    declared = plugins.declared()
    claims = Counter(plugin.name for plugin in declared)
    return [
        {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "status": "off" if not plugins.allowed(plugin.name) else "conflict" if claims[plugin.name] > 1 else "ok",
        }
        for plugin in declared
    ]


def _contributor(name: str) -> str:
    """The distribution of this name, if it is a plugin's: uninstalling is for nothing else."""
    known = {_normal(distribution): distribution for distribution in plugins.contributors()}
    if _normal(name) not in known:
        listed = ", ".join(known.values()) or "none"
        raise PluginError(f"{name!r} is not an installed plugin's distribution.", hint=f"Installed: {listed}")
    return known[_normal(name)]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installer(action: str) -> list[str]:
    """The command that installs into or uninstalls from this environment: uv where it made it or pip is missing."""
    uv = shutil.which("uv")
    if uv and (importlib.util.find_spec("pip") is None or _made_by_uv()):
        return [uv, "pip", action, "--python", sys.executable]
    return [sys.executable, "-P", "-m", "pip", action, *(["--yes"] if action == "uninstall" else [])]


def _made_by_uv() -> bool:
    settings = Path(sys.prefix, "pyvenv.cfg")
    return settings.is_file() and re.search(r"(?m)^uv\s*=", settings.read_text(encoding="utf-8")) is not None


def _run_installer(action: str, packages: Sequence[str]) -> None:
    """Run the installer, its output on stderr; raise PluginError with its last words when it fails."""
    command = [*installer(action), "--", *packages]
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            for line in process.stdout or ():
                lines.append(line.strip())
                print(line, end="", file=sys.stderr, flush=True)
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise PluginError(
            f"Could not {action} {' '.join(packages)}: {_last_words(lines)}",
            hint=f"Try it yourself: {' '.join(command)}",
        )
    importlib.invalidate_caches()


def _last_words(lines: Sequence[str]) -> str:
    """The installer's last line; where it wrapped its last error over several, all of that error."""
    said = [line for line in lines if line]
    starts = [i for i, line in enumerate(said) if re.match(r"error|×|╰─▶", line, re.IGNORECASE)]
    return " ".join(said[starts[-1] :]) if starts else (said or ["it said nothing"])[-1]
