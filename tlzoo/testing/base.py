"""What all checks share: the plugin, one of its checkpoints, and objects built from them once."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeVar
from unittest import SkipTest
from unittest.mock import patch

from tlzoo import plugins, registry
from tlzoo.data import Samples, endings_of, read
from tlzoo.data.dataset import TaskDataset, make_dataset
from tlzoo.errors import PluginError
from tlzoo.interfaces import Backbone, FeatureKind, Needs, Weights
from tlzoo.models.model import TaskModel, build_model
from tlzoo.models.seeds import seed_generators
from tlzoo.plugins.preprocess import checkpoint_preprocessor
from tlzoo.plugins.process_state import STREAMS, put_back_settings, read_settings
from tlzoo.registry.schema import Checkpoint
from tlzoo.runs.checks import task_for
from tlzoo.specs import TextSpec
from tlzoo.tasks import Task
from tlzoo.testing import samples
from tlzoo.weights.fetch import fetch

T = TypeVar("T")
S = TypeVar("S", bound="SuiteBase")

UNCOUNTED_SHARE = 0.1
"""The share of an entry's parameters that a backbone may leave out: positions after a shorter window."""


class ConformanceNote(UserWarning):
    """Something to know of a plugin that passes."""


class SkippedCheck(SkipTest):
    """A check that depends on another one, which fails."""


def report_note(text: str) -> None:
    """Report what is allowed and could be better."""
    warnings.warn(text, ConformanceNote, stacklevel=3)


def cached(make: Callable[[S], T]) -> Callable[[S], T]:
    """Compute once, for all checks of the class; an error is kept too."""

    @functools.wraps(make)
    def kept(self: S) -> T:
        cache = type(self)._cache
        if make.__name__ not in cache:
            try:
                cache[make.__name__] = (make(self), None)
            except Exception as error:  # noqa: BLE001 - raised below, to everyone who asks
                cache[make.__name__] = (None, error)
        value, fault = cache[make.__name__]
        if fault is not None:
            raise fault
        return value  # type: ignore[no-any-return]

    return kept


def requires(*names: str) -> Callable[[Callable[[S], None]], Callable[[S], None]]:
    """Skip a check where one of these names fails, so that one fault fails one check; each is run once."""

    def gate(check: Callable[[S], None]) -> Callable[[S], None]:
        @functools.wraps(check)
        def gated(self: S) -> None:
            for name in names:
                try:
                    cached(getattr(type(self), name))(self)
                except SkipTest as reason:
                    if not isinstance(reason, SkippedCheck):
                        continue  # there was nothing to judge
                    raise SkippedCheck(f"Skipped until {name} passes.") from None
                except (Exception, SystemExit):  # noqa: BLE001 - the check itself reports it
                    raise SkippedCheck(f"Skipped until {name} passes.") from None
            check(self)

        return gated

    return gate


class SuiteBase:
    """The attributes that a suite sets, and what its checks share."""

    plugin: str = ""
    checkpoint: str | Checkpoint | None = None
    task_name: str = ""
    weights: Literal["random", "fetch"] = "random"
    outputs: tuple[FeatureKind, ...] = ("vector",)
    policies: tuple[str, ...] = ()
    tolerance: float = 1e-4
    import_seconds: float = 10.0

    _cache: ClassVar[dict[str, Any]] = {}

    _before: Mapping[str, Any] = MappingProxyType({})

    def setup_method(self) -> None:
        """Note the process's settings: what a plugin changes in one check is not to fail another."""
        self._before = read_settings()

    def put_back(self) -> None:
        """Put the process's settings back as they were before this check."""
        put_back_settings(self._before, STREAMS)

    def teardown_method(self) -> None:
        """After a check."""
        self.put_back()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._cache = {}

    @classmethod
    def teardown_class(cls) -> None:
        """Remove what the checks wrote; pytest calls it after the last."""
        folder, _ = cls._cache.get("folder", (None, None))
        cls._cache.clear()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def samples(self, folder: Path) -> Path:
        """Write a small labelled data set into the empty `folder`, in a form that `tlzoo finetune` takes; its path.

        The suite writes pictures, texts and recordings; a plugin with a modality of its own overrides this.
        """
        return samples.write(self.entry().preprocess, folder)

    def broken(self, folder: Path) -> list[Any]:
        """Inputs that cannot be read: empty, torn, missing, of the wrong type."""
        return samples.broken(self.entry().preprocess, folder, self.inputs()[0])

    def tokenizer(self, spec: TextSpec) -> str:
        """The text of a tokenizer.json for a model of random weights, within the vocabulary of its example inputs."""
        return samples.word_tokenizer(spec, int(self.bare().example_inputs["input_ids"].max()) + 1)

    @cached
    def folder(self) -> Path:
        """A temporary folder, removed at the end."""
        return Path(tempfile.mkdtemp(prefix="tlzoo-conformance-"))

    def own_cache(self) -> AbstractContextManager[Any]:
        """Compiled graphs and features are kept in the suite's own folder meanwhile, not in the user's cache."""
        return patch.dict(os.environ, TLZOO_CACHE=str(self.folder() / "cache"))

    def installed(self) -> plugins.InstalledPlugin:
        """The plugin as this environment has it."""
        assert self.plugin, "The suite names no plugin. Set the class attribute: plugin = '<name>'"
        try:
            return plugins.find(self.plugin)
        except PluginError as error:
            raise AssertionError(str(error)) from None

    @cached
    def entry(self) -> Checkpoint:
        """The checkpoint that the suite tests."""
        if isinstance(self.checkpoint, Checkpoint):
            return self.checkpoint
        if self.checkpoint is not None:
            return registry.get(self.checkpoint)
        self.installed()
        smallest = next(iter(registry.find(plugin=self.plugin, sort="parameters")), None)
        if smallest is None and not {"load_backbone", "resolve_checkpoint"} & set(
            plugins.import_plugin(self.plugin).hooks
        ):
            raise SkipTest("It has no checkpoint. Set the suite's `checkpoint` to one of another plugin to try it on.")
        assert smallest is not None, (
            f"No registry has an entry of plugin {self.plugin!r}. Ship a registry file (entry-point group "
            "'tlzoo.registry'), or set the suite's `checkpoint`."
        )
        return smallest

    @cached
    def files(self) -> Weights | None:
        """The checkpoint's verified files where the suite asks for them."""
        return fetch(self.entry()) if self.weights == "fetch" else None

    def built(self, output: Needs = "vector", seed: int = 0, **changes: Any) -> Backbone:
        """A fresh backbone as the plugin answers, for the entry with `changes`; `weights` replaces the files."""
        seed_generators(seed)
        weights = changes.pop("weights") if "weights" in changes else self.files()
        checkpoint = self.entry().model_copy(update=changes)
        return plugins.call(
            "load_backbone", checkpoint.plugin, Backbone, checkpoint=checkpoint, weights=weights, output=output
        )

    @cached
    def bare(self) -> Backbone:
        """The backbone as its plugin gives it, `vector` where it has that."""
        return self.built(self.first_output())

    def first_output(self) -> Needs:
        """The output for heads: what the task needs, where the suite names a task."""
        if self.task_name:
            return self.blank().needs
        return "vector" if "vector" in self.outputs else self.outputs[0]

    def complete(self, backbone: Backbone) -> Backbone:
        """The backbone with a tokenizer, where it takes texts and its weights brought none."""
        spec = backbone.preprocess
        if isinstance(spec, TextSpec) and not spec.tokenizer:
            spec = spec.model_copy(update={"tokenizer": self.tokenizer(spec)})
        return replace(backbone, preprocess=spec)

    @cached
    def backbone(self) -> Backbone:
        """One backbone for all checks that leave it as it is."""
        return self.complete(self.bare())

    @cached
    def data(self) -> Path:
        """The labelled samples on disk."""
        folder = self.folder() / "samples"
        folder.mkdir()
        return self.samples(folder)

    @cached
    def blank(self) -> Task:
        """The task that the suite is about, without labels."""
        return task_for(self.entry(), self.task_name or None)

    @cached
    def task(self) -> Task:
        """The same, fitted to the samples."""
        return self.blank().fit(self.targets(), "label")

    @cached
    def collection(self) -> Samples:
        """The samples, as training reads them."""
        endings = endings_of(self.entry().preprocess)
        return read(self.data(), self.blank(), training=True, endings=endings).train

    def targets(self) -> tuple[Any, ...]:
        """What the samples are labelled with."""
        found = self.collection().targets
        assert found is not None
        return found

    @cached
    def inputs(self) -> tuple[Any, ...]:
        """Raw inputs, as the plugin's preprocessor takes them."""
        return tuple(self.collection().inputs)

    def dataset(self, model: TaskModel) -> TaskDataset:
        """The samples as a model takes them."""
        return make_dataset(
            self.collection(), model.task, checkpoint_preprocessor(model.checkpoint, model.parts.preprocess)
        )

    def model(self) -> TaskModel:
        """A fresh backbone under a fresh head."""
        return build_model(self.rebuildable(), self.task(), self.complete(self.built(self.first_output())))

    def rebuildable(self) -> Checkpoint:
        """The entry with all that building it again takes."""
        config = self.bare().config
        return self.entry() if config is None else self.entry().model_copy(update={"config": dict(config)})
