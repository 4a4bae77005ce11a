"""How to train: every setting of a run, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from tlzoo.errors import UsageError


@dataclass(frozen=True)
class Options:
    """`lr` is the backbone's peak rate, or "auto" to have it found. A number out of its range is refused.

    `head_factor` is the head's rate over the backbone's, `layer_decay` each stage's rate over that of the stage behind
    it. `max_steps` ends training early, the schedule included; `accumulate` batches make one step. `views` caches so
    many augmented views of each sample where a part is frozen. `patience` epochs without a better `monitor` (a metric
    of the task) end training; 0 never does. `ema` is the decay of the averaged weights, 0 for none. `l2_sp` is the
    strength of the pull towards the pretrained weights, which takes the place of the backbone's weight decay.
    `checkpoint_every` is in seconds. `cache` keeps what the frozen part computes, in `cache_precision`, the store
    bounded by `cache_gb` (of 10^9 bytes).
    """

    epochs: int = 5
    batch: int = 32
    lr: float | Literal["auto"] = 1e-4
    weight_decay: float = 0.01
    seed: int = 0
    max_steps: int | None = None
    head_factor: float = 10.0
    layer_decay: float = 1.0
    warmup: float = 0.1
    clip: float = 1.0
    accumulate: int = 1
    label_smoothing: float = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    augment: str = "none"
    views: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0
    l2_sp: float = 0.0
    ema: float = 0.0
    patience: int = 0
    monitor: str | None = None
    unfreeze_every: int = 0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    device: str = "auto"
    cache: bool = True
    cache_precision: Literal["fp32", "fp16"] = "fp32"
    cache_gb: float = 20.0
    checkpoint_every: float = 60.0

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if value is None or (name == "lr" and value == "auto"):
                continue
            number = int if name in _WHOLE else int | float
            if not isinstance(value, number) or isinstance(value, bool) or not least <= value <= most:
                hint = f"Give {_span(least, most)}.{_WHY.get(name, '')}"
                raise UsageError(f"Option {name} cannot be {value!r}.", hint=hint)
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(
                    f"Option {name} cannot be {getattr(self, name)!r}.", hint=f"Give one of: {', '.join(choices)}."
                )
        if self.views and self.augment == "none":
            raise UsageError(f"Option views is {self.views} without augmentation.", hint="Add --augment light.")


_MANY = 10**9
_RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, _MANY),
    "batch": (2, _MANY),
    "lr": (0.0, _MANY),
    "weight_decay": (0.0, 10.0),
    "seed": (0, 2**63 - 1),
    "max_steps": (1, _MANY),
    "head_factor": (0.0, 1e6),
    "layer_decay": (1e-3, 1.0),
    "warmup": (0.0, 0.9),
    "clip": (0.0, 1e9),
    "accumulate": (1, _MANY),
    "label_smoothing": (0.0, 0.9),
    "views": (0, 1000),
    "mixup": (0.0, 10.0),
    "cutmix": (0.0, 10.0),
    "l2_sp": (0.0, 1e3),
    "ema": (0.0, 0.999999),
    "patience": (0, _MANY),
    "unfreeze_every": (0, _MANY),
    "cache_gb": (0.0, 1e6),
    "checkpoint_every": (0.0, 1e9),
}
_WHY = {"batch": " BatchNorm cannot train on one sample at a time."}
_WHOLE = {"epochs", "batch", "seed", "max_steps", "accumulate", "views", "patience", "unfreeze_every"}
_CHOICES = {
    "class_weights": ("none", "balanced"),
    "precision": ("auto", "fp32", "bf16", "fp16"),
    "cache_precision": ("fp32", "fp16"),
}
WITHOUT_EFFECT = {"cache_gb", "checkpoint_every", "device"}
"""Options that may differ when a run is resumed: they change no weight."""


def differences(before: dict[str, Any], now: Options) -> list[str]:
    """Names of the options that change a weight and are not as they were."""
    names = [field.name for field in fields(now) if field.name not in WITHOUT_EFFECT]
    return [name for name in names if before.get(name) != getattr(now, name)]


def possible(name: str) -> str:
    """What an option may be, in words."""
    if name in _CHOICES:
        return ", ".join(_CHOICES[name])
    return _span(*_RANGES[name]) if name in _RANGES else ""


def _span(least: float, most: float) -> str:
    return f"{least:g} or more" if most >= _MANY else f"{least:g} to {most:g}"
