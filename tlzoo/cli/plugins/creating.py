"""`tlzoo plugins new`: create a plugin project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tlzoo.cli.shared.options import Json
from tlzoo.cli.shared.output import print_json


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Plugin name; its checkpoint ids start with it")],
    modality: Annotated[str, typer.Option(help="image, text, audio, or a new word")] = "image",
    out: Annotated[Path | None, typer.Option(help="Project folder; must not exist yet \\[tlzoo-NAME]")] = None,
    author: Annotated[str, typer.Option(help="As `Ada Lovelace` or `Ada Lovelace <ada@example.org>`")] = "",
    json: Json = False,
) -> None:
    """Create a plugin project that installs, passes its tests and can be published as it is."""
    from tlzoo.plugins.authoring.creation import create

    project = create(name, modality, out, author)
    if json:
        print_json(
            {"path": str(project.path), "name": name, "distribution": project.distribution, "next": project.next}
        )
        return
    print(f"Wrote {project.path}. Next:")
    for line in project.next:
        print(f"  {line}")
