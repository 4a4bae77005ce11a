"""The cut: prefix and suffix together are the model, in training and in evaluation, random draws and statistics too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import timm
import torch
from shared_fixtures.cuts import Tensors, assert_equal_to_the_model, wrapped
from torch import nn
from torch.nn import functional

from tlzoo.errors import HookError
from tlzoo.features import cut
from tlzoo.features.cut import find_cut
from tlzoo.features.cut_check import TOLERANCE, difference
from tlzoo.models.freezing import freeze, train_mode
from tlzoo.models.model import TaskModel
from tlzoo.tasks import Output
from tlzoo.tasks.classification.task import Classification

Prepared = Callable[..., tuple[TaskModel, Any]]


@pytest.mark.parametrize(
    ("checkpoint", "policy"),
    [
        ("vision/test-resnet", "last:2"),
        ("vision/test-vit", "until:blocks.2"),
        ("nlp/test-bert", "until:embeddings"),
        ("speech/test-wav2vec2", "until:convolutions"),
    ],
)
def test_both_halves_are_the_model_at_other_sizes_than_those_of_the_trace(
    zoo: Any, prepared: Prepared, monkeypatch: pytest.MonkeyPatch, checkpoint: str, policy: str
):
    monkeypatch.setattr(cut, "MIN_SHARE", 0.0)
    model, sets = prepared(checkpoint)
    train_mode(model, freeze(model, policy))
    arrays = sets.train.arrays([3, 0, 30, 1, 2] if checkpoint.startswith("nlp") else [3, 0, 1, 2, 4])
    if "attention_mask" in arrays:
        assert len(set(arrays["attention_mask"].sum(axis=1).tolist())) > 1
    assert_equal_to_the_model(find_cut(model), model, tuple(map(torch.from_numpy, arrays.values())))


def test_a_text_is_cut_to_its_own_length(zoo: Any, prepared: Prepared):
    model, _ = prepared("nlp/test-bert")
    train_mode(model, freeze(model, "last:1"))
    found = find_cut(model)
    assert found is not None
    assert (None, 32) in [layout.shape for layout in found.layouts]


@pytest.mark.parametrize("policy", ["none", "norm"])
def test_without_a_frozen_part_in_front_there_is_no_cut(zoo: Any, prepared: Prepared, policy: str):
    model, _ = prepared("vision/test-resnet")
    train_mode(model, freeze(model, policy))
    assert find_cut(model) is None


class Turned(nn.Module):
    """Layers whose weights are turned around first, and a table of which a part is used, as large as it may be."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen_first = nn.Parameter(0.1 * torch.randn(16, 8))
        self.last = nn.Parameter(0.1 * torch.randn(8, 16))
        self.register_buffer("table", torch.ones(500, 500))

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        made = torch.tanh(given @ self.frozen_first.transpose(0, 1))
        return (made @ self.last.transpose(0, 1)) * self.table[:8, :8].sum()


def test_work_is_counted_where_weights_are_used_and_not_where_they_are_turned():
    model = wrapped(Turned(), torch.randn(2, 8), frozen="frozen")
    found = find_cut(model)
    assert_equal_to_the_model(found, model, (torch.randn(4, 8),))
    assert found is not None
    assert 0.3 < found.share < 0.7
    assert [layout.shape for layout in found.layouts] == [(16,)]


class Unheard(nn.Module):
    """Draws whose result nobody uses come before one that counts, as in the last layer of LiLT."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen_first = nn.Linear(8, 8)
        self.last = nn.Linear(8, 8)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        made = self.frozen_first(given)
        functional.dropout(made, 0.5, self.training)
        return functional.dropout(self.last(made), 0.5, self.training)


def test_draws_that_lead_nowhere_are_made_too():
    model = wrapped(Unheard(), torch.randn(2, 8), frozen="frozen")
    assert_equal_to_the_model(find_cut(model), model, (torch.randn(4, 8),))


class Experts(nn.Module):
    """A frozen layer for as many rows as the inputs decide, as a mixture of experts has them."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen_first = nn.Linear(8, 8)
        self.frozen_second = nn.Linear(8, 8)
        self.last = nn.Linear(8, 8)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        made = self.frozen_first(given)
        rows = (given[:, 0] > 0).nonzero()[:, 0]
        return self.last(made.index_add(0, rows, self.frozen_second(made[rows])))


def test_a_size_may_depend_on_what_the_inputs_hold():
    model = wrapped(Experts(), torch.tensor([[1.0], [-1.0]]) * torch.rand(2, 8), frozen="frozen")
    found = find_cut(model)
    assert_equal_to_the_model(found, model, (torch.tensor([[1.0], [-1.0], [1.0], [1.0]]) * torch.rand(4, 8),))
    assert found is not None
    assert [layout.shape for layout in found.layouts] == [(8,)]


class Branches(nn.Module):
    """A frozen trunk of which the trainable part takes two layers, one changed in place, and a skip around both."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen_first = nn.Conv2d(3, 6, 3, padding=1)
        self.frozen_norm = nn.BatchNorm2d(6)
        self.frozen_second = nn.Conv2d(6, 4, 3, padding=1)
        self.last = nn.Conv2d(10, 8, 3, stride=2)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        first = torch.relu_(self.frozen_norm(self.frozen_first(image)))
        second = self.frozen_second(first).relu_()
        second += first[:, :4]
        joined = self.norm(self.last(torch.cat([first, second], 1)))
        return functional.dropout(joined.relu_().mean((2, 3)) + second.mean((1, 2, 3))[:, None], 0.3, self.training)


def test_a_cut_through_branches_takes_what_each_needs():
    inputs = torch.rand(6, 3, 12, 12)
    model = wrapped(Branches(), inputs[:2], frozen="frozen")
    found = find_cut(model)
    assert_equal_to_the_model(found, model, (inputs,))
    assert found is not None
    assert len(found.layouts) >= 2


class Noisy(nn.Module):
    """Noise before, in and after the frozen layers; `where` says which is drawn."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.frozen = nn.Sequential(nn.Linear(5, 40), nn.GELU(), nn.Linear(40, 40))
        self.frozen_last = nn.Linear(40, 40)
        self.live = nn.Linear(40, 8)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        if self.where == "before":
            given = functional.dropout(given, 0.5, self.training)
        values = self.frozen(given)
        if self.where == "within":
            values = functional.dropout(values, 0.5, self.training)
        values = self.frozen_last(values)
        if self.where == "after":
            values = functional.dropout(values, 0.5, self.training)
        if self.where == "unknown":
            values = values + torch.randn_like(values)
        return self.live(values)


def test_noise_ends_the_prefix():
    inputs = torch.rand(6, 5)
    shares = {}
    for where in ("nowhere", "after", "within", "before", "unknown"):
        model = wrapped(Noisy(where), inputs[:2], frozen="frozen")
        found = find_cut(model)
        shares[where] = found.share if found else 0.0
        if found:
            assert_equal_to_the_model(found, model, (inputs,))
    assert shares["nowhere"] == shares["after"] > shares["within"] > 0
    assert shares["before"] == shares["unknown"] == 0


def test_stochastic_depth_behind_the_cut_is_drawn_alike_and_gone_in_evaluation():
    torch.manual_seed(0)
    network = timm.create_model("test_convnext", pretrained=False, num_classes=0, drop_path_rate=0.5)
    inputs = torch.rand(6, 3, 64, 64)
    model = wrapped(network, inputs[:2], frozen="stem", dim=network.num_features)
    for at in ("stages.0", "stages.1"):
        network.get_submodule(at).eval().requires_grad_(False)
    network.stem.eval()
    found = find_cut(model)
    assert found is not None
    assert any(node.target == torch.ops.aten.bernoulli_.float for node in found.train.graph.nodes)
    assert_equal_to_the_model(found, model, (inputs,))


class Recurrent(nn.Module):
    """Two layers of LSTM with dropout between them, behind a frozen projection; `by` goes wrong for the trace."""

    def __init__(self, by: str = "") -> None:
        super().__init__()
        self.by = by
        self.frozen = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 12))
        self.live = nn.LSTM(12, 8, 2, batch_first=True, dropout=0.4)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        if self.by == "branch" and given.sum() > 0:
            given = given + 1
        out, _ = self.live(self.frozen(given))
        return out[:, -1]


def test_a_recurrent_network_draws_its_dropout_alike(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cut, "MIN_SHARE", 0.0)
    inputs = torch.rand(6, 7, 6)
    model = wrapped(Recurrent(), inputs[:2], frozen="frozen")
    assert_equal_to_the_model(find_cut(model), model, (inputs,))


def test_a_model_that_cannot_be_traced_has_no_cut():
    assert find_cut(wrapped(Recurrent("branch"), torch.rand(2, 7, 6), frozen="frozen")) is None


@dataclass(frozen=True)
class Both(Classification):
    """A task of two outputs."""

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Which class, and how sure."""
        return (Output("logits", ("batch", 3)), Output("sure", ("batch", 1)))


class TwoOutputs(nn.Module):
    """A head of two outputs; `bare` gives one of them as it comes from the frozen layers."""

    def __init__(self, bare: bool) -> None:
        super().__init__()
        self.bare = bare
        self.logits, self.sure = nn.Linear(8, 3), nn.Linear(8, 1)

    def forward(self, given: torch.Tensor) -> Tensors:
        noisy = functional.dropout(given, 0.3, self.training)
        return self.logits(noisy), given[:, :1] if self.bare else self.sure(given).sigmoid()


@pytest.mark.parametrize("bare", [False, True])
def test_a_model_of_two_outputs_is_cut_and_gives_both(bare: bool):
    inputs, trunk = torch.rand(6, 5), nn.Sequential(nn.Linear(5, 40), nn.GELU(), nn.Linear(40, 8))
    model = wrapped(trunk, inputs[:2], frozen="", head=TwoOutputs(bare))
    trunk.eval()
    model.task = Both("image-classification", ("a", "b", "c"))
    found = find_cut(model)
    assert_equal_to_the_model(found, model, (inputs,))
    assert found is not None
    assert [layout.shape for layout in found.layouts] == [(8,)]
    with torch.no_grad():
        values = found.prefix(inputs)
        behind, whole = model.named(found.evaluate(*values)), model.named(model.eval()(inputs))
    assert [(name, tuple(value.shape)) for name, value in behind.items()] == [("logits", (6, 3)), ("sure", (6, 1))]
    torch.testing.assert_close(behind, whole)


def test_outputs_that_are_not_those_of_the_task_are_no_answer():
    model = wrapped(nn.Linear(5, 8), torch.rand(2, 5), frozen="0")
    model.task = Both("image-classification", ("a", "b", "c"))
    with pytest.raises(HookError, match="declares 2 outputs; its head returns 1"):
        model.named(model(torch.rand(2, 5)))


class Everywhere(nn.Module):
    """A frozen layer whose values vary along two axes."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Conv2d(3, 16, 3)
        self.live = nn.Conv2d(16, 8, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.live(self.frozen(image)).mean((2, 3))


def test_values_that_vary_along_two_axes_are_not_kept():
    example = torch.rand(2, 3, 9, 11)
    assert find_cut(wrapped(Everywhere(), example, frozen="frozen")) is not None
    free = {0: "batch", 2: "height", 3: "width"}
    assert find_cut(wrapped(Everywhere(), example, frozen="frozen", axes=free)) is None


class Moving(nn.Module):
    """Moves a buffer of its own in training: with what it wrote it goes on, or reads the buffer again, or before."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.order = order
        self.frozen = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 12))
        self.live = nn.Linear(12, 8)
        self.register_buffer("mean", torch.zeros(12))

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        made = self.frozen(given)
        if self.order == "after":
            return self._answer(made, self._moved(made))
        before = self.mean * 1
        moved = self._moved(made)
        return self._answer(made, before if self.order == "before" else moved)

    def _moved(self, made: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return self.mean
        with torch.no_grad():
            return self.mean.mul_(0.9).add_(made.mean(0), alpha=0.1)

    def _answer(self, made: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.live(made - mean)
        return result


def test_where_a_buffer_that_training_writes_is_read_afterwards_there_is_no_cut(capsys: pytest.CaptureFixture[str]):
    inputs = torch.rand(6, 6)
    assert find_cut(wrapped(Moving("after"), inputs[:2], frozen="frozen")) is None
    assert "it reads a buffer into which it writes in training" in capsys.readouterr().err
    model = wrapped(Moving("before"), inputs[:2], frozen="frozen")
    assert_equal_to_the_model(find_cut(model), model, (inputs,))


def test_what_a_half_leaves_in_the_buffers_is_compared():
    inputs = torch.rand(6, 6)
    model = wrapped(Moving("before"), inputs[:2], frozen="frozen")
    found = find_cut(model)
    assert found is not None

    def training() -> None:
        model.train()

    assert difference(found, model, [(inputs,)], training) < TOLERANCE
    for half in ("train", "evaluate"):
        other = replace(found, **{half: found.train if half == "evaluate" else found.evaluate})
        assert difference(other, model, [(inputs,)], training) > TOLERANCE, half
