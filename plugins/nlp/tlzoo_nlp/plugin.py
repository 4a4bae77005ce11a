"""The hooks of the plugin `nlp`. Importing this imports neither torch nor transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo.errors import RegistryError, UsageError
from tlzoo.plugin import Backbone, Repository, TextSpec, Weights, hookimpl

if TYPE_CHECKING:
    from tlzoo.plugin import Checkpoint, Needs


@hookimpl
def resolve_checkpoint(id: str, repository: Repository | None) -> Checkpoint | None:
    """Describe a hub repository of a text model of transformers; `None` for anything else."""
    if repository is None or "model_type" not in repository.documents.get("config.json", {}):
        return None
    from tlzoo_nlp.resolving import resolve

    return resolve(id, repository)


@hookimpl
def load_backbone(checkpoint: Checkpoint, weights: Weights | None, output: Needs) -> Backbone | None:
    """Build a transformers network of texts from local files only; `weights=None` gives random weights.

    `vector` is the mean over a text's tokens, `sequence` one vector per token; both together
    are a tuple. With weights, the backbone's
    `preprocess` carries the folder's tokenizer; without, it is the checkpoint's as it stands.

    `None` for another plugin's entry. Raises UsageError for `map`, RegistryError where files and entry do not fit each
    other.
    """
    if checkpoint.plugin != "nlp":
        return None
    if "map" in ((output,) if isinstance(output, str) else output):
        raise UsageError(f"{checkpoint.id} reads text and has no output 'map'.", hint="Ask for 'vector' or 'sequence'.")
    if not isinstance(checkpoint.preprocess, TextSpec):
        raise RegistryError(
            f"{checkpoint.id} has preprocess {checkpoint.preprocess.kind!r}.",
            hint="The plugin 'nlp' needs preprocess of kind 'text'.",
        )
    from tlzoo_nlp.encoder import build_backbone

    return build_backbone(checkpoint, checkpoint.preprocess, weights, output)
