"""`tlzoo pull`: download and verify weights before they are needed."""

from __future__ import annotations

from typing import Annotated

import typer

from tlzoo.cli.output import print_json, print_table, single
from tlzoo.registry import get
from tlzoo.registry.sources import fetch


def pull(
    ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Checkpoint ids, such as vision/efficientnet-lite0.")
    ],
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Download and verify the weights of checkpoints; what the cache has is only verified."""
    checkpoints = [get(id) for id in dict.fromkeys(ids)]
    pulled = []
    for checkpoint in checkpoints:
        weights = fetch(checkpoint)
        pulled.append(
            {
                "id": checkpoint.id,
                "folder": str(weights.folder),
                "bytes": sum(path.stat().st_size for path in weights.files.values()),
                "files": {name: str(path) for name, path in weights.files.items()},
            }
        )
    if json:
        print_json(pulled)
    else:
        print_table(("id", "bytes", "folder"), [(row["id"], f"{row['bytes']:,}", row["folder"]) for row in pulled])


app = single(pull)
