"""What plugins import, from here and from `tlzoo.errors` and `tlzoo.testing`; each name is imported when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo.io.lazy import lazy_names

if TYPE_CHECKING:
    from tlzoo.interfaces import AdaptationMethod as AdaptationMethod
    from tlzoo.interfaces import Backbone as Backbone
    from tlzoo.interfaces import Dataset as Dataset
    from tlzoo.interfaces import ExportFormat as ExportFormat
    from tlzoo.interfaces import FeatureKind as FeatureKind
    from tlzoo.interfaces import Freeze as Freeze
    from tlzoo.interfaces import Graph as Graph
    from tlzoo.interfaces import Head as Head
    from tlzoo.interfaces import Model as Model
    from tlzoo.interfaces import Needs as Needs
    from tlzoo.interfaces import RegisteredTask as RegisteredTask
    from tlzoo.interfaces import Repository as Repository
    from tlzoo.interfaces import Stage as Stage
    from tlzoo.interfaces import Strategy as Strategy
    from tlzoo.interfaces import TextContext as TextContext
    from tlzoo.interfaces import Weights as Weights
    from tlzoo.io.files import cache_folder as cache_folder
    from tlzoo.io.files import read_sealed_json as read_sealed_json
    from tlzoo.io.files import write_json as write_json
    from tlzoo.io.files import write_sealed_json as write_sealed_json
    from tlzoo.models.heads import default_head as default_head
    from tlzoo.models.meta_device import meta_device as meta_device
    from tlzoo.models.stages import count_stages as count_stages
    from tlzoo.options import Finetune as Finetune
    from tlzoo.options import GradientDescent as GradientDescent
    from tlzoo.options import Probe as Probe
    from tlzoo.options import StrategyOptions as StrategyOptions
    from tlzoo.plugins.hookspecs import hookimpl as hookimpl
    from tlzoo.preprocess import make_preprocessor as make_preprocessor
    from tlzoo.preprocess.prepared import PreparedArrays as PreparedArrays
    from tlzoo.registry.schema import Checkpoint as Checkpoint
    from tlzoo.registry.schema import FileSource as FileSource
    from tlzoo.registry.schema import HubFile as HubFile
    from tlzoo.registry.schema import HubSource as HubSource
    from tlzoo.registry.schema import LocalFile as LocalFile
    from tlzoo.registry.schema import Member as Member
    from tlzoo.registry.schema import PackageSource as PackageSource
    from tlzoo.registry.schema import PypiSource as PypiSource
    from tlzoo.registry.schema import StageRecord as StageRecord
    from tlzoo.registry.schema import UrlSource as UrlSource
    from tlzoo.specs import AudioSpec as AudioSpec
    from tlzoo.specs import ImageSpec as ImageSpec
    from tlzoo.specs import PluginSpec as PluginSpec
    from tlzoo.specs import Preprocess as Preprocess
    from tlzoo.specs import TextSpec as TextSpec
    from tlzoo.tasks.agreement import agreement as agreement
    from tlzoo.tasks.base import Agreement as Agreement
    from tlzoo.tasks.base import DecodeOptions as DecodeOptions
    from tlzoo.tasks.base import Input as Input
    from tlzoo.tasks.base import OperatingPoint as OperatingPoint
    from tlzoo.tasks.base import Output as Output
    from tlzoo.tasks.base import Prediction as Prediction
    from tlzoo.tasks.base import Task as Task
    from tlzoo.tasks.heads import Objective as Objective
    from tlzoo.tasks.row import Row as Row
    from tlzoo.tasks.windows import Window as Window
    from tlzoo.tasks.windows import WindowOutputs as WindowOutputs
    from tlzoo.training.strategies.base import TrainJob as TrainJob
    from tlzoo.training.strategies.base import TrainResult as TrainResult
    from tlzoo.training.strategies.finetune import run_finetune as run_finetune
    from tlzoo.training.strategies.probe import run_probe as run_probe
    from tlzoo.weights.fetch import fetch as fetch
    from tlzoo.weights.fetch import fetch_source as fetch_source
    from tlzoo.weights.formats.statedict import read_state as read_state
    from tlzoo.weights.formats.transformers import transformers_arguments as transformers_arguments
    from tlzoo.weights.formats.transformers import transformers_config as transformers_config
    from tlzoo.weights.formats.transformers import transformers_network as transformers_network
    from tlzoo.weights.formats.transformers import weights_mismatch as weights_mismatch

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "tlzoo.interfaces": "AdaptationMethod Backbone Dataset ExportFormat FeatureKind Freeze Graph Head Model Needs "
        "RegisteredTask Repository Stage Strategy TextContext Weights",
        "tlzoo.io.files": "cache_folder read_sealed_json write_json write_sealed_json",
        "tlzoo.models.heads": "default_head",
        "tlzoo.models.meta_device": "meta_device",
        "tlzoo.models.stages": "count_stages",
        "tlzoo.options": "Finetune GradientDescent Probe StrategyOptions",
        "tlzoo.plugins.hookspecs": "hookimpl",
        "tlzoo.preprocess": "make_preprocessor",
        "tlzoo.preprocess.prepared": "PreparedArrays",
        "tlzoo.registry.schema": "Checkpoint FileSource HubFile HubSource LocalFile Member PackageSource "
        "PypiSource StageRecord UrlSource",
        "tlzoo.specs": "AudioSpec ImageSpec PluginSpec Preprocess TextSpec",
        "tlzoo.tasks.agreement": "agreement",
        "tlzoo.tasks.base": "Agreement DecodeOptions Input OperatingPoint Output Prediction Task",
        "tlzoo.tasks.heads": "Objective",
        "tlzoo.tasks.row": "Row",
        "tlzoo.tasks.windows": "Window WindowOutputs",
        "tlzoo.training.strategies.base": "TrainJob TrainResult",
        "tlzoo.training.strategies.finetune": "run_finetune",
        "tlzoo.training.strategies.probe": "run_probe",
        "tlzoo.weights.fetch": "fetch fetch_source",
        "tlzoo.weights.formats.statedict": "read_state",
        "tlzoo.weights.formats.transformers": "transformers_arguments transformers_config transformers_network "
        "weights_mismatch",
    },
)
