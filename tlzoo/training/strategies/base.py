"""What every strategy takes and returns, and what they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic

from typing_extensions import TypeVar  # its defaults are the standard library's from Python 3.13 on

from tlzoo.features.check import prove_frozen
from tlzoo.features.prefetch import HeadStart
from tlzoo.interfaces import Freeze
from tlzoo.io.timings import Clock
from tlzoo.models.heads import head_from
from tlzoo.models.model import Model
from tlzoo.options import StrategyOptions
from tlzoo.tasks.rows import Outputs
from tlzoo.training.loop_state import Tensors
from tlzoo.training.step_model import Sets
from tlzoo.training.strategies.probe_fit import FittedProbe

ROUNDING_SAMPLES = 64
OptionsT = TypeVar("OptionsT", bound=StrategyOptions, covariant=True, default=Any)
"""The options of a strategy."""


@dataclass(frozen=True)
class TrainJob(Generic[OptionsT]):
    """What to train, on what and how; `head` are the options that the head was built with.

    `folder` takes checkpoints with `facts`; `resumed` is one to go on from. `started` may compute features already.
    """

    model: Model
    policy: str
    sets: Sets
    options: OptionsT
    head: Mapping[str, Any]
    clock: Clock
    folder: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    resumed: tuple[Tensors, dict[str, Any]] | None = None
    started: HeadStart | None = None


@dataclass(frozen=True)
class TrainResult:
    """The trained model, its outputs for the test data, its history, the proof of what stayed, what else to tell."""

    model: Model
    outputs: Outputs
    history: list[dict[str, float]]
    frozen: dict[str, Any]
    details: dict[str, Any]


def proof_of(before: Mapping[str, str], model: Model, frozen: Freeze) -> dict[str, Any]:
    """What `run.json` says of what was frozen, and how many parameters trained."""
    trained = sum(parameter.numel() for name, parameter in model.named_parameters() if name in frozen.trainable)
    return {**asdict(prove_frozen(before, model)), "trained": trained}


def with_probe(job: TrainJob[StrategyOptions], probe: FittedProbe) -> Model:
    """The model with a fitted probe as its head."""
    model = job.model
    return model.with_head(head_from(model.parts, probe.weight, probe.bias, model.task, job.head))
