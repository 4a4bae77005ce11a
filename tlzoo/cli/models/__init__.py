"""`tlzoo models`: list the registry's checkpoints, or show one."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tlzoo.cli.models.formatting import format_count, parse_count
from tlzoo.cli.models.showing import describe, show
from tlzoo.cli.shared.output import make_app, print_json, print_table
from tlzoo.errors import UsageError
from tlzoo.progress import say
from tlzoo.registry import find, shadowed
from tlzoo.registry.catalogue import words_of
from tlzoo.registry.licenses import GROUPS, spdx

app = make_app("List the checkpoints of the registry, or show one.")
app.command()(show)

PAGE = 50
_FEW = 20
_MANY = {"language": "Give an ISO 639-1 code, such as id for Indonesian."}
_ANY = "No checkpoint matches. List all: tlzoo models"


@app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    task: Annotated[str | None, typer.Option(help="A task to train for, such as text-tokens.")] = None,
    modality: Annotated[str | None, typer.Option(help="Modality: image, text, audio or a plugin's own.")] = None,
    license: Annotated[
        str | None, typer.Option(help="SPDX expression, or permissive, copyleft, non-commercial.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="ISO 639-1 code, such as id for Indonesian.")] = None,
    plugin: Annotated[str | None, typer.Option(help="The plugin that builds it: vision, nlp, speech ...")] = None,
    min_params: Annotated[str | None, typer.Option(help="Minimum number of parameters: 500k, 10M, 1.5B.")] = None,
    max_params: Annotated[str | None, typer.Option(help="Maximum number of parameters.")] = None,
    min_feature_dim: Annotated[int | None, typer.Option(help="Minimum feature dimension.")] = None,
    max_feature_dim: Annotated[int | None, typer.Option(help="Maximum feature dimension.")] = None,
    max_input_size: Annotated[int | None, typer.Option(help="Maximum input size: the longer side, in pixels.")] = None,
    pretrained_on: Annotated[str | None, typer.Option(help="Pretraining data, such as ImageNet-1k.")] = None,
    tag: Annotated[str | None, typer.Option(help="A tag, such as by-package.")] = None,
    source: Annotated[str | None, typer.Option(help="Source of the weights: pypi, hub, url, file or package.")] = None,
    text: Annotated[str | None, typer.Option(help="Words in id, architecture, tags or pretraining data.")] = None,
    sort: Annotated[
        str,
        typer.Option(help="id, task, parameters, license, feature_dim or input_size; prefix with - to reverse."),
    ] = "id",
    limit: Annotated[int | None, typer.Option(help="Maximum number of rows; with --page the page size.")] = None,
    page: Annotated[int | None, typer.Option(help=f"Page number, from 1; {PAGE} rows without --limit.")] = None,
    offset: Annotated[int | None, typer.Option(help="Skip this many rows.")] = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="One JSON document: a list, or with paging {total, offset, limit, checkpoints}."),
    ] = False,
) -> None:
    """List the checkpoints that match all options, or show one: tlzoo models show ID."""
    if context.invoked_subcommand is not None:
        return
    start, size = _page(limit, page, offset)
    found = find(
        task=None if task is None else _tasks_serving(task.lower()),
        modality=modality,
        license=license,
        language=language,
        plugin=plugin,
        min_parameters=None if min_params is None else parse_count(min_params),
        max_parameters=None if max_params is None else parse_count(max_params),
        min_feature_dim=min_feature_dim,
        max_feature_dim=max_feature_dim,
        max_input_size=max_input_size,
        pretrained_on=pretrained_on,
        tag=tag,
        source=source,
        text=text,
        sort=sort,
        offset=start,
        limit=size,
    )
    paged = (limit, page, offset) != (None, None, None)
    _report_shadowed()
    if not found:
        asked = {"task": task, "modality": modality, "language": language, "plugin": plugin}
        empty = f"This page is empty; {found.total} checkpoints match." if found.total else ""
        print(
            empty or _why_none(license, **asked, pretrained_on=pretrained_on, tag=tag, source=source), file=sys.stderr
        )
    if json:
        listed = [describe(checkpoint) for checkpoint in found]
        print_json({"total": found.total, "offset": start, "limit": size, "checkpoints": listed} if paged else listed)
        return
    rows = (
        (c.id, ", ".join(c.tasks), format_count(c.parameters), c.license or "unknown", c.source.kind) for c in found
    )
    print_table(("id", "task", "params", "license", "source"), rows)
    if found and len(found) < found.total:
        say(f"{start + 1} to {start + len(found)} of {found.total}.")


def _tasks_serving(task: str) -> tuple[str, ...]:
    from tlzoo.tasks import tasks_that_serve  # which takes numpy

    return tasks_that_serve(task)


def _words(field: str) -> list[str]:
    """Every word for which a search in this field finds something, sorted; of tasks those to train for as well."""
    known = words_of(field)
    if field != "task":
        return known
    from tlzoo.tasks import trainable_tasks

    return sorted({*known, *trainable_tasks(known)})


def _why_none(license: str | None, **asked: str | None) -> str:
    """What nothing can be found for: a word that no entry has, and those like it that one has, or all where few."""
    from difflib import get_close_matches  # a search that finds something does without

    for field, word in asked.items():
        if word is None:
            continue
        known, word = _words(field), word.lower()
        if known and word not in known:
            ends = [name for name in known if field == "task" and name.endswith(f"-{word}")]
            near = " or ".join(ends or get_close_matches(word, known, 3))
            there = (
                f"There are: {', '.join(known)}." if len(known) <= _FEW else _MANY.get(field, "List all: tlzoo models")
            )
            flag = "--" + field.replace("_", "-")
            return f"No checkpoint has {flag} {word}. {f'Did you mean {near}?' if near else there}"
    if license is not None and license.lower() not in GROUPS and spdx(license) is None:
        return f"{license} is no SPDX expression such as Apache-2.0, nor one of {', '.join(GROUPS)}."
    return _ANY


def _page(limit: int | None, page: int | None, offset: int | None) -> tuple[int, int | None]:
    """Where to start and how many to show at most; raises UsageError for a page that cannot be."""
    if page is None:
        return offset or 0, limit
    if offset is not None or page < 1:
        raise UsageError(
            f"--page {page} is not possible.", hint="Count pages from 1, and give either --page or --offset."
        )
    size = PAGE if limit is None else limit
    return (page - 1) * size, size


def _report_shadowed() -> None:
    hidden = shadowed()
    if hidden:
        entries = "1 entry is" if len(hidden) == 1 else f"{len(hidden)} entries are"
        say(f"{entries} shadowed by another registry ({hidden[0].id} ...). See: tlzoo registry list")
