"""`tlzoo plugins`: list, install, uninstall, check and create plugins. Only `check` runs one, in another process."""

from __future__ import annotations

import typer

from tlzoo.cli.plugins.checking import check
from tlzoo.cli.plugins.creating import new
from tlzoo.cli.plugins.installing import install, uninstall
from tlzoo.cli.plugins.listing import show
from tlzoo.cli.shared.options import Json
from tlzoo.cli.shared.output import make_app

app = make_app("List, install, uninstall, check and create plugins. Without a command: list.")
app.command("list")(show)
for _command in (install, uninstall, check, new):
    app.command()(_command)


@app.callback(invoke_without_command=True)
def _default(context: typer.Context, json: Json = False) -> None:
    if context.invoked_subcommand is None:
        show(json)
