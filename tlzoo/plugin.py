"""What plugins import, from here and from `tlzoo.errors` and `tlzoo.testing`; each name is imported when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo.io.lazy import lazy_names

if TYPE_CHECKING:
    from tlzoo.interfaces import Backbone, Dataset, FeatureKind, Freeze, Graph, Head, Model, Repository, Stage, Weights
    from tlzoo.io.files import cache_folder, write_json
    from tlzoo.models.meta_device import outline
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
    from tlzoo.tasks import Task
    from tlzoo.tasks.heads import linear_head
    from tlzoo.weights.fetch import fetch, fetch_source
    from tlzoo.weights.formats.statedict import read_state

__all__ = [
    "AudioSpec",
    "Backbone",
    "Checkpoint",
    "Dataset",
    "FeatureKind",
    "FileSource",
    "Freeze",
    "Graph",
    "Head",
    "HubFile",
    "HubSource",
    "ImageSpec",
    "LocalFile",
    "Member",
    "Model",
    "PackageSource",
    "PluginSpec",
    "Preprocess",
    "PypiSource",
    "Repository",
    "Stage",
    "StageRecord",
    "Task",
    "TextSpec",
    "UrlSource",
    "Weights",
    "cache_folder",
    "fetch",
    "fetch_source",
    "hookimpl",
    "linear_head",
    "make_preprocessor",
    "outline",
    "read_state",
    "write_json",
]

_NAMES = {
    "tlzoo.interfaces": (
        "Backbone",
        "Dataset",
        "FeatureKind",
        "Freeze",
        "Graph",
        "Head",
        "Model",
        "Repository",
        "Stage",
        "Weights",
    ),
    "tlzoo.io.files": (
        "cache_folder",
        "write_json",
    ),
    "tlzoo.models.meta_device": ("outline",),
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
    "tlzoo.tasks": ("Task",),
    "tlzoo.tasks.heads": ("linear_head",),
    "tlzoo.weights.fetch": (
        "fetch",
        "fetch_source",
    ),
    "tlzoo.weights.formats.statedict": ("read_state",),
}

__getattr__ = lazy_names(__name__, {name: home for home, names in _NAMES.items() for name in names})


def __dir__() -> list[str]:
    return __all__
