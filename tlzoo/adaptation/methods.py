"""The adaptation methods of the core, which are asked where a checkpoint's plugin has none of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tlzoo.adaptation.coral import coral_probe
from tlzoo.errors import DataError, UsageError
from tlzoo.features.dataset import Dataset
from tlzoo.features.extract import features
from tlzoo.models.model import Model
from tlzoo.tasks.heads import head_from

METHODS = ("auto", "coral")


def core_adapt(model: Model, source: Dataset | None, target: Dataset, method: str, options: Mapping[str, Any]) -> Model:
    """CORAL with a linear head refitted on aligned source features; the backbone stays as it is.

    `options["n_train"]` says how many of the source samples train; the rest chooses the regularisation. Raises
    UsageError for another method and without source data, DataError for a single target sample.
    """
    if method not in METHODS:
        raise UsageError(f"Unknown adaptation method {method!r}.", hint=f"Methods: {', '.join(METHODS)}")
    if source is None or source.targets is None:
        raise UsageError("CORAL needs the labelled source data.", hint="Restore the data that the run was trained on.")
    if len(target) < 2:
        raise DataError("One target sample has no covariance.", hint="Give more target data, better hundreds.")
    source_x, target_x = features(model, source, target)
    cut = int(options["n_train"])
    train = (source_x[:cut], source.targets[:cut])
    validation = (source_x[cut:], source.targets[cut:])
    probe = coral_probe(train, validation, target_x, model.task)
    return model.with_head(head_from(probe.weight, probe.bias, model.task))
