"""The hooks of the vision plugin. Importing this needs neither torch nor timm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo import hookimpl

if TYPE_CHECKING:
    from tlzoo import Backbone, Weights
    from tlzoo.parts import Output
    from tlzoo.registry.schema import Checkpoint


@hookimpl
def load_backbone(checkpoint: Checkpoint, weights: Weights | None, output: Output) -> Backbone | None:
    """Build timm's model of the checkpoint's architecture; `vector` or `map`. `None` for another plugin's entry."""
    if checkpoint.plugin != "vision":
        return None
    from tlzoo_vision.backbone import build

    return build(checkpoint, weights, output)
