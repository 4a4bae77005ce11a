"""`tlzoo registry list`: every registry in order of precedence, and its shadowed entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from tlzoo.cli.shared.output import print_json, print_table
from tlzoo.errors import RegistryError
from tlzoo.io.signatures import fingerprint
from tlzoo.progress import say
from tlzoo.registry.catalogue import ids_of
from tlzoo.registry.files import RegistryOrigin, origins
from tlzoo.registry.subscriptions import config

STALE_DAYS = 30
_SHOWN = 5


@dataclass(frozen=True)
class ShadowedId:
    """An entry that is not used, because the registry `by` of higher precedence has the same id."""

    id: str
    by: str


def show(json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False) -> None:
    """List the registries in order of precedence: of entries with the same id, the first is used."""
    rows = describe()
    if json:
        print_json(rows)
        return
    table = [
        (row["name"], row["kind"], row["entries"], row["state"], _trust(row["signature"]), row["url"] or row["path"])
        for row in rows
    ]
    print_table(("name", "kind", "entries", "state", "trusted by", "from"), table)
    for row in rows:
        report_shadowed(row["name"], [ShadowedId(**entry) for entry in row["shadowed"]])


def describe() -> list[dict[str, Any]]:
    """What `tlzoo registry list --json` says; raises RegistryError only where registries.json itself is damaged."""
    added = {registry.name: registry for registry in config.read()}
    ids, faults = _ids()
    hidden = shadowed(ids)
    rows = [
        _row(origin, added.get(origin.name), len(ids[origin.name]), faults.get(origin.name), hidden)
        for origin in origins()
    ]
    absent = [registry for name, registry in added.items() if name not in ids]
    return rows + [_absent(registry) for registry in absent]


def shadowed(ids: Mapping[str, Sequence[str]]) -> dict[str, list[ShadowedId]]:
    """By registry, its shadowed entries; `ids` by registry, in order of precedence."""
    owner: dict[str, str] = {}
    hidden: dict[str, list[ShadowedId]] = {}
    for name, listed in ids.items():
        hidden[name] = [ShadowedId(id, owner[id]) for id in listed if owner.setdefault(id, name) != name]
    return hidden


def _ids() -> tuple[dict[str, list[str]], dict[str, str]]:
    """The ids of each registry in use, none where it is wrong, and what is wrong with those."""
    ids: dict[str, list[str]] = {}
    faults: dict[str, str] = {}
    for origin in origins():
        try:
            ids[origin.name] = ids_of(origin)
        except RegistryError as error:
            ids[origin.name] = []
            faults[origin.name] = error.message
    return ids, faults


def shadow_conflicts(name: str) -> tuple[list[ShadowedId], list[ShadowedId]]:
    """The entries of others that this registry shadows, `by` being their registry, and its own that others shadow."""
    hidden = shadowed(_ids()[0])
    in_others = [
        ShadowedId(entry.id, other) for other, entries in hidden.items() for entry in entries if entry.by == name
    ]
    return in_others, hidden.get(name, [])


def report_shadowed(name: str, entries: list[ShadowedId]) -> None:
    """One line on stderr for entries of a registry that are not used."""
    if entries:
        named = ", ".join(f"{entry.id} ({entry.by})" for entry in entries[:_SHOWN])
        more = f" and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
        say(f"Shadowed entries of {name} (used instead): {named}{more}.")


def _row(
    origin: RegistryOrigin,
    registry: config.Subscription | None,
    entries: int,
    fault: str | None,
    hidden: Mapping[str, list[ShadowedId]],
) -> dict[str, Any]:
    copy = registry.held if registry else None
    state = fault or _state(registry)
    return {
        "name": origin.name,
        "kind": origin.kind,
        "path": str(origin.path),
        "url": registry.url if registry else None,
        "entries": entries,
        "state": state,
        "fetched": copy.fetched.isoformat() if copy else None,
        "sequence": copy.sequence if copy else None,
        "signature": _signature(registry),
        "shadowed": [{"id": entry.id, "by": entry.by} for entry in hidden.get(origin.name, [])],
    }


def _absent(registry: config.Subscription) -> dict[str, Any]:
    """A remote registry whose copy is not here, or is not what was fetched."""
    copy = config.copy_path(registry)
    there = copy is not None and copy.is_file()
    state = "modified on disk" if there else "not fetched"
    return {
        "name": registry.name,
        "kind": "remote",
        "path": str(copy) if there else None,
        "url": registry.url,
        "entries": 0,
        "state": f"{state}: tlzoo registry update {registry.name}",
        "fetched": None,
        "sequence": registry.held.sequence if registry.held else None,
        "signature": _signature(registry),
        "shadowed": [],
    }


def _state(registry: config.Subscription | None) -> str:
    copy = registry.held if registry else None
    if registry is None or copy is None:
        return "ok"
    age = datetime.now(copy.fetched.tzinfo) - copy.fetched
    if registry.sha256 is None and age.days >= STALE_DAYS:
        return f"stale: {age.days} days old"
    return "ok"


def _signature(registry: config.Subscription | None) -> dict[str, str] | None:
    """What a remote registry is known by: the key's fingerprint, the content's hash, or the server alone."""
    if registry is None or registry.url is None:
        return None
    if registry.key is not None:
        return {"kind": "ed25519", "fingerprint": fingerprint(registry.key), "key": registry.key}
    return {"kind": "sha256", "sha256": registry.sha256} if registry.sha256 else {"kind": "none"}


def _trust(signature: dict[str, str] | None) -> str:
    match signature:
        case {"fingerprint": text}:
            return f"key {text}"
        case {"sha256": text}:
            return f"sha256 {text[:16]}…"
        case {"kind": "none"}:
            return "the server only"
    return ""
