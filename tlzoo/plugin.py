"""What plugins import, from here and from `tlzoo.errors` and `tlzoo.testing`; each name is imported when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo.io.lazy import lazy_names

if TYPE_CHECKING:
    from tlzoo.interfaces import (
        AdaptationMethod,
        Backbone,
        Dataset,
        ExportFormat,
        FeatureKind,
        Freeze,
        Graph,
        Head,
        Model,
        Needs,
        RegisteredTask,
        Repository,
        Stage,
        Strategy,
        TextContext,
        Weights,
    )
    from tlzoo.io.files import cache_folder, read_sealed_json, write_json, write_sealed_json
    from tlzoo.models.heads import default_head
    from tlzoo.models.meta_device import meta_device
    from tlzoo.options import Finetune, GradientDescent, Probe, StrategyOptions
    from tlzoo.plugins.hookspecs import hookimpl
    from tlzoo.preprocess import make_preprocessor
    from tlzoo.registry.schema import (
        Checkpoint,
        FileSource,
        HubFile,
        HubSource,
        LocalFile,
        Member,
        PackageSource,
        PypiSource,
        StageRecord,
        UrlSource,
    )
    from tlzoo.specs import AudioSpec, ImageSpec, PluginSpec, Preprocess, TextSpec
    from tlzoo.tasks.agreement import agreement
    from tlzoo.tasks.base import Agreement, DecodeOptions, Input, OperatingPoint, Output, Prediction, Task
    from tlzoo.tasks.heads import Objective
    from tlzoo.tasks.row import Row
    from tlzoo.tasks.windows import Window, WindowOutputs
    from tlzoo.training.strategies.base import TrainJob, TrainResult
    from tlzoo.training.strategies.finetune import run_finetune
    from tlzoo.training.strategies.probe import run_probe
    from tlzoo.weights.fetch import fetch, fetch_source
    from tlzoo.weights.formats.statedict import read_state

__all__ = [
    "AdaptationMethod",
    "Agreement",
    "AudioSpec",
    "Backbone",
    "Checkpoint",
    "Dataset",
    "DecodeOptions",
    "ExportFormat",
    "FeatureKind",
    "FileSource",
    "Finetune",
    "Freeze",
    "GradientDescent",
    "Graph",
    "Head",
    "HubFile",
    "HubSource",
    "ImageSpec",
    "Input",
    "LocalFile",
    "Member",
    "Model",
    "Needs",
    "Objective",
    "OperatingPoint",
    "Output",
    "PackageSource",
    "PluginSpec",
    "Prediction",
    "Preprocess",
    "Probe",
    "PypiSource",
    "RegisteredTask",
    "Repository",
    "Row",
    "Stage",
    "StageRecord",
    "Strategy",
    "StrategyOptions",
    "Task",
    "TextContext",
    "TextSpec",
    "TrainJob",
    "TrainResult",
    "UrlSource",
    "Weights",
    "Window",
    "WindowOutputs",
    "agreement",
    "cache_folder",
    "default_head",
    "fetch",
    "fetch_source",
    "hookimpl",
    "make_preprocessor",
    "meta_device",
    "read_sealed_json",
    "read_state",
    "run_finetune",
    "run_probe",
    "write_json",
    "write_sealed_json",
]

_NAMES = {
    "tlzoo.interfaces": (
        "AdaptationMethod",
        "Backbone",
        "Dataset",
        "ExportFormat",
        "FeatureKind",
        "Freeze",
        "Graph",
        "Head",
        "Model",
        "Needs",
        "RegisteredTask",
        "Repository",
        "Stage",
        "Strategy",
        "TextContext",
        "Weights",
    ),
    "tlzoo.io.files": (
        "cache_folder",
        "read_sealed_json",
        "write_json",
        "write_sealed_json",
    ),
    "tlzoo.models.heads": ("default_head",),
    "tlzoo.models.meta_device": ("meta_device",),
    "tlzoo.options": (
        "Finetune",
        "GradientDescent",
        "Probe",
        "StrategyOptions",
    ),
    "tlzoo.plugins.hookspecs": ("hookimpl",),
    "tlzoo.preprocess": ("make_preprocessor",),
    "tlzoo.registry.schema": (
        "Checkpoint",
        "FileSource",
        "HubFile",
        "HubSource",
        "LocalFile",
        "Member",
        "PackageSource",
        "PypiSource",
        "StageRecord",
        "UrlSource",
    ),
    "tlzoo.specs": (
        "AudioSpec",
        "ImageSpec",
        "PluginSpec",
        "Preprocess",
        "TextSpec",
    ),
    "tlzoo.tasks.agreement": ("agreement",),
    "tlzoo.tasks.base": (
        "Agreement",
        "DecodeOptions",
        "Input",
        "OperatingPoint",
        "Output",
        "Prediction",
        "Task",
    ),
    "tlzoo.tasks.heads": ("Objective",),
    "tlzoo.tasks.row": ("Row",),
    "tlzoo.tasks.windows": (
        "WindowOutputs",
        "Window",
    ),
    "tlzoo.training.strategies.base": (
        "TrainJob",
        "TrainResult",
    ),
    "tlzoo.training.strategies.finetune": ("run_finetune",),
    "tlzoo.training.strategies.probe": ("run_probe",),
    "tlzoo.weights.fetch": (
        "fetch",
        "fetch_source",
    ),
    "tlzoo.weights.formats.statedict": ("read_state",),
}

__getattr__ = lazy_names(__name__, {name: home for home, names in _NAMES.items() for name in names})


def __dir__() -> list[str]:
    return __all__
