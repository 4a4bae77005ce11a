"""How to train: a dataclass for each strategy, and what keywords, flags and `run.json` call their fields.

A field's type, range, default and meaning are written once, here: pydantic checks values by them, and the command line,
the documentation and the errors show them. Keywords, flags and `run.json` are flat: `Augment(policy="light", views=4)`
is `augment="light", views=4` there, and `Cache(precision="fp16")` is `cache_precision="fp16"`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, ClassVar, Literal, get_args

from tlzoo.errors import UsageError
from tlzoo.options.checked import CheckedOptions, Option, Range, options_of, unknown_option

MAX_RANK = 256
"""The largest rank of an adapter."""
_Count = Annotated[int, Range(1)]
_Whole = Annotated[int, Range(0)]
_Rate = Annotated[float, Range(0.0)]
_Policy = Literal["none", "light", "light-noflip", "strong", "strong-noflip"]
StrategyName = Literal["probe", "finetune", "lp-ft", "lora", "auto"]
"""The core's strategies; a plugin adds others as `plugin/name`."""
POLICIES: tuple[str, ...] = get_args(_Policy)
"""How samples can be augmented."""


@dataclass(frozen=True, eq=False, repr=False)
class Augment(CheckedOptions):
    """How the training samples are varied. `views` needs a policy, and a part that stays frozen."""

    flat_names: ClassVar[Mapping[str, str]] = {"policy": "augment"}

    policy: Annotated[
        _Policy, "Augment pictures, texts and recordings; use a -noflip policy for pictures of digits or text"
    ] = "none"
    views: Annotated[
        int, Range(0, 1000), "Cache this many augmented views per sample instead of augmenting every epoch"
    ] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.views and self.policy == "none":
            raise UsageError("`views` has no effect without `policy`.", hint="Add `policy='light'`.", parameter="views")


@dataclass(frozen=True, eq=False, repr=False)
class Cache(CheckedOptions):
    """Where and how what the frozen part computes is kept; `Cache(False)` keeps nothing."""

    flat_names: ClassVar[Mapping[str, str]] = {"enabled": "cache", "precision": "cache_precision", "gb": "cache_gb"}

    enabled: Annotated[bool, "Cache the activations of frozen layers for later epochs and runs"] = True
    precision: Annotated[Literal["fp32", "fp16"], "Precision of cached activations; fp16 halves their size"] = "fp32"
    gb: Annotated[float, Range(0.0, 1e6), "Size limit of the cache in GB (10^9 bytes)"] = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("precision", "gb"):
            if not self.enabled and getattr(self, name) != getattr(Cache, name):
                raise UsageError(
                    f"`{name}` has no effect with `enabled=False`.", hint="Leave one of them out.", parameter=name
                )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StrategyOptions(CheckedOptions):
    """What every strategy takes. A plugin's strategy may bring a subclass with fields of its own.

    `strategy` is the name by which users choose the strategy; a subclass sets its own.
    """

    strategy: ClassVar[str] = ""

    @classmethod
    def unknown(cls, name: str, strategy: str = "", others: Iterable[str] = ()) -> UsageError:
        """Why there is no option of this name: it is another's, or nobody's; `others` are names that may be meant."""
        if name in options_of(cls):
            whole, part, owner = _place_of(cls, name)
            return UsageError(
                f"{cls.__name__} has no field `{name}`.",
                hint=f"Give `{whole}=tlzoo.{owner}({part}=...)`, or `{name}` to tlzoo.finetune.",
                parameter=name,
            )
        if name in core_options():
            return UsageError(
                f"`{name}` has no effect with `strategy={(strategy or cls.strategy)!r}`.",
                hint=f"Leave it out, or choose a strategy that takes it: {', '.join(strategies_taking(name))}.",
                parameter=name,
            )
        from difflib import get_close_matches  # `--help` does without

        error = unknown_option(name, list(options_of(cls)), list(others))
        if whole := _flat_name(name):
            error.hint = f"Give it as `{whole}`."
        elif not error.hint.startswith("Did you") and (near := get_close_matches(name, core_options(), 1)):
            error.hint = f"Did you mean `{near[0]}`, an option of {', '.join(strategies_taking(near[0]))}?"
        return error

    seed: Annotated[int, Range(0, 2**63 - 1), "Random seed of the data split and of training"] = 0
    class_weights: Annotated[
        Literal["none", "balanced"], "Weight all labels equally (none) or rare labels more (balanced)"
    ] = "none"
    device: Annotated[str, "auto, cpu or cuda"] = "auto"
    cache: Cache | bool = Cache()

    @property
    def caching(self) -> Cache:
        """`cache` as it is once the options are checked: a Cache, where a switch stood for it too."""
        return self.cache if isinstance(self.cache, Cache) else Cache(self.cache)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StartsWithProbe(StrategyOptions):
    """What every strategy takes that fits a probe."""

    l2: Annotated[
        Annotated[float, Range(1e-9, 1e6)] | None,
        "L2 regularisation of the probe; by default chosen on the validation data",
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Probe(StartsWithProbe):
    """A linear head on frozen features, by L-BFGS."""

    strategy: ClassVar[str] = "probe"

    folds: Annotated[
        Annotated[int, Range(2, 20)] | None,
        "Cross-validate the probe in this many folds; by default in 10 where fewer than 20 samples are held out",
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GradientDescent(StrategyOptions):
    """What every strategy takes that trains by gradient descent."""

    epochs: Annotated[_Count, "Passes over the data"] = 5
    batch: Annotated[int, Range(2), "Batch size; BatchNorm needs at least 2"] = 32
    lr: Annotated[_Rate | Literal["auto"], "Peak learning rate of the backbone, or auto to find one"] = 1e-4
    weight_decay: Annotated[float, Range(0.0, 10.0), "Weight decay of AdamW, for matrices only"] = 0.01
    max_steps: Annotated[_Count | None, "Stop after this many steps; the schedule ends there too"] = None
    head_factor: Annotated[float, Range(0.0, 1e6), "Learning rate of the head, as a multiple of the backbone's"] = 10.0
    warmup: Annotated[float, Range(0.0, 0.9), "Share of the steps used to warm up the learning rate"] = 0.1
    clip: Annotated[_Rate, "Largest gradient norm; 0 turns clipping off"] = 1.0
    accumulate: Annotated[_Count, "Batches per optimizer step"] = 1
    label_smoothing: Annotated[
        float, Range(0.0, 0.9), "Share of a label's probability that is spread over the other labels"
    ] = 0.0
    augment: Augment | _Policy = Augment()
    mixup: Annotated[float, Range(0.0, 10.0), "Alpha of mixup, such as 0.2, for pictures and recordings"] = 0.0
    cutmix: Annotated[float, Range(0.0, 10.0), "Alpha of CutMix, for pictures"] = 0.0
    l2_sp: Annotated[
        float,
        Range(0.0, 1e3),
        "Strength of L2-SP: a penalty on the backbone's distance from pretrained weights, instead of its weight decay",
    ] = 0.0
    ema: Annotated[
        float, Range(0.0, 0.999999), "Decay of the moving average of the weights, such as 0.999; 0 turns it off"
    ] = 0.0
    patience: Annotated[_Whole, "Stop after this many epochs without improvement; 0 turns early stopping off"] = 0
    monitor: Annotated[str | None, "Validation metric that selects the best epoch; by default the task's"] = None
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"], "Precision of the arithmetic; auto is bf16 where a GPU has it"
    ] = "auto"
    snapshot_every: Annotated[_Rate, "Seconds between snapshots to resume from"] = 60.0
    probe: Annotated[bool, "Measure beside the run what a probe of the same features reaches"] = True

    @property
    def augmentation(self) -> Augment:
        """`augment` as it is once the options are checked: an Augment, where a policy stood for it too."""
        return self.augment if isinstance(self.augment, Augment) else Augment(self.augment)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Finetune(GradientDescent):
    """AdamW with warm-up and cosine, from a fresh head."""

    strategy: ClassVar[str] = "finetune"

    layer_decay: Annotated[
        float, Range(1e-3, 1.0), "Learning rate of each stage, as a multiple of the next stage's"
    ] = 1.0
    unfreeze_every: Annotated[
        _Whole, "Unfreeze one more stage every this many epochs, starting with the head; 0 trains all from the start"
    ] = 0


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LPFT(Finetune, StartsWithProbe):
    """A probe, then gradient descent from it."""

    strategy: ClassVar[str] = "lp-ft"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LoRA(GradientDescent):
    """Low-rank adapters and a head; the adapters are merged into the weights at the end."""

    strategy: ClassVar[str] = "lora"

    rank: Annotated[int, Range(1, MAX_RANK), "Rank of the adapters"] = 8
    alpha: Annotated[
        Annotated[float, Range(0.01, 1e5)] | None,
        "Adapters are scaled by alpha / rank; by default alpha is twice the rank",
    ] = None

    @property
    def policy(self) -> str:
        """The freeze policy that says the same."""
        return f"lora:{self.rank}" if self.alpha is None else f"lora:{self.rank}:{self.alpha:.15g}"


class Auto(LPFT):
    """Whichever a short comparison prefers: a probe, the last stage or everything."""

    strategy: ClassVar[str] = "auto"


def _flat_name(part: str) -> str:
    """What a field of a nested class, such as `gb` of `Cache`, is called where options are flat; empty for others."""
    return next((flat for cls in (Augment, Cache) for name, flat in cls.flat_names.items() if name == part), "")


def _place_of(cls: type[StrategyOptions], flat_name: str) -> tuple[str, str, str]:
    """The field that holds the option of this flat name, the option's own name there, and the class."""
    for field in fields(cls):
        if isinstance(field.default, CheckedOptions):
            for part in fields(field.default):
                if field.default.flat_names.get(part.name, part.name) == flat_name:
                    return field.name, part.name, type(field.default).__name__
    raise AssertionError(f"{flat_name} is a field of {cls.__name__}")


CORE_STRATEGIES: tuple[type[StrategyOptions], ...] = (Probe, Finetune, LPFT, LoRA, Auto)


def core_options() -> dict[str, Option]:
    """Every option of the core's strategies by its flat name."""
    classes: tuple[type[StrategyOptions], ...] = (Finetune, Probe, LoRA)  # the others have no fields of their own
    known = {name: option for cls in classes for name, option in options_of(cls).items()}
    return dict(sorted(known.items(), key=lambda item: -len(strategies_taking(item[0]))))


def strategies_taking(name: str) -> tuple[str, ...]:
    """The core's strategies that take the option of this flat name."""
    return tuple(cls.strategy for cls in CORE_STRATEGIES if name in options_of(cls))
