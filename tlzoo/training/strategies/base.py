"""What every strategy takes and returns, and what they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic

from typing_extensions import TypeVar  # its defaults are the standard library's from Python 3.13 on

from tlzoo.features.check import check_frozen
from tlzoo.features.prefetch import FeaturePrefetch
from tlzoo.interfaces import Freeze
from tlzoo.io.timings import Clock
from tlzoo.models.heads import linear_head
from tlzoo.models.model import TaskModel
from tlzoo.options import StrategyOptions
from tlzoo.tasks.rows import Outputs
from tlzoo.training.loop_state import Tensors
from tlzoo.training.step_model import DatasetSplits
from tlzoo.training.strategies.cross_validation import CrossValidated
from tlzoo.training.strategies.probe_fit import FittedProbe

ROUNDING_SAMPLES = 64
OptionsT = TypeVar("OptionsT", bound=StrategyOptions, covariant=True, default=Any)
"""The options of a strategy."""


@dataclass(frozen=True)
class TrainJob(Generic[OptionsT]):
    """What to train, on which data and how; `head` holds the options that the head was built with.

    `folder` receives snapshots with `facts`; `resumed` is a snapshot to continue from. `prefetch` may already be
    computing features.
    """

    model: TaskModel
    policy: str
    sets: DatasetSplits
    options: OptionsT
    head: Mapping[str, Any]
    clock: Clock
    folder: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    resumed: tuple[Tensors, dict[str, Any]] | None = None
    prefetch: FeaturePrefetch | None = None


@dataclass(frozen=True)
class TrainResult:
    """The trained model, its outputs for the test data, its history, the check of frozen tensors, and details.

    `probe` holds the outputs of a probe of the same features for the test data, where one was fitted to compare with;
    `cross_validated` those of a probe for all samples, where few are held out.
    """

    model: TaskModel
    outputs: Outputs
    history: list[dict[str, float]]
    frozen: dict[str, Any]
    details: dict[str, Any]
    probe: Outputs | None = None
    cross_validated: CrossValidated | None = None


def frozen_record(before: Mapping[str, str], model: TaskModel, frozen: Freeze) -> dict[str, Any]:
    """The `frozen` entry of `run.json`: what stayed bit-identical, and how many parameters trained."""
    trained = sum(parameter.numel() for name, parameter in model.named_parameters() if name in frozen.trainable)
    return {**asdict(check_frozen(before, model)), "trained": trained}


def with_probe(job: TrainJob[StrategyOptions], probe: FittedProbe) -> TaskModel:
    """The model with a fitted probe as its head."""
    model = job.model
    return model.with_head(linear_head(model.parts, probe.weight, probe.bias, model.task, job.head))
