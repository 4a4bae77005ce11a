"""The stages of a checkpoint that its registry entry does not list."""

from __future__ import annotations

from tlzoo.errors import TlzooError
from tlzoo.interfaces import Weights
from tlzoo.progress import say
from tlzoo.registry.schema import Checkpoint
from tlzoo.weights.fetch import fetch

LEFT_OUT = 0.1
"""The share of a checkpoint's parameters that a backbone may leave out: Whisper's positions after a shorter window."""


def with_stages(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with the stages that its plugin builds; as it is, and a note on stderr, where that cannot be."""
    if checkpoint.stages:
        return checkpoint
    say(f"The registry entry of {checkpoint.id} lists no stages: building the network to count them.")
    weights = _weights_here(checkpoint)
    try:
        from tlzoo.models.stages import checkpoint_stages

        stages = checkpoint_stages(checkpoint, weights)
    except TlzooError as error:
        say(f"The stages are unknown: {error}")
        return checkpoint
    except ImportError as error:
        say(f"The stages are unknown: {error}. Install what training needs: pip install 'tlzoo[train]'")
        return checkpoint
    total = sum(stage.parameters for stage in stages)
    if weights is None and abs(total - checkpoint.parameters) > LEFT_OUT * checkpoint.parameters:
        say(f"The stages depend on the weights. Fetch them first: tlzoo pull {checkpoint.id}")
        return checkpoint
    if total != checkpoint.parameters:
        say(f"The stages have {total:,} parameters; the registry entry says {checkpoint.parameters:,}.")
    return checkpoint.model_copy(update={"stages": stages})


def _weights_here(checkpoint: Checkpoint) -> Weights | None:
    """The checkpoint's weights where this machine has them: their configuration may say more than the entry."""
    try:
        return fetch(checkpoint, offline=True)
    except TlzooError:
        return None
