"""A plugin of a third party that is right in everything, and its suite, to be made wrong in one thing."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tlzoo import plugins
from tlzoo.registry.schema import Checkpoint, FileSource, LocalFile, RegistryFile
from tlzoo.specs import ImageSpec
from tlzoo.testing import PluginSuite

HOOKS = """
from tlzoo import Backbone, Stage, hookimpl
{top}

@hookimpl
def load_backbone(checkpoint, weights, output):
    if {foreign}:
        return None
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(12, 16)
            self.norm = nn.BatchNorm1d(16)
            self.last = nn.Linear(16, 8)

        def forward(self, image):
            pixels = image.float().permute(0, 3, 1, 2) / 255
            x = nn.functional.avg_pool2d(pixels, 4).flatten(1)
            x = {first}
            return {last}

    module = Network().eval()
    example = torch.arange(3 * 8 * 8 * 3).reshape(3, 8, 8, 3).to(torch.uint8)
    {built}
    return Backbone(
        module=module,
        feature_dim={width},
        stages=({stages}),
        example_inputs={{"image": example}},
        dynamic_axes={{"image": {axes}}},
        output=output,
        preprocess=checkpoint.preprocess,
    )
{hooks}
"""
RIGHT = {
    "top": "",
    "foreign": 'checkpoint.plugin != "tiny" or checkpoint.architecture != "net"',
    "first": "self.norm(torch.relu(self.first(x)))",
    "last": "self.last(x)",
    "built": "",
    "width": "8",
    "stages": 'Stage("first", ("first", "norm")), Stage("last", ("last",))',
    "axes": '{0: "batch"}',
    "hooks": "",
}
TASK = """
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tlzoo.plugin import Agreement, Output, Prediction, Task, agreement


@dataclass(frozen=True)
class SidePrediction(Prediction):
    side: {field}

    def as_line(self):
        return {line}


@dataclass(frozen=True)
class Sides(Task):
    {setting}

    family: ClassVar[str] = "sides"
    plugin: ClassVar[str] = "tiny"
    folders: ClassVar[bool] = True
    head: ClassVar[str] = "tlzoo_tiny_head"
    headline: ClassVar[str] = {headline}
    monitor: ClassVar[str] = {monitor}
    directions: ClassVar[dict] = {{"accuracy": "max", "distance": "min"}}
    prediction: ClassVar[type] = SidePrediction

    @property
    def outputs(self):
        return ({outputs},)

    def read(self, row):
        return row.text("label")

    def fit(self, targets, column):
        return Sides(self.name, tuple(sorted(set(targets))))

    def collate(self, targets, contexts):
        return {{"sides": np.array([self.labels.index(target) for target in targets], dtype=np.int64)}}

    def samplewise(self, outputs, targets, contexts):
        sides = self.collate(targets, contexts)["sides"]
        return {scores}

    def metrics(self, outputs, targets, contexts):
        accuracy = float((outputs["sides"].argmax(axis=1) == self.collate(targets, contexts)["sides"]).mean())
        return {metrics}

    def resample(self, outputs, targets, contexts, draws):
        return {resampled}

    def agree(self, exported, reference, tolerance):
        found = Agreement(*agreement(self.outputs, exported, reference, tolerance))
        return {agreed}

    def decode(self, outputs, contexts, options):
        sides = outputs["sides"].argmax(axis=1)
        return {answers}
"""
HEAD = """
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tlzoo.plugin import Head


class Layer(nn.Module):
    def __init__(self, width, labels):
        super().__init__()
        self.layer = nn.Linear(width, labels{wider})
        {spare}

    def forward(self, features):
        sides = self.layer(features)
        return {given}


def build_head(backbone, task, options):
    return Head(Layer(backbone.feature_dim, len(task.labels)), lambda outputs, batch: {loss})
"""
RIGHT_TASK = {
    "field": "str",
    "line": "super().as_line()",
    "setting": "smooth: float = 0.5",
    "headline": '"accuracy"',
    "monitor": '"distance"',
    "outputs": 'Output("sides", ("batch", 2), labelled=True)',
    "scores": '(outputs["sides"].argmax(axis=1) == sides).astype(float)',
    "metrics": '{"accuracy": accuracy, "distance": 1 - accuracy}',
    "resampled": "super().resample(outputs, targets, contexts, draws)",
    "agreed": "found",
    "answers": "[SidePrediction(self.labels[side]) for side in sides]",
    "wider": "",
    "spare": "",
    "given": "sides",
    "loss": 'cross_entropy(outputs["sides"], batch["sides"])',
}
REGISTERED = """
@hookimpl
def register_tasks():
    from tlzoo.plugin import RegisteredTask
    from tlzoo_tiny_task import Sides
    return [RegisteredTask("sides", Sides)]
"""
METADATA = """Metadata-Version: 2.4
Name: tlzoo-tiny
Version: 1.2
License-Expression: MIT
Requires-Dist: tlzoo<0.2,>=0.1
"""
ENTRY = Checkpoint(
    id="tiny/net",
    architecture="net",
    source=FileSource(files=(LocalFile(path="none", sha256="0" * 64, size=1),)),
    license="MIT",
    tasks=("image-classification",),
    parameters=12 * 16 + 16 + 2 * 16 + 16 * 8 + 8,
    feature_dim=8,
    preprocess=ImageSpec(size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1)),
)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., type[PluginSuite]]]:
    """Installs the plugin `tiny` with some of `RIGHT` replaced, and its metadata; returns a suite for it.

    With `task` the plugin has a task of its own, with these of `RIGHT_TASK` replaced, which the suite is about.
    `declared` is more of its entry points.
    """

    def install(
        metadata: str = METADATA,
        entry: Checkpoint = ENTRY,
        suite: str = "",
        task: dict[str, str] | None = None,
        declared: str = "",
        **wrong: str,
    ) -> type[PluginSuite]:
        site = tmp_path / "site"
        info = site / "tlzoo_tiny-1.2.dist-info"
        info.mkdir(parents=True)
        parts = RIGHT | {name: textwrap.dedent(text) for name, text in wrong.items()}
        if task is not None:
            for name, code in (("task", TASK), ("head", HEAD)):
                (site / f"tlzoo_tiny_{name}.py").write_text(code.format(**RIGHT_TASK | task))
            parts["hooks"] += REGISTERED
            declared += "[tlzoo.tasks]\nsides = tiny\n"
        (site / "tlzoo_tiny.py").write_text(HOOKS.format(**parts))
        (info / "METADATA").write_text(metadata)
        named = f"[tlzoo.conformance]\ntiny = {suite}\n" if suite else ""
        (info / "entry_points.txt").write_text(f"[tlzoo]\ntiny = tlzoo_tiny\n{named}{declared}")
        monkeypatch.syspath_prepend(site)
        chosen = "" if task is None else "sides"
        return type("Tiny", (PluginSuite,), {"plugin": "tiny", "checkpoint": entry, "task_name": chosen})

    plugins.import_plugin.cache_clear()
    yield install
    plugins.import_plugin.cache_clear()
    for name in ("tlzoo_tiny", "tlzoo_tiny_suite", "tlzoo_tiny_task", "tlzoo_tiny_head"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="session")
def tiny_entry() -> Checkpoint:
    """The entry of the plugin that is right."""
    return ENTRY


@pytest.fixture(scope="session")
def tiny_metadata() -> str:
    """The metadata of the plugin that is right."""
    return METADATA


@pytest.fixture
def registry_file(tmp_path: Path) -> Path:
    """A user's registry with that entry."""
    document = RegistryFile(checkpoints=(ENTRY,)).model_dump_json(exclude_none=True)
    (tmp_path / "registry.json").write_text(document)
    return tmp_path / "registry.json"
