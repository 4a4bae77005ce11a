"""Exported files and runs that a test changes and seals anew, as somebody would who changes one on purpose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from onnx import ModelProto

from tlzoo.artifact import seal
from tlzoo.io.files import SEAL, seal_of
from tlzoo.runs import seals


def save(proto: ModelProto, path: Path) -> Path:
    """Write a model with a seal of its bytes in place of the one it has."""
    kept = [prop for prop in proto.metadata_props if prop.key != seal.KEY]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    model = proto.SerializeToString()
    path.write_bytes(model + seal.seal(model))
    return path


def edit_record(run: Path, **fields: Any) -> None:
    """Change fields of a run's record and seal it anew."""
    document = {**json.loads((run / "run.json").read_text()), **fields}
    (run / "run.json").write_text(json.dumps({**document, SEAL: seal_of(document)}))


def seal_files(run: Path) -> None:
    """Put the hashes of a run's files as they are into its record."""
    hashes = seals.hashes_of(run)
    del hashes["run.json"]
    edit_record(run, files=hashes)
