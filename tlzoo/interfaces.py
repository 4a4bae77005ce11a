"""What hooks take and return. Importing this needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from tlzoo.errors import RegistryError
from tlzoo.options import Finetune, StrategyOptions

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from tlzoo.specs import Preprocess

FeatureKind = Literal["vector", "sequence", "map"]
"""What a backbone is asked for: one vector per sample [N, D], a sequence [N, T, D] or a map [N, C, H, W]."""
Needs = FeatureKind | tuple[FeatureKind, ...]
"""What a task needs of a backbone: one kind, or several together."""


@dataclass(frozen=True)
class Weights:
    """Verified local files: `files` maps each file's name to its path inside `folder`."""

    folder: Path
    files: Mapping[str, Path]


@dataclass(frozen=True)
class Repository:
    """A hub repository as its small files and its card describe it, without its weights.

    `name` is `org/name`, `revision` its commit (40 hex digits). `sizes` maps every file of it to its size in bytes,
    `sha256` those to their hash that the hub lists. `documents` holds its parsed JSON files, such as
    `config.json`. `license` is an SPDX expression or `None`, `languages` are ISO 639-1 codes, `tags` the hub's.
    """

    name: str
    revision: str
    sizes: Mapping[str, int]
    sha256: Mapping[str, str]
    documents: Mapping[str, Mapping[str, Any]]
    license: str | None
    languages: tuple[str, ...]
    tags: tuple[str, ...]

    def weights(self) -> tuple[str, ...]:
        """The files of its weights in transformers' names: safetensors, whole or in shards, else a pinned pickle.

        Raises RegistryError naming why there are none that can be used.
        """
        if "quantization_config" in self.documents.get("config.json", {}):
            raise RegistryError(
                f"The weights of {self.name} are quantised.", hint="Use the repository it was quantised from."
            )
        if "model.safetensors" in self.sizes:
            return ("model.safetensors",)
        index = "model.safetensors.index.json"
        shards = self.documents.get(index, {}).get("weight_map")
        if isinstance(shards, Mapping) and shards and set(shards.values()) <= self.sizes.keys():
            return (index, *sorted(set(shards.values())))
        if "pytorch_model.bin" in self.sha256:
            return ("pytorch_model.bin",)
        raise RegistryError(
            f"{self.name} holds no weights that tlzoo reads: {', '.join(sorted(self.sizes)[:8]) or 'it is empty'}.",
            hint="tlzoo reads model.safetensors, its shards, or a pytorch_model.bin whose sha256 the hub lists.",
        )

    def source(self, names: Iterable[str]) -> dict[str, Any]:
        """A registry entry's `source` for these files of it, pinned as far as the hub says."""
        files = [
            {"path": name, "sha256": self.sha256.get(name), "size": self.sizes[name] or None}
            for name in dict.fromkeys(names)
        ]
        return {"kind": "hub", "repo": self.name, "revision": self.revision, "files": files}

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets that its card lists, by their names on the hub."""
        return tuple(tag.partition(":")[2] for tag in self.tags if tag.startswith("dataset:"))

    @property
    def paper(self) -> str | None:
        """The address of the one paper that its card names; `None` where it names none or several."""
        papers = [tag.partition(":")[2] for tag in self.tags if tag.startswith("arxiv:")]
        return f"https://arxiv.org/abs/{papers[0]}" if len(papers) == 1 else None


@dataclass(frozen=True)
class Stage:
    """A part of a backbone between input and output: its name and the prefixes of its parameters' names."""

    name: str
    prefixes: tuple[str, ...]

    def owns(self, parameter: str) -> bool:
        """Whether the parameter or buffer of this name (relative to the backbone's module) is in this stage."""
        return any(parameter == p or parameter.startswith(p + ".") for p in self.prefixes)


@dataclass(frozen=True)
class Backbone:
    """A network without its head.

    `module(*inputs)` takes the tensors of `example_inputs` in their order and returns `vector` [N, D], `sequence`
    [N, T, D] or `map` [N, C, H, W], or where `output` names several a tuple of them, which the head is given as a
    mapping by name; it does the arithmetic of preprocessing itself (scaling, normalisation, log-mel).
    `stages` go from input to output and cover every parameter once. `example_inputs` have a batch of at least 2.
    `dynamic_axes` names the axes that may vary, as {input: {axis: name}}. `preprocess` turns raw inputs into arrays
    named and shaped as `example_inputs`, complete (a text's tokenizer embedded). `config` holds the arguments with
    which `load_backbone` builds the same architecture from the checkpoint alone; `None` where the checkpoint's own
    are enough.
    """

    module: nn.Module
    feature_dim: int
    stages: tuple[Stage, ...]
    example_inputs: Mapping[str, torch.Tensor]
    dynamic_axes: Mapping[str, Mapping[int, str]]
    output: Needs
    preprocess: Preprocess
    config: Mapping[str, Any] | None = None


Loss = Callable[[Mapping[str, "torch.Tensor"], Mapping[str, "torch.Tensor"]], "torch.Tensor"]
"""`loss(outputs, batch)`: a scalar for a model's outputs by name and the arrays that the task collates of targets."""


@dataclass(frozen=True)
class Head:
    """`module` maps the backbone's output to the task's outputs: one tensor, or a tuple in the order of several.

    Of a backbone with several outputs it is given a mapping from their names. `takes_weights` says that the loss counts
    each sample by its weight where a batch has `sample_weights`, float32 [N].
    """

    module: nn.Module
    loss: Loss
    takes_weights: bool = False


@dataclass(frozen=True)
class Freeze:
    """Names within the model: `trainable` parameters, and `eval_modules` that stay in eval mode while it trains.

    `eval_modules` stay in eval mode with all their children; `eval_containers` do so without their children: they hold
    frozen and trainable layers, and their own noise, such as dropout, would reach the frozen ones.
    """

    trainable: frozenset[str]
    eval_modules: frozenset[str] = field(default_factory=frozenset)
    eval_containers: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class TextContext:
    """A tokenized text: `offsets` int32 [T, 2] are the start and end of each token in it.

    Special tokens start and end at the same offset.
    """

    text: str
    offsets: np.ndarray


@dataclass(frozen=True)
class RegisteredTask:
    """A task that a plugin adds: `task` is a subclass of `tlzoo.plugin.Task`; users write `--task NAME`."""

    name: str
    task: type[Any]


@dataclass(frozen=True)
class AdaptationMethod:
    """A method of domain adaptation: `adapt(model, source, target, options)` returns the adapted model."""

    name: str
    adapt: Callable[[Any, Any, Any, Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Strategy:
    """A way of training: `train(job)` returns what the core's strategies return; `policy` is frozen by default.

    `options` is the frozen dataclass that `job.options` is an instance of: one of the core's, or a subclass of one.
    """

    name: str
    train: Callable[[Any], Any]
    policy: str = "none"
    options: type[StrategyOptions] = Finetune


@dataclass(frozen=True)
class ExportFormat:
    """A layout of exports: `write(folder, model, manifest)` fills an empty folder, the model as `model.onnx` in it."""

    name: str
    write: Callable[[Path, bytes, Any], None]


@dataclass(frozen=True)
class Graph:
    """An exported ONNX file with its input and output names, in order."""

    path: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opset: int


@runtime_checkable
class Model(Protocol):
    """A backbone with a head, as hooks see it: a torch module whose `forward(*inputs)` returns the task's outputs.

    `parts` is the backbone as its plugin described it, `backbone` and `head` its two modules, `loss(outputs, batch)`
    a scalar. `checkpoint` is the registry's entry (`tlzoo.registry.schema.Checkpoint`), `task` what it is trained for
    (`tlzoo.tasks`).
    """

    checkpoint: Any
    task: Any
    parts: Backbone
    loss: Loss
    backbone: nn.Module
    head: nn.Module

    def __call__(self, *inputs: torch.Tensor) -> Any:
        """The task's outputs for the backbone's inputs in their order: a tensor, or a tuple of several."""

    def headless(self) -> Model:
        """The same backbone without a head; its outputs are features."""

    def with_head(self, head: Head) -> Model:
        """The same backbone with another head."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Every parameter with its name, such as `backbone.conv.weight`."""

    def named_buffers(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Every buffer with its name."""

    def named_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Every module with its name, the model itself included."""


@runtime_checkable
class Dataset(Protocol):
    """Samples as hooks see them: `inputs` are paths or texts, `modality` is image, text, audio or a plugin's own.

    `targets` are what the task read, one per sample, or `None` where there are no labels; `collated` makes arrays of
    them.
    """

    @property
    def inputs(self) -> Sequence[Any]:
        """Paths or texts."""

    @property
    def targets(self) -> Sequence[Any] | None:
        """What each sample is labelled with."""

    @property
    def modality(self) -> str:
        """image, text, audio or a plugin's own."""

    def __len__(self) -> int: ...

    def arrays(self, positions: Sequence[int]) -> dict[str, np.ndarray]:
        """The preprocessed inputs at these positions, stacked."""

    def collated(self, positions: Sequence[int]) -> dict[str, np.ndarray]:
        """Their targets as arrays by name, as the loss takes them."""
