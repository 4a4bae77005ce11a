"""`tlzoo inspect`. Torch-free."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer

from tlzoo.cli.shared.options import Json
from tlzoo.cli.shared.output import print_json, single
from tlzoo.progress import printable


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An exported ONNX file")],
    json: Json = False,
) -> None:
    """Print the manifest of an exported ONNX file: labels, preprocessing, provenance, metrics and proof."""
    from tlzoo.runtime.predictor import open_artifact

    document = open_artifact(file)[1].model_dump(mode="json", exclude_none=True)
    if json:
        print_json(document)
        return
    for name, value in document.items():
        if value == "" or value == {}:  # what only tasks of plugins have
            continue
        print(printable(f"{name}: {_short(value)}"))


def _short(value: Any) -> str:
    """One line; an embedded tokenizer as its size."""
    if isinstance(value, dict) and value.get("tokenizer"):
        value = {**value, "tokenizer": f"tokenizer.json, {len(value['tokenizer'])} characters"}
    return value if isinstance(value, str) else json_text.dumps(value, ensure_ascii=False)


app = single(inspect)
