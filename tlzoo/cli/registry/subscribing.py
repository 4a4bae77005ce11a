"""`tlzoo registry add`, `remove` and `update`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tlzoo.cli.registry.listing import ShadowedId, report_shadowed, shadow_conflicts
from tlzoo.cli.shared.output import print_json, print_table
from tlzoo.errors import RegistryError
from tlzoo.io.signatures import fingerprint
from tlzoo.progress import say
from tlzoo.registry.catalogue import ids_of
from tlzoo.registry.files import origin_of
from tlzoo.registry.subscriptions import config
from tlzoo.registry.subscriptions import subscribe as registries
from tlzoo.registry.subscriptions.subscribe import UpdateResult

Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]


def add(
    location: Annotated[str, typer.Argument(metavar="URL|FILE", help="An https address or a local registry file.")],
    sha256: Annotated[str | None, typer.Option(help="Pin the content to this hash (64 hex digits).")] = None,
    key: Annotated[str | None, typer.Option(help="The author's Ed25519 public key: base64, or a file.")] = None,
    unpinned: Annotated[
        bool, typer.Option("--unpinned", help="Trust the server without key or hash, at updates too.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Name of the registry \\[host or file name].")] = None,
    first: Annotated[
        bool, typer.Option("--first", help="Put it before the built-in registry: may replace entries.")
    ] = False,
    json: Json = False,
) -> None:
    """Add a registry after all others, or with --first before the built-in one."""
    added = registries.add(location, sha256=sha256, key=key, unpinned=unpinned, name=name, first=first)
    hidden, unused = shadow_conflicts(added.name)
    entries = _count(added)
    if json:
        report = {"shadows": _as_json(hidden), "shadowed": _as_json(unused)}
        print_json({"name": added.name, "entries": entries, "url": added.url, "path": added.path, **report})
        return
    say(f"Added {added.name} with {entries} {'entry' if entries == 1 else 'entries'}{_trust_note(added)}.")
    if added.first and added.unpinned:
        say("Its server can now replace any entry at each update, built-in ones too. Safer: --key")
    for entry in hidden:
        say(f"{entry.id} now comes from {added.name} instead of {entry.by}.")
    report_shadowed(added.name, unused)


def remove(name: Annotated[str, typer.Argument(metavar="NAME", help="Name, as in `tlzoo registry list`.")]) -> None:
    """Remove an added registry; a local file is not deleted."""
    removed = registries.remove(name)
    say(f"Removed {removed.name} ({removed.url or removed.path}).")


def update(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Registries to update \\[all].")] = None,
    json: Json = False,
) -> None:
    """Fetch the added registries again; if that fails, the existing copy stays in use."""
    updated = registries.update(names or ())
    rows = [_row(each) for each in updated]
    if json:
        print_json(rows)
    else:
        print_table(("name", "state", "entries", "sequence"), [list(row.values())[:4] for row in rows])
        if not rows:
            say("There are no added registries. Add one: tlzoo registry add URL --key KEY")
        for each in updated:
            if each.error is not None:
                say(f"Error: {each.registry.name}: {each.error}")
    if any(each.error for each in updated):
        raise typer.Exit(2)


def _row(updated: UpdateResult) -> dict[str, Any]:
    registry = updated.registry
    return {
        "name": registry.name,
        "state": updated.state,
        "entries": _count(registry),
        "sequence": registry.held.sequence if registry.held else None,
        "error": str(updated.error) if updated.error else None,
    }


def _count(registry: config.Subscription) -> int | None:
    """How many entries are in use of it; `None` where its file is gone."""
    origin = origin_of(registry)
    try:
        return None if origin is None else len(ids_of(origin))
    except RegistryError:
        return None


def _trust_note(registry: config.Subscription) -> str:
    if registry.key is not None:
        return f", signed by {fingerprint(registry.key)}"
    if registry.sha256 is not None:
        return ", pinned by sha256"
    return "" if registry.url is None else ", trusted without key or hash"


def _as_json(entries: list[ShadowedId]) -> list[dict[str, str]]:
    return [{"id": entry.id, "by": entry.by} for entry in entries]
