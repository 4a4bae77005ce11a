"""How to train: a dataclass for each strategy; its fields are the keywords, the flags and what `run.json` holds."""

from tlzoo.options.checked import Option, Range, flat, given_in, options_of
from tlzoo.options.naming import MAY_DIFFER, combine, differences, recorded
from tlzoo.options.strategies import (
    CORE,
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
    takers,
)

__all__ = [
    "CORE",
    "LPFT",
    "MAX_RANK",
    "MAY_DIFFER",
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
    "combine",
    "core_options",
    "differences",
    "flat",
    "given_in",
    "options_of",
    "recorded",
    "takers",
]
