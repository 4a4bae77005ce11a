"""The hooks of the vision plugin. Importing this needs neither torch nor timm nor transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo.plugin import hookimpl
from tlzoo_vision.names import TRANSFORMERS

if TYPE_CHECKING:
    from tlzoo.plugin import Backbone, Checkpoint, FeatureKind, Repository, Weights


@hookimpl
def resolve_checkpoint(id: str, repository: Repository | None) -> Checkpoint | None:
    """Describe `timm/<architecture>.<tag>`, or a hub repository of timm's or of a vision model of transformers."""
    if id.startswith("timm/"):
        from tlzoo_vision.cached_entries import resolve_timm

        return resolve_timm(id)
    if repository is None:
        return None
    document = repository.documents.get("config.json", {})
    if "pretrained_cfg" in document:
        from tlzoo_vision.resolving import resolve_repository

        return resolve_repository(id, repository)
    if "model_type" not in document or "preprocessor_config.json" not in repository.documents:
        return None
    from tlzoo_vision.transformers import resolve

    return resolve(id, repository)


@hookimpl
def load_backbone(checkpoint: Checkpoint, weights: Weights | None, output: FeatureKind) -> Backbone | None:
    """Build timm's model of the checkpoint's architecture, or transformers' one; its output is `vector` or `map`.

    `None` for another plugin's entry.
    """
    if checkpoint.plugin != "vision":
        return None
    if checkpoint.architecture.startswith(TRANSFORMERS):
        from tlzoo_vision.transformers import build
    else:
        from tlzoo_vision.backbone import build

    return build(checkpoint, weights, output)
