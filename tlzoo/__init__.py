"""Transfer learning that ends in one self-describing ONNX file, proven equal to what was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo.io.lazy import lazy_names
from tlzoo.io.network import telemetry

telemetry.switch_off()

if TYPE_CHECKING:
    from tlzoo import registry as registry
    from tlzoo.errors import TlzooError as TlzooError
    from tlzoo.interfaces import Backbone as Backbone
    from tlzoo.interfaces import Freeze as Freeze
    from tlzoo.interfaces import Graph as Graph
    from tlzoo.interfaces import Head as Head
    from tlzoo.interfaces import Repository as Repository
    from tlzoo.interfaces import Stage as Stage
    from tlzoo.interfaces import Weights as Weights
    from tlzoo.models.heads import default_head as default_head
    from tlzoo.models.meta_device import meta_device as meta_device
    from tlzoo.options import LPFT as LPFT
    from tlzoo.options import Augment as Augment
    from tlzoo.options import Auto as Auto
    from tlzoo.options import Cache as Cache
    from tlzoo.options import Finetune as Finetune
    from tlzoo.options import LoRA as LoRA
    from tlzoo.options import Probe as Probe
    from tlzoo.options import Thresholds as Thresholds
    from tlzoo.plugins.hookspecs import hookimpl as hookimpl
    from tlzoo.runtime import load as load
    from tlzoo.tasks.classification.task import LabelPrediction as LabelPrediction
    from tlzoo.tasks.multilabel.task import MultiLabelPrediction as MultiLabelPrediction
    from tlzoo.tasks.regression.task import ValuePrediction as ValuePrediction
    from tlzoo.tasks.tokens.task import EntitiesPrediction as EntitiesPrediction
    from tlzoo.version import __version__ as __version__
    from tlzoo.weights.formats.statedict import read_state as read_state
    from tlzoo.workflows.adapt import adapt as adapt
    from tlzoo.workflows.bench import bench as bench
    from tlzoo.workflows.evaluate import evaluate as evaluate
    from tlzoo.workflows.export import export as export
    from tlzoo.workflows.finetune import finetune as finetune
    from tlzoo.workflows.run import Run as Run
    from tlzoo.workflows.verify import verify as verify

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "tlzoo": "registry",
        "tlzoo.errors": "TlzooError",
        "tlzoo.interfaces": "Backbone Freeze Graph Head Repository Stage Weights",
        "tlzoo.models.heads": "default_head",
        "tlzoo.models.meta_device": "meta_device",
        "tlzoo.options": "Augment Auto Cache Finetune LPFT LoRA Probe Thresholds",
        "tlzoo.plugins.hookspecs": "hookimpl",
        "tlzoo.runtime": "load",
        "tlzoo.tasks.classification.task": "LabelPrediction",
        "tlzoo.tasks.multilabel.task": "MultiLabelPrediction",
        "tlzoo.tasks.regression.task": "ValuePrediction",
        "tlzoo.tasks.tokens.task": "EntitiesPrediction",
        "tlzoo.version": "__version__",
        "tlzoo.weights.formats.statedict": "read_state",
        "tlzoo.workflows.adapt": "adapt",
        "tlzoo.workflows.bench": "bench",
        "tlzoo.workflows.evaluate": "evaluate",
        "tlzoo.workflows.export": "export",
        "tlzoo.workflows.finetune": "finetune",
        "tlzoo.workflows.run": "Run",
        "tlzoo.workflows.verify": "verify",
    },
)
