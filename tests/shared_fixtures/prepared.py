"""Models of the small zoo and their data, as training takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Prepared = Callable[..., tuple[Any, Any]]


@pytest.fixture(scope="session")
def prepared(shared_zoo: Any, pictures: Path, texts: Path, recordings: Path) -> Prepared:
    """A fresh model of a checkpoint with its three data sets: `prepared(checkpoint, head=options of the head)`."""
    import torch

    from tlzoo import registry
    from tlzoo.data import read_splits
    from tlzoo.models.model import build_model
    from tlzoo.runs.checks import task_for
    from tlzoo.runs.prepare import fit_task, make_dataset_splits, prepare_backbone

    data = {"vision": pictures, "nlp": texts, "speech": recordings}

    def prepare(checkpoint: str, head: Mapping[str, Any] | None = None) -> tuple[Any, Any]:
        with shared_zoo.open():
            chosen = registry.get(checkpoint)
            blank = task_for(chosen, None)
            parts = read_splits(data[checkpoint.partition("/")[0]], None, blank, {}, 0)
            backbone, chosen = prepare_backbone(chosen, blank)
            torch.manual_seed(0)
            model = build_model(chosen, fit_task(blank, parts, {}), backbone, options=head)
            return model, make_dataset_splits(parts, model)

    return prepare
