"""What a plugin draws at random follows the seed; a run is resumed only from the weights that it was started from."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tlzoo
from tlzoo.errors import RunError
from tlzoo.training import loop

OPTIONS = {"epochs": 1, "batch": 8, "lr": 1e-2, "snapshot_every": 0}
DRAWN = """
_built = means


def means(checkpoint, output="vector"):
    import random

    import numpy as np

    backbone = _built(checkpoint, output)
    with torch.no_grad():
        backbone.module.mix.weight.copy_(torch.randn(12, 12))
        backbone.module.mix.bias.copy_(torch.from_numpy(np.random.rand(12)))
        backbone.module.mix.bias[0] = random.random()
    return backbone
"""


class Killed(BaseException):
    """The process is gone: nothing after this line runs."""


@pytest.fixture
def duo_site(duo_copy: Path) -> Path:
    """A copy of the plugin that may be changed."""
    return duo_copy


@pytest.fixture
def go(faulty: Any, numbers: Path, tmp_path: Path) -> Callable[..., bytes]:
    """Fine-tunes with the plugin whose backbone is drawn, from generators in any state; the weights of the run."""
    faulty("means", DRAWN)

    def finetune(name: str, **given: Any) -> bytes:
        how = {"task": "two", "strategy": "finetune", "freeze": "all", "options": OPTIONS, **given}
        tlzoo.finetune("duo/means", numbers, out=tmp_path / name, **how)
        return (tmp_path / name / "model.safetensors").read_bytes()

    return finetune


def drawn() -> tuple[float, ...]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_weights_that_a_plugin_draws_follow_the_seed_and_a_program_draws_on_as_before(go: Any):
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = drawn()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    first = go("first")
    assert drawn() == expected
    assert go("second") == first
    assert go("third", options={**OPTIONS, "seed": 1}) != first


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("backbone.module.mix.weight[0, 0] += 1", "backbone.mix.weight"),
        ("backbone.module.register_buffer('scale', torch.ones(1), persistent=False)", "backbone.scale"),
    ],
)
def test_a_run_is_not_resumed_from_other_frozen_weights(
    go: Any, faulty: Any, reload_duo: Any, tmp_path: Path, change: str, named: str
):
    def killed(context: Any) -> None:
        loop._save(context)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_after_step", killed)
        with pytest.raises(Killed):
            go("run")
    faulty(
        "means",
        "_drawn = means\n\n\ndef means(checkpoint, output='vector'):\n    backbone = _drawn(checkpoint, output)\n"
        f"    with torch.no_grad():\n        {change}\n    return backbone",
    )
    reload_duo()
    with pytest.raises(RunError) as error:
        go("run", resume=True)
    assert f"plugin 'duo' (tlzoo-duo 1.0) now builds '{named}' with other values" in str(error.value)
    assert "Install the version of the plugin" in str(error.value)
