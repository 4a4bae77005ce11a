"""`tlzoo models show`: everything that is known of one checkpoint."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tlzoo.cli.models.formatting import describe_preprocess, describe_source, format_count, weights_bytes
from tlzoo.cli.shared.output import print_json, print_table
from tlzoo.progress import printable
from tlzoo.registry import get, origins_of
from tlzoo.registry.citations import bibtex
from tlzoo.registry.licenses import group
from tlzoo.registry.schema import Checkpoint
from tlzoo.workflows.stages import with_stages

_SHOWN_SEPARATELY = (
    "stages",
    "citation",
    "source",
    "preprocess",
    "license",
    "license_group",
    "origin",
    "shadows",
    "bytes",
)


def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="A checkpoint's id, such as vision/resnet50.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show one checkpoint: stages for --freeze, preprocessing, licence, source and citation."""
    checkpoint = with_stages(get(id))
    document = {**describe(checkpoint), **_provenance(checkpoint), "citation": bibtex(checkpoint)}
    if json:
        print_json(document)
        return
    print_table(("field", "value"), _rows(checkpoint, document))
    if checkpoint.stages:
        print()
        print_table(("stage", "params"), [(stage.name, format_count(stage.parameters)) for stage in checkpoint.stages])
    if document["citation"]:
        print(printable(f"\n{document['citation']}"))


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """The checkpoint as JSON holds it; a field that is not known is null or empty, never absent."""
    return {
        **checkpoint.model_dump(mode="json"),
        "plugin": checkpoint.plugin,
        "modality": checkpoint.modality,
        "license_group": group(checkpoint.license),
        "bytes": weights_bytes(checkpoint),
    }


def _provenance(checkpoint: Checkpoint) -> dict[str, Any]:
    """The registry that the entry is from, null where its plugin looked it up, and those whose entries it hides."""
    listed = [origin.name for origin in origins_of(checkpoint.id)]
    return {"origin": listed[0] if listed else None, "shadows": listed[1:]}


def _rows(checkpoint: Checkpoint, document: dict[str, Any]) -> list[tuple[str, str]]:
    kept = document["license_group"] or "unknown licence group"
    origin = document["origin"] or f"none: resolved by plugin {checkpoint.plugin}"
    hidden = f"; shadows the entry of {', '.join(document['shadows'])}" if document["shadows"] else ""
    rows = [
        *((name, _as_text(value)) for name, value in document.items() if value and name not in _SHOWN_SEPARATELY),
        ("license", f"{checkpoint.license} ({kept})" if checkpoint.license else "unknown"),
        ("preprocess", describe_preprocess(checkpoint.preprocess)),
        ("weights", describe_source(checkpoint)),
        ("registry", f"{origin}{hidden}"),
    ]
    return [row for row in rows if row[1]]


def _as_text(value: object) -> str:
    match value:
        case dict():
            return ", ".join(
                f"{name} {_as_text(item)}" for name, item in value.items() if item not in (None, "", [], {})
            )
        case list():
            return ", ".join(_as_text(item) for item in value)
    return str(value)
