"""Networks without memory for weights, of no more modules than a limit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tlzoo.models import meta_device as module
from tlzoo.models.meta_device import meta_device


def test_weights_are_on_the_meta_device_inside_the_block_only():
    with meta_device():
        vast = nn.Linear(10**6, 10**6)
    assert vast.weight.is_meta
    assert vast.weight.numel() == 10**12
    assert not nn.Linear(2, 2).weight.is_meta
    assert module.MOST_MODULES == 20_000


@pytest.mark.parametrize(("count", "fits"), [(0, True), (3, True), (4, False), (9, False)])
def test_more_modules_than_the_limit_are_refused(count: int, fits: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_MODULES", 3)
    if fits:
        with meta_device():
            nn.Sequential(*(nn.Identity() for _ in range(count)))
    else:
        with pytest.raises(ValueError, match=r"^the network has more than 3 modules\.$"), meta_device():
            nn.Sequential(*(nn.Identity() for _ in range(count)))
    assert len(nn.Sequential(*(nn.Identity() for _ in range(9)))) == 9  # nothing is counted outside
    assert torch.zeros(1).device.type == "cpu"


def test_the_limit_is_said_with_its_thousands():
    with pytest.raises(ValueError, match=r"^the network has more than 20,000 modules\.$"), meta_device():
        nn.ModuleList(nn.Identity() for _ in range(20_001))
