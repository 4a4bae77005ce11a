"""What becomes of the frozen part of one family's network: cut, run in every epoch, or refused."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch

from shared_fixtures.cuts import Tensors, assert_equal_to_the_model
from shared_fixtures.families.page import Row
from tlzoo.errors import HookError, TlzooError
from tlzoo.features import cut
from tlzoo.features.cut import Cut
from tlzoo.features.cut_check import TOLERANCE, difference
from tlzoo.interfaces import Freeze, Repository
from tlzoo.models.freezing import freeze, train_mode
from tlzoo.models.model import TaskModel, build_model, load_backbone
from tlzoo.plugins import import_plugin
from tlzoo.registry.schema import Checkpoint
from tlzoo.tasks import make_task

TOO_LITTLE = "less than a fifth of the work is in front of what trains"
"""Where tlzoo says nothing: it looks no further for what is not worth a cache."""
APART = "computed apart from the rest, they give other outputs or gradients"
"""What training finds on its first samples, before it computes anything once."""
LABELS = ("a", "b", "c")
BATCHES = (3, 5)
LEAST = 0.01
"""Of a backbone's parameters: fewer than this share are no block, but the norm that comes after the last one."""


@dataclass(frozen=True)
class Family:
    """One family of a plugin, and the model of it that stands for all; empty where it has the family's name.

    `describe` gives what the model is resolved from, the hub repository that would hold it, or the entry itself.
    """

    plugin: str
    name: str
    model: str
    describe: Callable[[], Repository | Checkpoint]


def hub_repository(name: str, documents: Mapping[str, Mapping[str, Any]]) -> Repository:
    """A repository of these documents with weights and a tokenizer that nobody reads."""
    files = ("model.safetensors", "tokenizer.json")
    sizes = dict.fromkeys((*documents, *files), 1)
    return Repository(f"tiny/{name}", "0" * 40, sizes, dict.fromkeys(files, "0" * 64), documents, None, (), ())


def judge(family: Family) -> Row:
    """The family's row. Raises what goes wrong unawares, and AssertionError where a cut is not the model."""
    torch.manual_seed(0)
    try:
        checkpoint = _resolve(family)
        task = make_task(checkpoint.tasks[0], LABELS)
        model = build_model(checkpoint, task, load_backbone(checkpoint, None, "vector"))
        frozen = _freeze(model)
    except HookError:  # of a plugin that raises another error than tlzoo's
        raise
    except TlzooError as refusal:
        return Row(family.name, family.model, "refused", reason=_plain(refusal, family))
    share = _share(model)
    found, said = _search(model, frozen)
    if found is None:
        return Row(family.name, family.model, "falls back", share, reason=said or TOO_LITTLE)
    if difference(found, model, list(_batches(model)), lambda: train_mode(model, frozen)) > TOLERANCE:
        return Row(family.name, family.model, "falls back", share, reason=APART)
    check(found, model, frozen)
    return Row(family.name, family.model, "cut", share, f"{found.share:.0%}")


def _resolve(family: Family) -> Checkpoint:
    given = family.describe()
    if isinstance(given, Checkpoint):
        return given
    found = import_plugin(family.plugin).manager.hook.resolve_checkpoint(id=f"hf/{given.name}", repository=given)
    assert isinstance(found, Checkpoint), f"the plugin {family.plugin!r} leaves {family.name} to others"
    return found


def _freeze(model: TaskModel) -> Freeze:
    """The head and the last block train, and what comes after that."""
    stages = model.parts.stages
    owned = {
        stage.name: sum(each.numel() for name, each in model.backbone.named_parameters() if stage.owns(name))
        for stage in stages
    }
    trained, count = 0, 0
    while count < len(stages) - 1 and trained < LEAST * sum(owned.values()):
        count += 1
        trained += owned[stages[-count].name]
    return freeze(model, f"last:{count}" if count else "all")


def _share(model: TaskModel) -> str:
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return f"{sum(size for size, trains in sizes if not trains) / sum(size for size, _ in sizes):.0%}"


def _plain(refusal: TlzooError, family: Family) -> str:
    """What a refusal says of the family, without the name that stands for a repository here; its first sentence."""
    return re.split(r"(?<=\.) ", refusal.message.removeprefix(f"hf/tiny/{family.name}: "))[0].rstrip(".")


_functionalise = cut.functionalise


def _search(model: TaskModel, frozen: Freeze) -> tuple[Cut | None, str]:
    """The model's cut, and what is said where there is none; raises what goes wrong once the network is traced."""
    train_mode(model, frozen)
    unaware: list[Exception] = []

    def functionalise(traced: torch.fx.GraphModule) -> torch.fx.Graph:
        try:
            return _functionalise(traced)
        except cut.NotFunctional:
            raise
        except Exception as error:
            unaware.append(error)
            raise

    trace = getattr(cut, "untraced", cut.trace)  # which the tests make remember what it traced
    with (
        mock.patch.multiple(cut, functionalise=functionalise, trace=trace),
        contextlib.redirect_stderr(io.StringIO()) as said,
    ):
        found = cut.find_cut(model)
    if unaware:
        raise unaware[0]
    reason = re.search(r"cannot be separated from the trained ones \((.*)\)\.$", said.getvalue(), re.MULTILINE)
    return found, reason[1] if reason else ""


def check(found: Cut, model: TaskModel, frozen: Freeze) -> None:
    """The cut is the model at two batch sizes, for texts of several lengths: in both modes, and in its gradients."""
    for inputs in _batches(model):
        train_mode(model, frozen)
        model.zero_grad(set_to_none=True)
        assert_equal_to_the_model(found, model, inputs)


def _batches(model: TaskModel) -> Iterator[Tensors]:
    for size in BATCHES:
        draw = torch.Generator().manual_seed(size)
        yield tuple(_like(example, name, size, draw) for name, example in model.parts.example_inputs.items())


def _like(example: torch.Tensor, name: str, size: int, draw: torch.Generator) -> torch.Tensor:
    """An input as the example's is, of another batch size; of a text also of another length, some padded."""
    if example.is_floating_point():
        return 0.1 * torch.randn(size, *example.shape[1:], generator=draw)
    if example.ndim > 2:
        return torch.randint(0, 256, (size, *example.shape[1:]), dtype=example.dtype, generator=draw)
    length = example.shape[1] + 2 * (size - 4)  # one shorter than the example, one longer
    if name == "attention_mask":
        return (torch.arange(length) < length - 2 * torch.arange(size)[:, None]).to(example.dtype)
    return torch.randint(3, int(example.max()) + 1, (size, length), dtype=example.dtype, generator=draw)
