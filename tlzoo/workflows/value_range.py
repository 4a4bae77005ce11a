"""The range of grey values of a training: learnt from its pictures, said, and put into the preprocessing."""

from __future__ import annotations

from tlzoo.data import Samples
from tlzoo.progress import say
from tlzoo.registry.schema import Checkpoint
from tlzoo.runs.checks import with_preprocess
from tlzoo.specs import ImageSpec


def with_value_range(checkpoint: Checkpoint, samples: Samples) -> Checkpoint:
    """The checkpoint; where pictures of more than 8 bits are trained on, with the range of their values."""
    if not _is_open(checkpoint):
        return checkpoint
    from tlzoo.preprocess.value_range import learn_value_range

    files = [file for given in samples.inputs for file in ((given,) if isinstance(given, str) else given)]
    learnt = learn_value_range(files)
    if learnt is None:
        return checkpoint
    low, high = learnt.ends
    say(
        f"Pictures of more than 8 bits: the values {low:g} to {high:g} become black to white, here and in what is "
        f"exported. All but 0.2% of the values of {learnt.pictures:,} training pictures lie between them."
    )
    return with_preprocess(checkpoint, {"value_range": learnt.ends})


def with_any_range(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint as it can decode every picture whose file is whole, before a range is learnt."""
    return with_preprocess(checkpoint, {"value_range": (0, 1)}) if _is_open(checkpoint) else checkpoint


def _is_open(checkpoint: Checkpoint) -> bool:
    spec = checkpoint.preprocess
    return isinstance(spec, ImageSpec) and spec.value_range is None
