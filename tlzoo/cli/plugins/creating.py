"""`tlzoo plugins new`: a complete distribution to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tlzoo.cli.shared.options import Json
from tlzoo.cli.shared.output import print_json


def new(
    name: Annotated[str, typer.Argument(help="The plugin's name, with which its checkpoints' ids start")],
    modality: Annotated[str, typer.Option(help="image, text, audio, or a word of your own")] = "image",
    out: Annotated[Path | None, typer.Option(help="Its folder; must not exist yet \\[tlzoo-NAME]")] = None,
    author: Annotated[str, typer.Option(help="As `Ada Lovelace` or `Ada Lovelace <ada@example.org>`")] = "",
    json: Json = False,
) -> None:
    """Write a plugin that installs, passes its own tests and publishes as it is."""
    from tlzoo.plugins.authoring.creation import create

    made = create(name, modality, out, author)
    if json:
        print_json({"path": str(made.path), "name": name, "distribution": made.distribution, "next": made.next})
        return
    print(f"Wrote {made.path}. Next:")
    for line in made.next:
        print(f"  {line}")
