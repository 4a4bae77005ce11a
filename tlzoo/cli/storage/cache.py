"""`tlzoo cache`: list, verify and clean the cache."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from tlzoo.cli.shared.options import Json
from tlzoo.cli.shared.output import make_app, print_json, print_table
from tlzoo.errors import UsageError
from tlzoo.io.files import cache_folder
from tlzoo.workflows import storage

app = make_app("List, verify and clean the cache. Without a command: list.")


@app.callback(invoke_without_command=True)
def cache(context: typer.Context) -> None:
    """List, verify and clean the cache."""
    if context.invoked_subcommand is None:
        list_entries()


@app.command("list")
def list_entries(json: Json = False) -> None:
    """List the entries by kind, with size and last use."""
    found = storage.list_entries()
    sizes: Counter[str] = Counter()
    for entry in found:
        sizes[entry.kind] += entry.bytes
    if json:
        kinds = {kind: {"entries": sum(e.kind == kind for e in found), "bytes": sizes[kind]} for kind in storage.KINDS}
        total = sum(sizes.values())
        print_json({"folder": str(cache_folder()), "bytes": total, "kinds": kinds, "entries": [*map(_row, found)]})
        return
    columns = ("kind", "bytes", "used", "entry")
    rows = [_row(entry) for entry in found]
    print_table(columns, [(row["kind"], f"{row['bytes']:,}", row["used"], _name(row)) for row in rows])


@app.command()
def verify(
    remove: Annotated[bool, typer.Option("--remove", help="Remove damaged entries")] = False, json: Json = False
) -> int:
    """Verify all pinned files against their hashes; exit code 2 if any is damaged."""
    judged, damaged = storage.verify()
    removed = [damage for damage in damaged if remove and storage.remove(damage.entry)]
    left = len(damaged) - len(removed)
    if json:
        rows = [{**_row(each.entry), "fault": each.fault, "removed": each in removed} for each in damaged]
        print_json({"folder": str(cache_folder()), "verified": judged, "damaged": rows})
        return 2 if left else 0
    for each in damaged:
        done = "; removed" if each in removed else ""
        print(f"{each.entry.kind} {_name(_row(each.entry))}: {each.fault}{done}")
    advice = " Remove it: tlzoo cache verify --remove" if left else ""
    print(f"{judged} entries verified, {len(damaged)} damaged.{advice}")
    return 2 if left else 0


@app.command()
def gc(
    max_gb: Annotated[
        float | None, typer.Option(help="Remove the least recently used entries until the rest fits")
    ] = None,
    older_than: Annotated[
        float | None, typer.Option(metavar="DAYS", help="Remove entries unused for this many days")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind; repeatable")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed")] = False,
    json: Json = False,
) -> None:
    """Free disk space. Without options only abandoned downloads are removed; entries in use are kept."""
    unknown = next((name for name in kind or () if name not in storage.KINDS), None)
    if unknown is not None:
        raise UsageError(f"The cache has no kind {unknown!r}.", hint=f"Kinds: {', '.join(storage.KINDS)}.")
    for name, value in (("--max-gb", max_gb), ("--older-than", older_than)):
        if value is not None and not value >= 0:
            raise UsageError(f"{name} cannot be {value}.", hint="Give 0 or more.")
    removed = storage.prune(
        max_bytes=None if max_gb is None else int(max_gb * 1e9),
        older_than_s=None if older_than is None else older_than * 86400,
        kinds=kind or (),
        dry_run=dry_run,
    )
    freed = sum(entry.bytes for entry in removed)
    if json:
        removed_rows = [*map(_row, removed)]
        print_json({"folder": str(cache_folder()), "freed": freed, "dry_run": dry_run, "removed": removed_rows})
        return
    for entry in removed:
        print(f"{entry.kind} {_name(_row(entry))}: {entry.bytes:,} bytes")
    verb = "would be freed" if dry_run else "freed"
    print(f"{len(removed)} entries, {freed / 1e9:.3f} GB {verb} in {cache_folder()}.")


def _row(entry: storage.CacheEntry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "bytes": entry.bytes,
        "used": datetime.fromtimestamp(entry.used, UTC).isoformat(timespec="seconds"),
        "checkpoint": entry.checkpoint or None,
        "path": str(entry.path.relative_to(cache_folder())),
    }


def _name(row: dict[str, Any]) -> str:
    return f"{row['checkpoint']} ({row['path']})" if row["checkpoint"] else str(row["path"])
