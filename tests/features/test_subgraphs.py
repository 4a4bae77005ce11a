"""Parts of a network under `torch.no_grad()`, which a trace keeps as graphs of their own, go with the rest of it."""

from __future__ import annotations

import pytest
import torch
from shared_fixtures.cuts import assert_equal_to_the_model, wrapped
from torch import nn

from tlzoo.features.cut import find_cut


class Rotary(nn.Module):
    """Two layers that both turn their numbers by angles made without gradients, as Llama and its kin do."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen_first = nn.Linear(8, 8)
        self.last = nn.Linear(8, 8)
        self.register_buffer("speeds", torch.linspace(0.1, 2, 4), persistent=False)

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        cos, sin = self.angles(steps)
        for layer in (self.frozen_first, self.last):
            one, two = layer(steps).chunk(2, dim=-1)
            steps = torch.cat([one * cos - two * sin, two * cos + one * sin], dim=-1)
        return steps.mean(dim=1)

    @torch.no_grad()
    def angles(self, steps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        turns = torch.arange(steps.shape[1], device=steps.device)[:, None] * self.speeds
        return turns.cos(), turns.sin()


class Stopped(nn.Module):
    """What trains is also measured without gradients; that again calls for a gradient, and has none."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen_first = nn.Linear(8, 8)
        self.last = nn.Linear(8, 8)

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        made = self.last(self.frozen_first(steps).tanh())
        with torch.no_grad():
            scale = self.last(made).mean(dim=1, keepdim=True)
            with torch.enable_grad():
                largest = made.amax(dim=1, keepdim=True).detach() + made.sum(dim=1, keepdim=True)
            scale = scale + largest
        return (made * scale).mean(dim=1)


class Indexed(nn.Module):
    """What is only looked at without gradients, in a precision that it has already, keeps its own."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen_first = nn.Linear(8, 8)
        self.last = nn.Linear(8, 8)

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        made = self.last(self.frozen_first(steps).tanh())
        with torch.no_grad():
            best = made.float().contiguous().topk(3, dim=-1).indices
        return made.tanh().gather(-1, best).sum(dim=-1, keepdim=True).mean(dim=1) + made.mean(dim=1)


@pytest.mark.parametrize("module", [Rotary, Stopped, Indexed], ids=lambda module: module.__name__)
def test_what_is_made_without_gradients_is_part_of_the_halves(module: type[nn.Module]):
    axes = {0: "batch", 1: "length"}
    model = wrapped(module(), torch.randn(2, 5, 8), frozen="frozen", axes=axes)
    assert_equal_to_the_model(find_cut(model), model, (torch.randn(4, 7, 8),))


class OwnPrecision(nn.Module):
    """A layer in another precision than its neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen_first = nn.Linear(8, 8)
        self.last = nn.Linear(8, 8)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            made = self.frozen_first(given)
        return self.last(made.float())


def test_a_part_with_a_precision_of_its_own_leaves_the_network_whole(capsys: pytest.CaptureFixture[str]):
    model = wrapped(OwnPrecision(), torch.randn(2, 8), frozen="frozen")
    assert find_cut(model) is None
    assert "precision" in capsys.readouterr().err
