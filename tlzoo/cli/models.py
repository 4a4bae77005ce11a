"""`tlzoo models`: list the registry's checkpoints, or show one."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from tlzoo.cli.output import make_app, print_json, print_table
from tlzoo.errors import TlzooError, UsageError
from tlzoo.parts import Weights
from tlzoo.progress import say
from tlzoo.registry import find, get
from tlzoo.registry.schema import Checkpoint

app = make_app("List the checkpoints of the registry, or show one.")

_LEFT_OUT = 0.1
"""The share of a checkpoint's parameters that a backbone may leave out: Whisper's positions after a shorter window."""

_SCALE = {"K": 10**3, "M": 10**6, "B": 10**9}


@app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    task: Annotated[str | None, typer.Option(help="Such as image-classification.")] = None,
    license: Annotated[str | None, typer.Option(help="SPDX expression, such as Apache-2.0.")] = None,
    max_params: Annotated[str | None, typer.Option(help="At most so many parameters: 500k, 10M, 1.5B.")] = None,
    language: Annotated[str | None, typer.Option(help="ISO 639-1 code, such as id for Indonesian.")] = None,
    plugin: Annotated[str | None, typer.Option(help="Such as vision, nlp, speech.")] = None,
    text: Annotated[str | None, typer.Option(help="Words in id, architecture, tags or training data.")] = None,
    sort: Annotated[str, typer.Option(help="id, task, parameters or license; with - in front: reversed.")] = "id",
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """List the checkpoints that meet every option, or show one: tlzoo models show ID."""
    if context.invoked_subcommand is not None:
        return
    found = find(
        task=task,
        license=license,
        max_parameters=None if max_params is None else parse_count(max_params),
        language=language,
        plugin=plugin,
        text=text,
        sort=sort,
    )
    if json:
        print_json([describe(checkpoint) for checkpoint in found])
        return
    if not found:
        print("No checkpoint meets all of that. See all: tlzoo models", file=sys.stderr)
    rows = [(c.id, ", ".join(c.tasks), human(c.parameters), c.license or "unknown", c.source.kind) for c in found]
    print_table(("id", "task", "params", "license", "source"), rows)


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="A checkpoint's id, such as vision/resnet50.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show everything the registry says of one checkpoint, and the stages that --freeze can name."""
    checkpoint = get(id)
    document = describe(checkpoint if checkpoint.stages else _with_stages(checkpoint))
    if json:
        print_json(document)
        return
    stages = document.pop("stages")
    print_table(("field", "value"), [(name, _in_words(value)) for name, value in document.items() if value])
    if stages:
        print()
        print_table(("stage", "params"), [(stage["name"], human(stage["parameters"])) for stage in stages])


def _with_stages(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with the stages that its plugin builds; as it is, and a note on stderr, where that cannot be."""
    say(f"The registry has no stages of {checkpoint.id}: building its network to count them.")
    weights = _weights_here(checkpoint)
    try:
        from tlzoo.engine.stages import built_stages

        stages = built_stages(checkpoint, weights)
    except TlzooError as error:
        say(f"Its stages are not known: {error}")
        return checkpoint
    except ImportError as error:
        say(f"Its stages are not known: {error}. Install what training needs: pip install 'tlzoo[train]'")
        return checkpoint
    total = sum(stage.parameters for stage in stages)
    if weights is None and abs(total - checkpoint.parameters) > _LEFT_OUT * checkpoint.parameters:
        say(f"Its stages stand in its weights. Fetch them, then ask again: tlzoo pull {checkpoint.id}")
        return checkpoint
    if total != checkpoint.parameters:
        say(f"The stages have {total:,} parameters together; the registry says {checkpoint.parameters:,}.")
    return checkpoint.model_copy(update={"stages": stages})


def _weights_here(checkpoint: Checkpoint) -> Weights | None:
    """The checkpoint's weights where this machine has them: their configuration may say more than the entry."""
    from tlzoo.registry.sources import fetch

    try:
        return fetch(checkpoint, offline=True)
    except TlzooError:
        return None


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """The checkpoint as JSON holds it; a field that is not known is null or empty, never absent."""
    return {**checkpoint.model_dump(mode="json"), "plugin": checkpoint.plugin}


def parse_count(text: str) -> int:
    """`10M` as 10,000,000; raises UsageError for what is no count."""
    number, scale = text.strip().replace("_", ""), 1
    if number[-1:].upper() in _SCALE:
        number, scale = number[:-1], _SCALE[number[-1].upper()]
    try:
        count = float(number) * scale
    except ValueError:
        count = -1.0
    if not 0 <= count < 1e15:
        raise UsageError(f"{text!r} is not a number of parameters.", hint="Write it like 500k, 10M or 1.5B.")
    return round(count)


def human(count: int) -> str:
    """23508032 as `23.5M`."""
    for letter, scale in reversed(_SCALE.items()):
        if round(count / scale, 3) >= 1:  # so that 999,999,999 is 1B, not 1000M
            return f"{count / scale:.3g}{letter}"
    return str(count)


def _in_words(value: object) -> str:
    match value:
        case dict():
            return ", ".join(
                f"{name} {_in_words(item)}" for name, item in value.items() if item not in (None, "", [], {})
            )
        case list():
            return ", ".join(_in_words(item) for item in value)
    return str(value)
