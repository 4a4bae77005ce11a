"""`tlzoo registry`: the registries in use, and tools for registry authors."""

from __future__ import annotations

import typer

from tlzoo.cli.registry import authoring, listing, subscribing
from tlzoo.cli.registry.drafting import new_entry
from tlzoo.cli.shared.options import Json
from tlzoo.cli.shared.output import make_app

app = make_app("List, add, update and remove registries; check, write and sign your own. Without a command: list.")


@app.callback(invoke_without_command=True)
def _default(context: typer.Context, json: Json = False) -> None:
    if context.invoked_subcommand is None:
        listing.show(json)


app.command("list")(listing.show)
app.command()(subscribing.add)
app.command()(subscribing.remove)
app.command()(subscribing.update)
app.command()(authoring.validate)
app.command("new-entry")(new_entry)
app.command("new-key")(authoring.new_key)
app.command()(authoring.sign)
app.command()(authoring.schema)
