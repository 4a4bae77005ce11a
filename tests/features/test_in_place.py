"""What writes into its input is made functional with all that shares the memory, or no cut is made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from shared_fixtures.cuts import assert_equal_to_the_model, wrapped
from timm.models.mvitv2 import MultiScaleVit, MultiScaleVitCfg
from torch import nn
from torch.nn import functional

from tlzoo.features import cut
from tlzoo.features.cut import find_cut, move_model

Write = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def add_to_a_part(frozen: torch.Tensor, live: torch.Tensor) -> torch.Tensor:
    """The base is read after a write into a slice of it."""
    live[:, 1:, 2:4] += frozen[:, 1:, :2]
    return live


def write_into_two_parts(frozen: torch.Tensor, live: torch.Tensor) -> torch.Tensor:
    """One after the other, the second over the first."""
    live[:, 0] = frozen[:, 1] * 2
    live[:, :, ::2] *= 3
    return live


def read_a_view_from_before(frozen: torch.Tensor, live: torch.Tensor) -> torch.Tensor:
    """A view made before the write shows it."""
    seen, turned = live[:, :2], live.transpose(1, 2)
    live.mul_(frozen)
    return torch.cat([seen, live], 1)[:, :4] + turned.transpose(1, 2).sum(1, keepdim=True)


def read_a_sister(frozen: torch.Tensor, live: torch.Tensor) -> torch.Tensor:
    """So does another view of what is written through a view."""
    one, other = live.view(live.shape[0], 2, 2, 8), live.permute(2, 0, 1)
    one[:, 0].add_(frozen[:, :2])
    return other.permute(1, 2, 0) + one.sum((1, 2))[:, None]


def write_through_what_dropout_returns(frozen: torch.Tensor, live: torch.Tensor) -> torch.Tensor:
    """A dropout that drops nothing returns its input."""
    same = functional.dropout(live, 0.5, training=False)
    same.add_(frozen)
    return live * 2


def write_a_written_part_again(frozen: torch.Tensor, live: torch.Tensor) -> torch.Tensor:
    """Writes on a write's result reach the base."""
    part = live[:, 1:3]
    part.mul_(2.0).add_(frozen[:, 1:3]).sub_(0.5)
    return live + part.sum((1, 2))[:, None, None]


def set_where(frozen: torch.Tensor, live: torch.Tensor) -> torch.Tensor:
    """By a mask and by an index."""
    live[:, 0].masked_fill_(frozen[:, 0] > 0, -1.0)
    live.index_add_(1, torch.tensor([2, 3]), frozen[:, :2])
    live.diagonal(dim1=1, dim2=2).zero_()
    return live


class Writing(nn.Module):
    """Writes from what is frozen into what is live, or within what is frozen, by this function."""

    def __init__(self, write: Write, within: bool) -> None:
        super().__init__()
        self.write, self.within = write, within
        self.frozen = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 8))
        self.frozen_other = nn.Linear(8, 8)
        self.live = nn.Linear(8, 8)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        values = self.frozen(given)
        written = self.frozen_other(given) if self.within else self.live(values)
        made = self.live(self.write(values, written) + values)
        return made.mean(1)


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize(
    "write",
    [
        add_to_a_part,
        write_into_two_parts,
        read_a_view_from_before,
        read_a_sister,
        write_through_what_dropout_returns,
        write_a_written_part_again,
        set_where,
    ],
)
def test_a_write_reaches_all_that_shares_its_memory(write: Write, within: bool):
    torch.manual_seed(1)
    inputs = torch.randn(5, 4, 8)
    model = wrapped(Writing(write, within), inputs[:2], frozen="frozen")
    assert_equal_to_the_model(find_cut(model), model, (inputs,))


def write_into_a_part_that_was_split_off(frozen: torch.Tensor, live: torch.Tensor) -> torch.Tensor:
    """Torch has no way back from a part that was unfolded."""
    live.unfold(1, 2, 2).add_(frozen.unfold(1, 2, 2))
    return live


def test_a_write_whose_effect_cannot_be_told_makes_no_cut(capsys: pytest.CaptureFixture[str]):
    inputs = torch.randn(5, 4, 8)
    model = wrapped(Writing(write_into_a_part_that_was_split_off, False), inputs[:2], frozen="frozen")
    assert find_cut(model) is None
    assert (
        "The frozen layers run in every epoch: they cannot be separated from the trained ones "
        "(a write into a view made by" in (capsys.readouterr().err)
    )


def test_a_network_that_adds_positions_into_a_part_of_its_attention_is_cut_right():
    torch.manual_seed(0)
    settings = MultiScaleVitCfg(depths=(1, 1, 1, 1), embed_dim=(16, 32, 48, 64), num_heads=(1, 1, 2, 2))
    network = MultiScaleVit(settings, img_size=(64, 64), num_classes=0)
    inputs = torch.rand(3, 3, 64, 64)
    model = wrapped(network, inputs[:2], frozen="patch_embed", dim=network.num_features)
    for name in ("stages.0", "stages.1", "stages.2"):
        network.get_submodule(name).eval().requires_grad_(False)
    network.patch_embed.eval()
    assert_equal_to_the_model(find_cut(model), model, (inputs,))


class Normed(nn.Module):
    """A live norm behind frozen layers."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.frozen = nn.Sequential(nn.Conv2d(3, 12, 3), nn.ReLU(), nn.Conv2d(12, 8, 3))
        self.live = norm

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.live(self.frozen(image)).square().mean((2, 3))


@pytest.mark.parametrize(
    "norm",
    [
        nn.InstanceNorm2d(8, affine=True, track_running_stats=True),
        nn.InstanceNorm2d(8),
        nn.BatchNorm2d(8),
        nn.BatchNorm2d(8, track_running_stats=False),
        nn.Sequential(nn.AlphaDropout(0.4), nn.RReLU()),
        nn.Sequential(nn.FeatureAlphaDropout(0.4), nn.Dropout2d(0.2)),
    ],
    ids=lambda norm: str(norm).partition("(")[0],
)
def test_norms_and_noise_behave_in_each_mode_as_in_the_model(norm: nn.Module, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cut, "MIN_SHARE", 0.0)
    torch.manual_seed(2)
    inputs = torch.randn(6, 3, 9, 9)
    model = wrapped(Normed(norm), inputs[:2], frozen="frozen")
    assert_equal_to_the_model(find_cut(model), model, (inputs,))


def test_after_a_move_the_halves_hold_the_models_own_tensors(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cut, "MIN_SHARE", 0.0)
    inputs = torch.randn(6, 3, 9, 9)
    model = wrapped(
        Normed(nn.Sequential(nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8))), inputs[:2], frozen="frozen"
    )
    found = find_cut(model)
    assert found is not None
    move_model(model, (found.train, found.evaluate), torch.float64)
    own = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    for half in (found.train, found.evaluate):
        held = [*half.parameters(), *half.buffers()]
        assert held
        assert all(id(tensor) in own for tensor in held)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    found.train(*found.prefix.double()(inputs.double()))
    moved = [name for name, buffer in model.named_buffers() if not torch.equal(buffer, before[name])]
    assert len(moved) == 6
