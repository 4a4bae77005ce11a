"""Transfer learning that ends in one self-describing ONNX file, proven equal to what was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo.io.lazy import lazy_names
from tlzoo.io.network import telemetry
from tlzoo.version import __version__

telemetry.switch_off()

if TYPE_CHECKING:
    from tlzoo import registry
    from tlzoo.errors import TlzooError
    from tlzoo.interfaces import Backbone, Freeze, Graph, Head, Repository, Stage, Weights
    from tlzoo.models.heads import default_head
    from tlzoo.models.meta_device import meta_device
    from tlzoo.options import LPFT, Augment, Auto, Cache, Finetune, LoRA, Probe, Thresholds
    from tlzoo.plugins.hookspecs import hookimpl
    from tlzoo.runtime import load
    from tlzoo.tasks.classification.task import LabelPrediction
    from tlzoo.tasks.multilabel.task import MultiLabelPrediction
    from tlzoo.tasks.regression.task import ValuePrediction
    from tlzoo.tasks.tokens.task import EntitiesPrediction
    from tlzoo.weights.formats.statedict import read_state
    from tlzoo.workflows.adapt import adapt
    from tlzoo.workflows.bench import bench
    from tlzoo.workflows.evaluate import evaluate
    from tlzoo.workflows.export import export
    from tlzoo.workflows.finetune import finetune
    from tlzoo.workflows.run import Run
    from tlzoo.workflows.verify import verify

_HOME: dict[str, str | None] = {
    "Augment": "tlzoo.options",
    "Auto": "tlzoo.options",
    "Backbone": "tlzoo.interfaces",
    "Cache": "tlzoo.options",
    "EntitiesPrediction": "tlzoo.tasks.tokens.task",
    "Finetune": "tlzoo.options",
    "Freeze": "tlzoo.interfaces",
    "Graph": "tlzoo.interfaces",
    "Head": "tlzoo.interfaces",
    "LPFT": "tlzoo.options",
    "LabelPrediction": "tlzoo.tasks.classification.task",
    "LoRA": "tlzoo.options",
    "MultiLabelPrediction": "tlzoo.tasks.multilabel.task",
    "Probe": "tlzoo.options",
    "Repository": "tlzoo.interfaces",
    "Run": "tlzoo.workflows.run",
    "Stage": "tlzoo.interfaces",
    "Thresholds": "tlzoo.options",
    "TlzooError": "tlzoo.errors",
    "ValuePrediction": "tlzoo.tasks.regression.task",
    "Weights": "tlzoo.interfaces",
    "adapt": "tlzoo.workflows.adapt",
    "bench": "tlzoo.workflows.bench",
    "default_head": "tlzoo.models.heads",
    "evaluate": "tlzoo.workflows.evaluate",
    "export": "tlzoo.workflows.export",
    "finetune": "tlzoo.workflows.finetune",
    "hookimpl": "tlzoo.plugins.hookspecs",
    "load": "tlzoo.runtime",
    "meta_device": "tlzoo.models.meta_device",
    "read_state": "tlzoo.weights.formats.statedict",
    "registry": None,
    "verify": "tlzoo.workflows.verify",
}

__all__ = [
    "LPFT",
    "Augment",
    "Auto",
    "Backbone",
    "Cache",
    "EntitiesPrediction",
    "Finetune",
    "Freeze",
    "Graph",
    "Head",
    "LabelPrediction",
    "LoRA",
    "MultiLabelPrediction",
    "Probe",
    "Repository",
    "Run",
    "Stage",
    "Thresholds",
    "TlzooError",
    "ValuePrediction",
    "Weights",
    "__version__",
    "adapt",
    "bench",
    "default_head",
    "evaluate",
    "export",
    "finetune",
    "hookimpl",
    "load",
    "meta_device",
    "read_state",
    "registry",
    "verify",
]


__getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return __all__
