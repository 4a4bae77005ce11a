"""Freeze policies, arguments and thresholds, as users write them."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlzoo.errors import UsageError
from tlzoo.options import Augment, Cache, Finetune, LoRA, Probe, Thresholds, core_options, options_of, strategies_taking
from tlzoo.options.arguments import (
    check_classes,
    check_counts,
    check_mappings,
    check_paths,
    check_shares,
    check_switches,
    check_texts,
    not_none,
    unknown_word,
)
from tlzoo.options.checked import UNBOUNDED, Option, expected_value, from_flat, given_options, unknown_option
from tlzoo.options.freezing import (
    check_stage_policy,
    is_core_policy,
    is_policy,
    names_plugin,
    parse_lora_size,
    training_stages,
)
from tlzoo.options.naming import changed_options, combine
from tlzoo.options.strategies import StrategyOptions

STAGES = ("stem", "a/b", "top")


@pytest.mark.parametrize(
    ("policy", "core", "plugins", "any"),
    [
        ("all", True, False, True), ("none", True, False, True), ("norm", True, False, True),
        ("last:2", True, False, True), ("last:", False, False, False), ("last:-1", False, False, False),
        ("last:x", False, False, False), ("last", False, False, False), ("until:x", True, False, True),
        ("until:", False, False, False), ("until", False, False, False), ("lora:8", True, False, True),
        ("lora:", False, False, False), ("all:2", False, False, False), ("some", False, False, False),
        ("a/b", False, True, True), ("a/", False, True, False), ("/b", False, True, False),
        ("until:a/b", True, False, True), ("a/b:c", False, True, True), ("", False, False, False),
    ],
)  # fmt: skip
def test_the_form_of_a_policy(policy: str, core: bool, plugins: bool, any: bool):
    assert (is_core_policy(policy), names_plugin(policy), is_policy(policy)) == (core, plugins, any)


@pytest.mark.parametrize(
    ("argument", "size"),
    [("8", (8, None)), ("1", (1, None)), ("256", (256, None)), ("8:16", (8, 16.0)), ("8:0.01", (8, 0.01)),
     ("8:100000", (8, 1e5)), ("8:1.5", (8, 1.5))],
)  # fmt: skip
def test_rank_and_alpha_are_read(argument: str, size: tuple[int, float | None]):
    assert parse_lora_size(argument) == size


@pytest.mark.parametrize(
    "argument", ["", "0", "257", "-1", "x", "8:", "8:x", "8:-1", "8:0.001", "8:100001", "8:1e2", "8:1:2"]
)
def test_what_is_no_rank_or_alpha_is_refused(argument: str):
    with pytest.raises(UsageError) as refused:
        parse_lora_size(argument)
    said = f"Freeze policy 'lora:{argument}' does not have the form lora:<rank> or lora:<rank>:<alpha>."
    hint = "Try `freeze='lora:8'`; the rank is 1 to 256, the alpha 0.01 to 100000."
    assert (refused.value.message, refused.value.hint, refused.value.parameter) == (said, hint, "freeze")


@pytest.mark.parametrize(
    ("policy", "training"),
    [
        ("all", []), ("none", ["stem", "a/b", "top"]), ("until:stem", ["a/b", "top"]), ("until:a/b", ["top"]),
        ("until:top", []), ("last:1", ["top"]), ("last:3", ["stem", "a/b", "top"]),
    ],
)  # fmt: skip
def test_the_stages_that_train(policy: str, training: list[str]):
    assert training_stages(policy, STAGES) == training


LAST = "Give `freeze='last:1'` or more; `freeze='all'` freezes everything but the head."
UNKNOWN = "Policies: all, none, until:<stage>, last:<n>, norm, lora:<rank>, or a plugin's: PLUGIN/NAME."


@pytest.mark.parametrize(
    ("policy", "message", "hint"),
    [
        ("until:x", "This backbone has no stage 'x'.", "Stages: stem, a/b, top."),
        ("last:4", "Freeze policy 'last:4' needs 4 stages; this backbone has 3.", "Stages: stem, a/b, top."),
        ("last:0", "`freeze='last:0'` trains no stage.", LAST),
        ("last:00", "`freeze='last:00'` trains no stage.", LAST),
        ("until:", "Unknown freeze policy 'until:'.", UNKNOWN),
        ("last:x", "Unknown freeze policy 'last:x'.", UNKNOWN),
        ("norm", "Unknown freeze policy 'norm'.", UNKNOWN),
        ("lora:8", "Unknown freeze policy 'lora:8'.", UNKNOWN),
    ],
)
def test_a_policy_that_cannot_be_is_refused(policy: str, message: str, hint: str):
    with pytest.raises(UsageError) as refused:
        training_stages(policy, STAGES)
    assert (refused.value.message, refused.value.hint, refused.value.parameter) == (message, hint, "freeze")


def test_gradual_unfreezing_reaches_stages_alone():
    for policy in ("none", "until:a", "last:2"):
        check_stage_policy(policy)
    for policy in ("all", "norm", "lora:8", "a/b"):
        with pytest.raises(UsageError) as refused:
            check_stage_policy(policy)
        assert refused.value.message == f"Freeze policy {policy!r} does not work with gradual unfreezing."
        assert refused.value.parameter == "unfreeze_every"


def refused_by(check: Any, *given: Any, **arguments: Any) -> tuple[str, str, str]:
    with pytest.raises(UsageError) as refused:
        check(*given, **arguments)
    return refused.value.message, refused.value.hint, refused.value.parameter


@pytest.mark.parametrize(
    ("check", "right", "wrong", "name", "expected"),
    [
        (check_paths, ["a", Path("a")], [None, 3, "", b"a"], "data", "the path of a folder or table"),
        (check_texts, ["", "a"], [None, 3, b"a"], "freeze", "a policy, such as 'last:1'"),
        (check_texts, ["a"], [None], "strange", "a text"),
        (
            check_mappings,
            [{}, {"a": 1}, OrderedDict(a=1)],
            [None, [("a", 1)], {1: 2}, {"a": 1, 2: 3}],
            "preprocess",
            "a mapping such as {'max_length': 128}",
        ),
        (check_switches, [True, False], [0, 1, None, "True"], "cache", "True or False"),
        (check_classes, [int, UsageError], [3, "int", None], "answers", "a class, such as tlzoo.LabelPrediction"),
        (check_counts, [1, 7, np.int64(1)], [0, -1, True, 1.0, "1", None], "limit", "a whole number, 1 or more"),
        (
            check_shares,
            [0, 1, 0.5, np.float32(1)],
            [-0.01, 1.01, True, "0.5", None, float("nan")],
            "share",
            "a number, 0 to 1",
        ),
    ],
)
def test_an_argument_of_another_type_is_refused_by_its_name(
    check: Any, right: list[Any], wrong: list[Any], name: str, expected: str
):
    for value in right:
        check(**{name: value})
        check(**{"x": value, name: value}) if check in (check_counts, check_shares) else None
    for value in wrong:
        assert refused_by(check, **{name: value}) == (f"`{name}` cannot be {value!r}.", f"Give {expected}.", name)


def test_a_count_may_begin_elsewhere():
    check_counts(0, offset=0)
    assert refused_by(check_counts, 0, offset=-1)[1] == "Give a whole number, 0 or more."
    assert not_none(a=None, b=0, c="") == {"b": 0, "c": ""}


def test_thresholds_are_a_mapping_or_themselves():
    given = Thresholds(drop=1.0)
    assert Thresholds.of(given) is given
    assert Thresholds.of(None) is None
    assert Thresholds.of({"drop": 1.0}) == given
    for wrong in (3, [("drop", 1)], {1: 2}, "drop"):
        assert refused_by(Thresholds.of, wrong) == (
            f"`thresholds` cannot be {wrong!r}.",
            "Give tlzoo.Thresholds(drop=1), or a mapping such as {'drop': 1}.",
            "thresholds",
        )
    defaults = {"difference": 0.1, "agreement": 0.9, "drop": 0.5, "more": 1}
    assert given.over(defaults) == {"difference": 0.1, "agreement": 0.9, "drop": 1.0, "more": 1}
    assert Thresholds(drop=0.0, agreement=1.0).over(defaults)["drop"] == 0.0


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"type": "greater_than_equal", "ctx": {"ge": 1}}, "1 or more"),
        ({"type": "less_than_equal", "ctx": {"le": 0.5}}, "0.5 or less"),
        ({"type": "greater_than", "ctx": {"gt": 0}}, "more than 0"),
        ({"type": "less_than", "ctx": {"lt": 2}}, "less than 2"),
        ({"type": "int_parsing"}, "a whole number"),
        ({"type": "float_type"}, "a number"),
        ({"type": "bool_type"}, "true or false"),
        ({"type": "string_type"}, "a text"),
        ({"type": "literal_error", "ctx": {"expected": "'a' or 'b'"}}, "one of: 'a' or 'b'"),
        ({"type": "missing"}, "another value"),
    ],
)
def test_what_is_expected_in_words(error: dict[str, Any], words: str):
    assert expected_value(error) == words


def option(kind: type = int, low: float | None = None, high: float | None = None, *choices: str, default: Any = None):
    return Option("x", kind, default, choices, low, high, "Help.")


@pytest.mark.parametrize(
    ("made", "allowed", "expected", "instead"),
    [
        (option(int, 1, 9), "1 to 9", "a whole number, 1 to 9", "a whole number, 1 to 9"),
        (option(int, 1, UNBOUNDED), "1 or more", "a whole number, 1 or more", "a whole number, 1 to 1000000000"),
        (option(float, 0.0, 2.0**63), "0 or more", "a number, 0 or more", "a number, 0 or more"),
        (option(int, 0, 2**63 - 1), "0 or more", "a whole number, 0 or more", "a whole number, 0 or more"),
        (option(float, 0.0, 2.0, "auto"), "0 to 2, or auto", "a number, 0 to 2, or auto", "a number, 0 to 2, or auto"),
        (option(str, None, None, "a", "b"), "a, b", "one of: a, b", "one of: a, b"),
        (option(str), "", "a text", "a text"),
        (option(str, default="auto"), "", "a text, such as 'auto'", "a text, such as 'auto'"),
        (option(bool), "", "True or False", "True or False"),
        (option(float), "", "", ""),
    ],
)
def test_an_option_says_what_it_takes(made: Option, allowed: str, expected: str, instead: str):
    assert (made.allowed, made.expected, made.expected_instead_of(10**10)) == (allowed, expected, instead)
    assert made.expected_instead_of("x") == expected
    assert made.expected_instead_of(1) == expected


def test_a_value_above_an_enormous_range_is_told_its_end():
    assert option(int, 0, 2**63 - 1).expected_instead_of(2**63) == "a whole number, 0 to 9223372036854775807"
    assert option(float, 0.0, 1e12).expected_instead_of(1e13) == "a number, 0 to 1e+12"
    assert option(float, 0.0, 1e12).expected_instead_of(1e12) == "a number, 0 or more"


def test_an_option_takes_its_range_with_both_ends():
    assert [option(float, 1.0, 2.0).takes(number) for number in (0.9, 1, 2, 2.1)] == [False, True, True, False]
    assert option().takes(99)


@pytest.mark.parametrize(
    ("kind", "default", "text"),
    [(bool, True, "on"), (bool, False, "off"), (int, None, ""), (float, 1e-4, "0.0001"), (float, 10.0, "10"),
     (int, 5, "5"), (str, "auto", "auto")],
)  # fmt: skip
def test_a_default_as_text(kind: type, default: Any, text: str):
    assert option(kind, default=default).default_text == text


def test_an_unknown_option_is_answered_with_what_is_near():
    near = unknown_option("epoch", ["epochs", "batch"], ["epoches"])
    assert near.message == "Unknown option `epoch`."
    assert near.hint == "Did you mean `epochs` or `epoches`?"
    assert unknown_option("zzz", ["a", "b"]).hint == "Options: `a`, `b`."
    other = unknown_option("out", ["a"], ["out"])
    assert (other.message, other.hint) == (
        "`out` is no option of a strategy.", "Give it as an argument of its own, `out`.",
    )  # fmt: skip
    assert {near.parameter, other.parameter} == {"epoch", "out"}


@pytest.mark.parametrize(
    ("name", "strategy", "message", "hint"),
    [
        (
            "augment",
            "",
            None,
            None,
        ),
        (
            "cache_gb",
            "",
            "Probe has no field `cache_gb`.",
            "Give `cache=tlzoo.Cache(gb=...)`, or `cache_gb` to tlzoo.finetune.",
        ),
        (
            "rank",
            "",
            "`rank` has no effect with `strategy='probe'`.",
            "Leave it out, or choose a strategy that takes it: lora.",
        ),
        (
            "rank",
            "own/name",
            "`rank` has no effect with `strategy='own/name'`.",
            "Leave it out, or choose a strategy that takes it: lora.",
        ),
        ("gb", "", "Unknown option `gb`.", "Give it as `cache_gb`."),
        ("sed", "", "Unknown option `sed`.", "Did you mean `seed`?"),
        ("epoch", "", "Unknown option `epoch`.", "Did you mean `epochs`, an option of finetune, lp-ft, lora, auto?"),
    ],
)
def test_an_option_that_a_strategy_lacks_says_where_it_belongs(
    name: str, strategy: str, message: str | None, hint: str | None
):
    error = Probe.unknown(name, strategy)
    if message is None:
        assert error.message == "`augment` has no effect with `strategy='probe'`."
    else:
        assert (error.message, error.hint) == (message, hint)
    assert error.parameter == name


def test_values_of_nested_fields_have_flat_names():
    made = from_flat(Finetune, {"augment": "light", "views": 2, "cache_gb": 3.0, "epochs": 4, "strange": 1})
    assert (made.augmentation, made.caching, made.epochs) == (Augment("light", 2), Cache(gb=3.0), 4)
    assert given_options(made) == {"augment": "light", "views": 2, "cache_gb": 3.0, "epochs": 4}
    for given, message, parameter in (
        ({"views": 2}, "`views` has no effect without `augment`.", "views"),
        ({"cache": False, "cache_gb": 3.0}, "`cache_gb` has no effect with `cache=False`.", "cache_gb"),
    ):
        with pytest.raises(UsageError) as refused:
            from_flat(Finetune, given)
        assert (refused.value.message, refused.value.parameter) == (message, parameter)


def test_fields_that_differ_are_shown_and_compared():
    assert repr(Finetune()) == "Finetune()"
    assert repr(LoRA(rank=4, epochs=5, lr="auto")) == "LoRA(lr='auto', rank=4)"
    assert Finetune(epochs=3) == Finetune(epochs=3)
    assert Finetune(epochs=3) != Finetune()
    assert Probe() != StrategyOptions()
    assert len({Finetune(epochs=3), Finetune(epochs=3), Finetune()}) == 2
    assert (LoRA(rank=4).policy, LoRA(rank=4, alpha=0.5).policy) == ("lora:4", "lora:4:0.5")


def test_options_of_strategies_begin_with_those_that_all_take():
    known = list(core_options())
    assert [len(strategies_taking(name)) for name in known] == sorted(
        (len(strategies_taking(name)) for name in known), reverse=True
    )
    assert (strategies_taking("rank"), strategies_taking("l2")) == (("lora",), ("probe", "lp-ft", "auto"))
    assert strategies_taking("zzz") == ()
    assert options_of(LoRA)["rank"].maximum == 256


def test_what_is_combined_must_agree():
    made = combine(
        Finetune, "finetune", {"epochs": 3, "augment": Augment("light")}, {"epochs": 3, "cache": Cache(gb=1.0)}
    )
    assert (made.epochs, made.augmentation.policy, made.caching.gb) == (3, "light", 1.0)  # type: ignore[attr-defined]
    assert refused_by(combine, Finetune, "finetune", {"epochs": 3}, {"epochs": 4}) == (
        "`epochs` is given as 3 and as 4.", "Give it once.", "epochs",
    )  # fmt: skip
    with pytest.raises(UsageError, match="no option of a strategy"):
        combine(Finetune, "finetune", {"out": 3}, others=["out"])
    before = {"epochs": 5, "device": "cpu", "seed": 0}
    assert {"epochs", "device", "seed"}.isdisjoint(changed_options(before, Finetune(device="cuda")))
    assert "epochs" in changed_options(before, Finetune(epochs=4))


def test_a_word_that_an_argument_does_not_take_is_named_with_one_like_it_or_all():
    near = unknown_word("method", "corral", ("auto", "coral"))
    assert (near.message, near.hint) == ("`method='corral'` is unknown.", "Did you mean coral?")
    far = unknown_word("monitor", "beauty", {"accuracy": "max", "loss": "min"}, "no metric of x")
    assert (far.message, far.hint) == ("`monitor='beauty'` is no metric of x.", "Choose one of: accuracy, loss.")
    assert (near.parameter, far.parameter) == ("method", "monitor")
