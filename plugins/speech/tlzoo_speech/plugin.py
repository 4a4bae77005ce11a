"""The hooks of the speech plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo.errors import RegistryError, UsageError
from tlzoo.plugin import AudioSpec, hookimpl

if TYPE_CHECKING:
    from tlzoo.plugin import Backbone, Checkpoint, FeatureKind, Repository, Weights


WAVEFORM = ("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat", "data2vec-audio")
ARCHITECTURES = ("whisper", *WAVEFORM, "ge2e-lstm")


@hookimpl
def resolve_checkpoint(id: str, repository: Repository | None) -> Checkpoint | None:
    """Describe a hub repository of Whisper or of a model of waveforms; `None` for anything else."""
    if repository is None:
        return None
    if repository.documents.get("config.json", {}).get("model_type") not in ("whisper", *WAVEFORM):
        return None
    from tlzoo_speech.resolving import resolve

    return resolve(id, repository)


@hookimpl
def load_backbone(checkpoint: Checkpoint, weights: Weights | None, output: FeatureKind) -> Backbone | None:
    """Build `whisper` (its encoder), one of `WAVEFORM` or `ge2e-lstm` over samples [N, T]; else `None`.

    T = round(seconds * sample_rate) of the checkpoint's preprocessing is fixed; only the batch varies. Raises
    UsageError for an output that the architecture does not have, RegistryError where the entry contradicts the
    network, SourceError where the weights do not fit it.
    """
    if checkpoint.plugin != "speech":
        return None
    if checkpoint.architecture not in ARCHITECTURES:
        return None
    if not isinstance(checkpoint.preprocess, AudioSpec):
        raise RegistryError(
            f"Entry {checkpoint.id!r}: architecture {checkpoint.architecture!r} needs preprocessing of kind 'audio', "
            f"not {checkpoint.preprocess.kind!r}.",
            hint="Correct `preprocess` in the registry file.",
        )
    possible = ("vector",) if checkpoint.architecture == "ge2e-lstm" else ("vector", "sequence")
    if output not in possible:
        raise UsageError(f"{checkpoint.id!r} has no output of kind {output!r}.", hint=f"It has: {', '.join(possible)}.")
    from tlzoo_speech.backbones import build

    return build(checkpoint, checkpoint.preprocess, weights, output)
