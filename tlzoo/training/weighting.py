"""Whether weights of samples count in a training."""

from __future__ import annotations

from tlzoo.data import Samples
from tlzoo.data.columns import WEIGHT
from tlzoo.errors import UsageError
from tlzoo.models.model import TaskModel
from tlzoo.options import CORE_STRATEGIES
from tlzoo.tasks.row import spelled_column

BY_GRADIENT = ("finetune", "lora")


def check_strategy_weights(strategy: str, model: TaskModel, train: Samples) -> None:
    """Raise UsageError where training samples have weights and the strategy, or the head that it trains, takes none."""
    if not train.weights:
        return
    if strategy not in [each.strategy for each in CORE_STRATEGIES]:
        raise _without_effect(f"the strategy {strategy} takes no weights of samples")
    if strategy in BY_GRADIENT:
        check_head_weights(model)


def check_head_weights(model: TaskModel) -> None:
    """Raise UsageError for a head whose loss takes no weights of samples."""
    if not model.takes_weights:
        raise _without_effect(f"the head {model.head_name} takes no weights of samples")


def _without_effect(why: str) -> UsageError:
    return UsageError(
        f"{spelled_column(WEIGHT, 'NAME')} has no effect: {why}.",
        hint="Leave the weights out, or train with `strategy='probe'` or `head='linear'`.",
        parameter="columns",
    )
