"""Options are checked when they are made, and refused where they would have no effect."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, ClassVar

import numpy as np
import pytest

import tlzoo
from tlzoo.errors import UsageError
from tlzoo.options import (
    CORE_STRATEGIES,
    MAY_DIFFER_ON_RESUME,
    Auto,
    Finetune,
    LoRA,
    Probe,
    Range,
    changed_options,
    combine,
    core_options,
    flat,
    options_of,
    run_options,
    strategies_taking,
)
from tlzoo.options.checked import CheckedOptions, given_options
from tlzoo.plugins.strategies import OPTIONS, resolve_strategy
from tlzoo.training.strategies.table import STRATEGIES

AT_THE_ENDS = {
    "epochs": (1, 10**9),
    "batch": (2, 10**9),
    "lr": (0.0, 1.0),
    "weight_decay": (0.0, 10.0),
    "seed": (0, 2**63 - 1),
    "max_steps": (1, 10**9),
    "head_factor": (0.0, 1e6),
    "layer_decay": (1e-3, 1.0),
    "warmup": (0.0, 0.9),
    "clip": (0.0, 1e9),
    "accumulate": (1, 10**9),
    "label_smoothing": (0.0, 0.9),
    "mixup": (0.0, 10.0),
    "cutmix": (0.0, 10.0),
    "l2": (1e-9, 1e6),
    "l2_sp": (0.0, 1e3),
    "ema": (0.0, 0.999999),
    "patience": (0, 10**9),
    "unfreeze_every": (0, 10**9),
    "cache_gb": (0.0, 1e6),
    "snapshot_every": (0.0, 1e9),
    "rank": (1, 256),
    "folds": (2, 20),
    "alpha": (0.01, 1e5),
}
BEYOND = {
    "epochs": (0, -1),
    "folds": (1, 21),
    "batch": (1, 0),
    "lr": (-1e-9, "automatic"),
    "weight_decay": (-0.1, 11.0),
    "seed": (-1, 2**63),
    "max_steps": (0, -5),
    "head_factor": (-1.0, 1e7),
    "layer_decay": (0.0, 1.1),
    "warmup": (-0.1, 1.0),
    "clip": (-1.0, "none"),
    "accumulate": (0, "two"),
    "label_smoothing": (-0.1, 1.0),
    "views": (-1, 1001),
    "mixup": (-0.1, 10.5),
    "cutmix": (-0.1, 10.5),
    "l2": (0.0, 1e7),
    "l2_sp": (-1.0, 1e4),
    "ema": (-0.5, 1.0),
    "patience": (-1, "never"),
    "unfreeze_every": (-1, "each"),
    "cache_gb": (-1.0, 1e7),
    "snapshot_every": (-1.0, "often"),
    "rank": (0, 257),
    "alpha": (0.0, -16.0),
}
CHOICES = ("class_weights", "precision", "cache_precision", "augment")


def made(name: str, value: Any, **others: Any) -> Any:
    """Options of the first strategy that takes this one."""
    strategy = strategies_taking(name)[-1]
    return combine(OPTIONS[strategy], strategy, {name: value, **others})


@pytest.mark.parametrize("name", AT_THE_ENDS)
def test_a_number_may_be_the_least_and_the_most_of_its_range(name: str):
    for value in AT_THE_ENDS[name]:
        assert flat(made(name, value))[name] == value


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BEYOND.items() for value in values])
def test_a_number_beyond_its_range_is_refused_by_name(name: str, value: Any):
    with pytest.raises(UsageError, match=f"^`{name}` cannot be") as error:
        made(name, value, **({"augment": "light"} if name == "views" else {}))
    assert error.value.parameter == name
    option = core_options()[name]
    above = isinstance(value, int | float) and option.maximum is not None and value > option.maximum
    assert (f" to {option.maximum}" if above and name == "seed" else option.allowed) in error.value.hint


@pytest.mark.parametrize(
    ("given", "range"),
    [
        ({"batch": 10**10}, "a whole number, 2 to 1000000000"),
        ({"lr": 1e10}, "a number, 0 to 1000000000, or auto"),
        ({"seed": 2**63}, "a whole number, 0 to 9223372036854775807"),
        ({"batch": 1}, "a whole number, 2 or more"),
        ({"epochs": "x"}, "a whole number, 1 or more"),
        ({"mixup": 11.0}, "a number, 0 to 10"),
    ],
)
def test_a_value_above_its_range_is_told_the_largest_that_is_allowed(given: dict[str, Any], range: str):
    with pytest.raises(UsageError) as error:
        Finetune(**given)
    assert error.value.hint == f"Give {range}."


def test_numbers_of_numpy_are_numbers():
    options = Finetune(
        epochs=np.int64(3),
        lr=np.float32(0.5),
        seed=np.uint8(7),
        cache=tlzoo.Cache(gb=np.int32(2)),
        probe=np.bool_(False),
    )
    assert options == Finetune(epochs=3, lr=0.5, seed=7, cache=tlzoo.Cache(gb=2.0), probe=False)
    assert [type(value) for value in (options.epochs, options.lr, options.seed)] == [int, float, int]
    with pytest.raises(UsageError, match="`epochs` cannot be"):
        Finetune(epochs=np.float64(2.5))


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("cache_gb", "`cache=tlzoo.Cache(gb=...)`"),
        ("cache_precision", "`cache=tlzoo.Cache(precision=...)`"),
        ("views", "`augment=tlzoo.Augment(views=...)`"),
    ],
)
def test_a_keyword_of_finetune_that_is_a_field_elsewhere_is_shown_there(name: str, way_out: str):
    with pytest.raises(UsageError, match=f"Finetune has no field `{name}`") as error:
        Finetune(**{name: 3})
    assert way_out in error.value.hint


def test_thresholds_are_checked_and_completed_by_defaults():
    defaults = {"difference": 1.5, "agreement": 0.95, "drop": 0.5}
    assert tlzoo.Thresholds(drop=1).over(defaults) == {"difference": 1.5, "agreement": 0.95, "drop": 1.0}
    assert tlzoo.Thresholds.of({"drop": 1}) == tlzoo.Thresholds(drop=1)
    assert tlzoo.Thresholds.of(None) is None
    for name, value in (("difference", 0.0), ("difference", 2.1), ("agreement", 0.4), ("drop", 10.5), ("drop", "much")):
        with pytest.raises(UsageError, match=f"`{name}` cannot be") as error:
            tlzoo.Thresholds(**{name: value})
        assert error.value.parameter == name
    for given in (3, {3: 1}, "drop=1"):
        with pytest.raises(UsageError) as error:
            tlzoo.Thresholds.of(given)
        assert error.value.parameter == "thresholds"
    with pytest.raises(UsageError, match="Unknown option `loss`"):
        tlzoo.Thresholds.of({"loss": 1})


def test_every_number_has_its_range_tried():
    numbers = {name for name, option in core_options().items() if option.kind in (int, float)}
    assert set(BEYOND) == numbers
    assert set(AT_THE_ENDS) == numbers - {"views"}  # which needs a policy


@pytest.mark.parametrize("value", [float("nan"), True, "1", None])
def test_what_is_no_number_is_no_rate(value: Any):
    with pytest.raises(UsageError, match="lr"):
        Finetune(lr=value)


@pytest.mark.parametrize("name", ["epochs", "batch", "seed", "accumulate", "patience", "max_steps", "rank"])
def test_counts_are_whole(name: str):
    with pytest.raises(UsageError, match=name) as error:
        made(name, 2.5)
    assert "whole" in error.value.hint


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_names_the_others(name: str):
    with pytest.raises(UsageError, match=name) as error:
        made(name, "fp8")
    assert str(core_options()[name].default) in error.value.hint


def test_a_rate_may_be_left_to_be_found():
    assert Finetune(lr="auto").lr == "auto"


def test_every_option_has_a_meaning_and_a_strategy_that_takes_it():
    assert all(option.help and strategies_taking(name) for name, option in core_options().items())


def test_views_without_augmentation_are_refused():
    with pytest.raises(UsageError, match=r"`views` has no effect without `policy`"):
        tlzoo.Augment(views=2)
    assert tlzoo.Augment("light", views=2).views == 2


@pytest.mark.parametrize("name", ["precision", "gb"])
def test_how_to_cache_is_refused_where_nothing_is_cached(name: str):
    with pytest.raises(UsageError, match=f"`{name}` has no effect with `enabled=False`") as error:
        tlzoo.Cache(False, **{name: {"precision": "fp16", "gb": 3.0}[name]})
    assert error.value.parameter == name


@pytest.mark.parametrize("cls", CORE_STRATEGIES)
def test_options_are_refused_by_name_where_the_strategy_does_not_take_them(cls: type[Any]):
    own = options_of(cls)
    for name, option in core_options().items():
        if name not in own:
            with pytest.raises(UsageError, match=f"`{name}` has no effect with `strategy='{cls.strategy}'`") as error:
                combine(cls, cls.strategy, {name: option.default})
            assert error.value.parameter == name
            assert strategies_taking(name)[0] in error.value.hint


def test_a_dataclass_refuses_what_its_strategy_does_not_take_and_names_what_is_near():
    with pytest.raises(UsageError, match="`epochs` has no effect with `strategy='probe'`"):
        tlzoo.Probe(epochs=3)
    with pytest.raises(UsageError, match="`rank` has no effect with `strategy='finetune'`"):
        tlzoo.Finetune(rank=3)
    with pytest.raises(UsageError, match="Unknown option `epoch`") as error:
        tlzoo.LoRA(epoch=3)
    assert "`epochs`" in error.value.hint
    with pytest.raises(UsageError, match="has no field `views`") as error:
        tlzoo.Finetune(views=3)
    assert "Augment" in error.value.hint
    with pytest.raises(UsageError, match="Unknown option `polcy`") as error:
        tlzoo.Augment(polcy="light")
    assert "`policy`" in error.value.hint


def test_every_strategy_of_the_core_has_options_of_its_name():
    assert list(OPTIONS) == list(STRATEGIES)


def test_short_and_long_spellings_mean_the_same():
    long = tlzoo.LPFT(
        epochs=3, augment=tlzoo.Augment("light", views=4), cache=tlzoo.Cache(precision="fp16", gb=3.0), l2=0.1
    )
    short = {"epochs": 3, "augment": "light", "views": 4, "cache_precision": "fp16", "cache_gb": 3.0, "l2": 0.1}
    assert resolve_strategy("lp-ft", None, short)[2] == long
    assert resolve_strategy(long, None)[2] == long
    assert (
        resolve_strategy("lp-ft", None, {"augment": long.augment, "cache": long.cache}, {"epochs": 3, "l2": 0.1})[2]
        == long
    )
    assert (
        tlzoo.LPFT(augment="light", cache=False)
        == resolve_strategy("lp-ft", None, {"augment": "light", "cache": False})[2]
    )
    assert resolve_strategy(tlzoo.LPFT(epochs=3), None, {"seed": 2})[2] == tlzoo.LPFT(epochs=3, seed=2)


def test_what_is_given_twice_must_agree():
    assert resolve_strategy(Finetune(epochs=3), None, {"epochs": 3})[2] == Finetune(epochs=3)
    with pytest.raises(UsageError, match="`epochs` is given as 3 and as 4"):
        resolve_strategy(Finetune(epochs=3), None, {"epochs": 4})
    with pytest.raises(UsageError, match="`epochs` is given as 5 and as 4"):
        resolve_strategy("finetune", None, {"epochs": 5}, {"epochs": 4})


@pytest.mark.parametrize(
    ("options", "given", "said"),
    [
        (Finetune(epochs=5), {"epochs": 4}, "`epochs` is given as 5 and as 4"),
        (Finetune(lr=1e-4), {"lr": 1e-3}, "`lr` is given as 0.0001 and as 0.001"),
        (Finetune(augment=tlzoo.Augment("light", 3)), {"views": 2}, "`views` is given as 3 and as 2"),
        (Finetune(augment="none"), {"augment": "light"}, "`augment` is given as 'none' and as 'light'"),
        (Finetune(cache=True), {"cache": False}, "`cache` is given as True and as False"),
        (Finetune(cache=tlzoo.Cache(gb=20)), {"cache_gb": 3.0}, "`cache_gb` is given as 20.0 and as 3.0"),
        ("finetune", {"augment": tlzoo.Augment("light", 3), "views": 2}, "`views` is given as 3 and as 2"),
        ("finetune", {"views": 2, "augment": tlzoo.Augment("light", 3)}, "`views` is given as 2 and as 3"),
    ],
)
def test_a_default_that_is_given_contradicts_another_value_as_any_other(options: Any, given: dict[str, Any], said: str):
    with pytest.raises(UsageError, match=re.escape(said)):
        resolve_strategy(options, None, given)


@pytest.mark.parametrize(
    ("strategy", "freeze", "given", "policy"),
    [
        ("lora", None, {}, "lora:8"),
        ("lora", None, {"rank": 16, "alpha": 4}, "lora:16:4"),
        ("lora", "lora:16", {}, "lora:16"),
        ("lora", "lora:8", {"rank": 8, "alpha": 2.5}, "lora:8:2.5"),
        (LoRA(rank=4), None, {}, "lora:4"),
        (LoRA(rank=4), "lora:4:2", {"epochs": 3}, "lora:4:2"),
        (LoRA(epochs=3), "lora:16", {}, "lora:16"),
    ],
)
def test_the_rank_of_adapters_is_an_option_or_stands_in_the_freeze_policy(
    strategy: Any, freeze: str | None, given: dict[str, Any], policy: str
):
    name, found, options = resolve_strategy(strategy, freeze, given)
    assert (name, found) == ("lora", policy)
    assert isinstance(options, LoRA)
    assert options.policy == policy


@pytest.mark.parametrize(
    ("strategy", "given"),
    [
        ("lora", {"rank": 8}),
        (LoRA(rank=4), {}),
        (LoRA(rank=8), {}),
        (LoRA(alpha=4.0), {}),
        ("lora", {"rank": 16, "alpha": 1.0}),
    ],
)
def test_a_rank_that_contradicts_the_freeze_policy_is_refused(strategy: Any, given: dict[str, Any]):
    with pytest.raises(UsageError, match=r"`freeze='lora:16:32'` contradicts `(rank|alpha)=") as error:
        resolve_strategy(strategy, "lora:16:32", given)
    assert error.value.parameter == "freeze"


@pytest.mark.parametrize("strategy", [3, None, LoRA, {"epochs": 3}])
def test_what_is_no_strategy_is_refused(strategy: Any):
    with pytest.raises(UsageError, match="`strategy` cannot be"):
        resolve_strategy(strategy, None)


@dataclass(frozen=True, kw_only=True)
class Sam(Finetune):
    """What a plugin's strategy might bring."""

    strategy: ClassVar[str] = "sharp/sam"
    rho: Annotated[float, Range(0.0, 1.0), "Radius of the neighbourhood"] = 0.05


def test_a_subclass_has_fields_of_its_own_that_are_checked_alike():
    assert combine(Sam, Sam.strategy, {"rho": 0.1, "epochs": 2}) == Sam(rho=0.1, epochs=2)
    with pytest.raises(UsageError, match="`rho` cannot be 2") as error:
        Sam(rho=2.0)
    assert error.value.hint == "Give a number, 0 to 1."
    with pytest.raises(UsageError, match="`rank` has no effect with `strategy='sharp/sam'`"):
        combine(Sam, Sam.strategy, {"rank": 3})


def test_only_options_that_change_a_weight_make_another_run():
    given = {"epochs": 7, "lr": 1e-2, "augment": "light", "ema": 0.5, "cache_gb": 1.0, "snapshot_every": 1.0}
    changed = changed_options(flat(Finetune()), combine(Finetune, "finetune", given))
    assert sorted(changed, key=list(given).index) == ["epochs", "lr", "augment", "ema"]
    assert set(core_options()) >= MAY_DIFFER_ON_RESUME
    assert changed_options(flat(Finetune()), Finetune()) == []


def test_what_is_recorded_has_the_same_names_for_every_strategy():
    names = set(run_options(Finetune()))
    assert all(set(run_options(cls())) >= names for cls in CORE_STRATEGIES)
    assert run_options(Probe())["epochs"] is None
    assert run_options(Auto(augment="light"))["augment"] == "light"
    assert not any(isinstance(value, tlzoo.Augment | tlzoo.Cache) for value in run_options(Auto()).values())


def test_options_are_frozen():
    for cls in CORE_STRATEGIES:
        for field in fields(cls):
            with pytest.raises(AttributeError):
                setattr(cls(), field.name, None)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Needed(CheckedOptions):
    """Options of a plugin with a field that has no default."""

    size: Annotated[int, Range(1), "Size"]
    share: Annotated[float, Range(0.0, 1.0), "Share"] = 0.5


def test_a_field_without_a_default_counts_as_given():
    assert given_options(Needed(size=3)) == {"size": 3}
    assert given_options(Needed(size=3, share=0.25)) == {"size": 3, "share": 0.25}
    assert given_options(replace(Needed(size=3), size=4)) == {"size": 4}
