"""The hook specifications, nothing else. All are asked of one plugin; `None` means "not mine".

Arguments come by keyword: a hook may leave out those that it does not need. What a hook raises beside a TlzooError is
reported as a HookError that names the plugin.

The examples are run by tests/plugins/test_hookspecs.py, which gives them the names of `tlzoo.plugin` and of
`tlzoo.errors`, and for each example:

- `checkpoint`: an entry, `duo/means`; `weights`: its file `mix.safetensors`
- `backbone`, `task`, `model`: features [N, 12] of pictures, a classification of three labels, both with a linear head
- `source`, `target`: labelled pictures and others without labels, as the model takes them
- `job`: what a strategy is given; `exported`, `manifest`: the bytes of a file and its manifest
- `folder`: an empty folder
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import numpy as np

    from tlzoo.interfaces import (
        AdaptationMethod,
        Backbone,
        Dataset,
        ExportFormat,
        Freeze,
        Graph,
        Head,
        Model,
        Needs,
        RegisteredTask,
        Repository,
        Strategy,
        Weights,
    )
    from tlzoo.registry.schema import Checkpoint
    from tlzoo.specs import Preprocess
    from tlzoo.tasks import Task

hookspec = pluggy.HookspecMarker("tlzoo")
hookimpl = pluggy.HookimplMarker("tlzoo")


@hookspec(firstresult=True)
def resolve_checkpoint(id: str, repository: Repository | None) -> Checkpoint | None:
    """Given an id that no registry lists, and of `hf/<org>/<name>` the repository, return its entry. No network.

    Asked of the plugin whose name the id begins with, and of those that declare its first part in the entry-point group
    `tlzoo.prefixes`. The entry has this id and is built by this plugin. Raises RegistryError for an id that is the
    plugin's and cannot be built.

    >>> @hookimpl
    ... def resolve_checkpoint(id, repository):
    ...     plugin, _, size = id.partition("/means-")
    ...     if plugin != "duo" or not size.isdecimal():
    ...         return None
    ...     return checkpoint.model_copy(update={"id": id, "config": {"size": int(size)}})
    >>> resolve_checkpoint("duo/means-16", None).config
    {'size': 16}
    >>> resolve_checkpoint("timm/resnet50", None) is None
    True
    """


@hookspec(firstresult=True)
def load_backbone(checkpoint: Checkpoint, weights: Weights | None, output: Needs) -> Backbone | None:
    """Given a checkpoint and its verified local files (`None`: random weights), return the backbone. No network.

    Its module takes raw inputs: pictures uint8 [N, H, W, 3], token ids and mask int64 [N, L], samples float32 [N, T].
    It gives float32 [N, D] for the output `vector`, [N, T, D] for `sequence`, [N, C, H, W] for `map`, and a tuple in
    their order where several are asked for. Raises UsageError for an output that it does not have, RegistryError for an
    entry that contradicts it, SourceError for weights that do not fit.

    >>> @hookimpl
    ... def load_backbone(checkpoint, weights, output):
    ...     if checkpoint.plugin != "duo":
    ...         return None
    ...     if output != "vector":
    ...         raise UsageError(f"{checkpoint.id} has no output {output!r}.", hint="It has: vector.")
    ...     import torch
    ...     from safetensors.torch import load_file
    ...
    ...     class Means(torch.nn.Module):
    ...         def __init__(self):
    ...             super().__init__()
    ...             self.mix = torch.nn.Linear(3, 12)
    ...
    ...         def forward(self, image):
    ...             return self.mix(image.float().mean((1, 2)) / 255)
    ...
    ...     module = Means().eval()
    ...     if weights is not None:
    ...         module.load_state_dict(load_file(weights.files["mix.safetensors"]))
    ...     return Backbone(
    ...         module=module,
    ...         feature_dim=12,
    ...         stages=(Stage("mix", ("mix",)),),
    ...         example_inputs={"image": torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8)},
    ...         dynamic_axes={"image": {0: "batch"}},
    ...         output=output,
    ...         preprocess=checkpoint.preprocess,
    ...     )
    >>> made = load_backbone(checkpoint, weights, "vector")
    >>> made.module(made.example_inputs["image"]).shape
    torch.Size([2, 12])
    """


@hookspec(firstresult=True)
def build_head(backbone: Backbone, task: Task, options: Mapping[str, Any]) -> Head | None:
    """Given a backbone and a task, return a head with its loss; `None` leaves it to the task's own head.

    The module maps [N, D], [N, T, D] or [N, C, H, W], or several of these by name, to `task.outputs`: a tensor, or a
    tuple in their order. `loss(outputs, batch)` is a scalar of float32 outputs by name and of what `task.collate` makes
    of targets, and where the head says `takes_weights` of `sample_weights`, float32 [N]. `options` may hold
    `label_smoothing`, `class_weights`, what `task.head_options` returns, and the name `deep` as `head` where a user
    asks for `--head duo/deep`. Raises UsageError for an option that cannot be, TrainingError for a backbone whose
    output does not fit.

    >>> @hookimpl
    ... def build_head(backbone, task, options):
    ...     if options.get("head") != "deep":
    ...         return None
    ...     from torch import nn
    ...
    ...     plain = default_head(backbone, task, options)
    ...     width = backbone.feature_dim
    ...     module = nn.Sequential(nn.Linear(width, width), nn.GELU(), plain.module)
    ...     return Head(module, plain.loss, plain.takes_weights)
    >>> head = build_head(backbone, task, {"head": "deep"})
    >>> logits = head.module(backbone.module(*backbone.example_inputs.values()))
    >>> logits.shape
    torch.Size([2, 3])
    >>> import torch
    >>> head.loss({"logits": logits}, {"labels": torch.tensor([0, 2])}).ndim
    0
    """


@hookspec(firstresult=True)
def freeze(model: Model, policy: str) -> Freeze | None:
    """Given a model and a policy such as `all` or `until:<stage>`, return what trains; only adapters may be added.

    Names are those of the model, `backbone.…` and `head.…`. It is asked several times and answers the same. `None`
    leaves the policy to the core; `--freeze duo/bitfit` asks this plugin for `bitfit`, whatever the model is. Raises
    UsageError for a policy that does not fit the model.

    >>> @hookimpl
    ... def freeze(model, policy):
    ...     if policy != "bitfit":
    ...         return None
    ...     names = [name for name, _ in model.named_parameters()]
    ...     return Freeze(frozenset(name for name in names if name.endswith(".bias") or name.startswith("head.")))
    >>> sorted(freeze(model, "bitfit").trainable)
    ['backbone.mix.bias', 'head.bias', 'head.weight']
    """


@hookspec(firstresult=True)
def adapt_domain(
    model: Model, source: Dataset | None, target: Dataset, method: str, options: Mapping[str, Any]
) -> Model | None:
    """Given a trained model, labelled source data (`None`: source-free) and unlabelled target data, adapt it.

    `arrays(positions)` of a data set gives the model's inputs [n, ...] by name, `source.collated(positions)` the
    targets as the loss takes them. `options["n_train"]` is how many source samples, the first, were for training.
    `None` leaves the method to the core; `--method duo/means` asks this plugin for `means`. Raises UsageError where it
    needs source data and gets none, DataError for data that it cannot use.

    >>> @hookimpl
    ... def adapt_domain(model, source, target, method, options):
    ...     if method != "means":
    ...         return None
    ...     import torch
    ...
    ...     def mean(data):
    ...         arrays = data.arrays(range(len(data)))
    ...         return model.headless()(*map(torch.from_numpy, arrays.values())).mean(dim=0)
    ...
    ...     with torch.no_grad():
    ...         model.head.bias += model.head.weight @ (mean(source) - mean(target))
    ...     return model
    >>> before = model.head.bias.tolist()
    >>> adapt_domain(model, source, target, "means", {"n_train": 9}).head.bias.tolist() == before
    False
    """


@hookspec(firstresult=True)
def export(model: Model, path: Path, opset: int) -> Graph | None:
    """Given a model in eval mode on the CPU, write one ONNX file to `path` and return its graph.

    Inputs go by the names of `model.parts.example_inputs`; outputs are `model.task.outputs` by name and in order, with
    a free batch, and behind them what else the graph gives, such as `embeddings` [N, D], the head's input. `None`
    leaves it to `torch.onnx.export`. Raises ExportError for a model that cannot be exported.

    >>> @hookimpl
    ... def export(model, path, opset):
    ...     import torch
    ...
    ...     inputs = model.parts.example_inputs
    ...     names = tuple(output.name for output in model.task.outputs)
    ...     program = torch.onnx.export(
    ...         model,
    ...         tuple(inputs.values()),
    ...         dynamo=True,
    ...         dynamic_shapes=(({0: torch.export.Dim("batch")},),),
    ...         input_names=list(inputs),
    ...         output_names=list(names),
    ...         opset_version=opset,
    ...         verbose=False,
    ...     )
    ...     program.save(str(path))
    ...     return Graph(path, tuple(inputs), names, opset)
    >>> graph = export(model, folder / "model.onnx", 20)
    >>> graph.inputs, graph.outputs, graph.path.is_file()
    (('image',), ('logits',), True)
    """


@hookspec(firstresult=True)
def make_preprocessor(spec: Preprocess) -> Callable[[Sequence[Any]], dict[str, np.ndarray]] | None:
    """Given a specification, return a callable from raw inputs to arrays. Runs where torch is not installed.

    A raw input is a path, a text, bytes or an array; the arrays [N, ...] have the names, types and order of the
    backbone's example inputs. The callable raises InputError naming an input that cannot be read; the hook raises
    UsageError for options that cannot be. A method `with_contexts(inputs)` of the callable, the arrays
    and a list of one object for each input, is asked instead where the task is `contextual`. A callable that cuts long
    inputs has what it reads of each as `limit`, such as `(64, "tokens")`, and returns `tlzoo.plugin.PreparedArrays`,
    which says of each input whether it is longer; tlzoo counts and says those.

    >>> @hookimpl
    ... def make_preprocessor(spec):
    ...     if spec.kind != "plugin" or spec.plugin != "tides":
    ...         return None
    ...     import numpy as np
    ...
    ...     def stacked(inputs):
    ...         rows = np.zeros((len(inputs), spec.options["length"]), np.float32)
    ...         for row, values in zip(rows, inputs):
    ...             row[: len(values)] = values[: len(row)]
    ...         return {"heights": rows}
    ...
    ...     return stacked
    >>> spec = PluginSpec(kind="plugin", plugin="tides", options={"length": 3}, endings=(".csv",))
    >>> make_preprocessor(spec)([[1.5], [2, 3, 4, 5]])["heights"].tolist()
    [[1.5, 0.0, 0.0], [2.0, 3.0, 4.0]]
    """


@hookspec(firstresult=True)
def register_tasks() -> Iterable[RegisteredTask] | None:
    """Return the tasks that the plugin adds; users name them with --task. Runs where torch is not installed.

    A task's name is the `family` of its class, whose `plugin` is this one. Declared in the entry-point group
    `tlzoo.tasks` the name alone is enough; `duo/ratings` needs no declaration. docs/howto/task.md writes one whole.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Ratings(Task):
    ...     family = "ratings"
    ...     plugin = "duo"
    ...     head = "tlzoo_duo.heads"
    ...
    ...     @property
    ...     def outputs(self):
    ...         return (Output("rating", ("batch",)),)
    >>> @hookimpl
    ... def register_tasks():
    ...     return [RegisteredTask("ratings", Ratings)]
    >>> [registered] = register_tasks()
    >>> [output.name for output in registered.task("image-ratings").outputs]
    ['rating']
    """


@hookspec(firstresult=True)
def register_adaptation() -> Iterable[AdaptationMethod] | None:
    """Return methods of domain adaptation, for runs of any checkpoint; users name them with --method.

    `adapt` takes what the hook `adapt_domain` takes without the method's name, and returns the adapted model. The
    entry-point group is `tlzoo.adaptation`.

    >>> @hookimpl
    ... def register_adaptation():
    ...     def forgetful(model, source, target, options):
    ...         for module in model.modules():
    ...             if hasattr(module, "reset_running_stats"):
    ...                 module.reset_running_stats()
    ...         return model
    ...
    ...     return [AdaptationMethod("forgetful", forgetful)]
    >>> [method] = register_adaptation()
    >>> method.adapt(model, source, target, {}) is model
    True
    """


@hookspec(firstresult=True)
def register_strategies() -> Iterable[Strategy] | None:
    """Return ways of training, for any checkpoint; users name them with --strategy.

    `train(job)` takes a `TrainJob` and returns a `TrainResult`, whose `outputs` are those of the trained model for the
    test samples, [N, ...] by name. `policy` is the default of --freeze; `options` is the dataclass of what it takes,
    `Finetune`, `Probe` or a subclass with more fields. The entry-point group is `tlzoo.strategies`.

    >>> @hookimpl
    ... def register_strategies():
    ...     from dataclasses import replace
    ...
    ...     def train(job):
    ...         return run_finetune(replace(job, options=replace(job.options, epochs=1)))
    ...
    ...     return [Strategy("glance", train, policy="all")]
    >>> [strategy] = register_strategies()
    >>> result = strategy.train(job)
    >>> len(result.history), result.outputs["logits"].shape
    (1, (6, 3))
    """


@hookspec(firstresult=True)
def register_formats() -> Iterable[ExportFormat] | None:
    """Return layouts of exported files; users name them with --format.

    `write(folder, model, manifest)` fills an empty folder: the bytes `model` as a file `model.onnx` somewhere in it,
    and beside it what the format adds. The entry-point group is `tlzoo.formats`.

    >>> @hookimpl
    ... def register_formats():
    ...     def write(folder, model, manifest):
    ...         (folder / "model.onnx").write_bytes(model)
    ...         (folder / "labels.txt").write_text(" ".join(manifest.labels))
    ...
    ...     return [ExportFormat("labelled", write)]
    >>> [labelled] = register_formats()
    >>> labelled.write(folder, exported, manifest)
    >>> (folder / "labels.txt").read_text()
    'blue green red'
    """
