"""How to train: a dataclass for each strategy; its fields are the keywords, the flags and what `run.json` holds."""

from tlzoo.options.checked import Option, Range, flat, given_options, options_of
from tlzoo.options.naming import MAY_DIFFER_ON_RESUME, changed_options, combine, run_options
from tlzoo.options.strategies import (
    CORE_STRATEGIES,
    LPFT,
    MAX_RANK,
    POLICIES,
    Augment,
    Auto,
    Cache,
    Finetune,
    GradientDescent,
    LoRA,
    Probe,
    StrategyOptions,
    core_options,
    strategies_taking,
)
from tlzoo.options.thresholds import Thresholds

__all__ = [
    "CORE_STRATEGIES",
    "LPFT",
    "MAX_RANK",
    "MAY_DIFFER_ON_RESUME",
    "POLICIES",
    "Augment",
    "Auto",
    "Cache",
    "Finetune",
    "GradientDescent",
    "LoRA",
    "Option",
    "Probe",
    "Range",
    "StrategyOptions",
    "Thresholds",
    "changed_options",
    "combine",
    "core_options",
    "flat",
    "given_options",
    "options_of",
    "run_options",
    "strategies_taking",
]
