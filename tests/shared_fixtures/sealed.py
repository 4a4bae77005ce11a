"""Exported files that a test changes and seals anew, as somebody would who changes one on purpose."""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto

from tlzoo.artifact import seal


def save(proto: ModelProto, path: Path) -> Path:
    """Write a model with a seal of its bytes in place of the one it has."""
    kept = [prop for prop in proto.metadata_props if prop.key != seal.KEY]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    model = proto.SerializeToString()
    path.write_bytes(model + seal.seal(model))
    return path
