"""`tlzoo plugins install` and `uninstall`: nothing of a plugin is imported."""

from __future__ import annotations

from typing import Annotated

import typer

from tlzoo import plugins
from tlzoo.plugins import installer
from tlzoo.plugins.authoring.status import status
from tlzoo.progress import say


def install(
    specs: Annotated[list[str], typer.Argument(metavar="SPEC", help="Name, version, path, or git+https://...@tag")],
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Upgrade to the newest compatible version")] = False,
) -> None:
    """Install plugins, as `vision`, `tlzoo-nlp==0.1.0`, `./folder`, a wheel or a git URL, into this environment."""
    before = set(plugins.declared_plugins())
    installer.install(specs, upgrade=upgrade)
    new = {(plugin.name, plugin.distribution) for plugin in set(plugins.declared_plugins()) - before}
    for row in status():
        if (row["name"], row["distribution"]) in new:
            say(f"Installed plugin {row['name']!r} ({row['distribution']} {row['version']}).")
            if row["error"]:
                say(f"Warning: it is {row['status']}: {row['error'].rstrip('.')}.")
    if not new:
        say("No plugin was added or changed. See: tlzoo plugins list")


def uninstall(names: Annotated[list[str], typer.Argument(metavar="NAME", help="Plugins or distributions")]) -> None:
    """Uninstall plugins by plugin name, as `vision`, or by distribution, as `tlzoo-vision`."""
    distributions = {
        plugin.distribution for plugin in plugins.declared_plugins() if {plugin.name, plugin.distribution} & {*names}
    }
    dependencies = sorted({name for distribution in distributions for name in installer.requirements(distribution)})
    removed = installer.uninstall(names)
    say(f"Uninstalled {', '.join(removed)}.")
    left = [
        name for name in dependencies if name not in {plugins.normalize_name(distribution) for distribution in removed}
    ]
    if left:
        say(f"Dependencies stay installed: {', '.join(left)}. Cached weights and runs are kept too.")
