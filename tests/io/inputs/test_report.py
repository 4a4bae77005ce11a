"""The account of a reading: its lines for people, its facts for JSON, and the error about what cannot be read."""

from __future__ import annotations

import pytest

from tlzoo.errors import DataError, InputError
from tlzoo.io.inputs.report import HIDDEN, OTHER_KIND, ReadReport, Skip


def test_of_what_is_left_out_kinds_are_counted_and_the_first_is_named():
    report = ReadReport()
    for name in ("a/x.md", "a/y.MD", "a/z", "a/1.a", "a/1.b", "a/1.c", "a/1.d"):
        report.leave_out(OTHER_KIND, name)
    report.leave_out(HIDDEN, ".git/config")
    assert list(report.lines()) == [
        "Left out: 7 files of other kinds (2 .md, 1 without an ending, 1 .a, 1 .b, 1 .c, 1 more kinds), such as a/x.md",
        "Left out: 1 hidden file, such as .git/config",
    ]
    assert report.facts()["left_out"] == {
        "hidden": {"": 1},
        "other_kind": {"": 1, ".a": 1, ".b": 1, ".c": 1, ".d": 1, ".md": 2},
    }


def test_nothing_left_out_is_no_line():
    assert list(ReadReport(layout="a table", used=9).lines()) == []


def test_what_is_odd_is_a_line_each():
    report = ReadReport(used=9, copies=2, contradicting=1, alike=[("Spam", "spam")], few={"a": 1, "b": 4})
    report.missing_like, report.missing_groups = {"None": 3}, {"nan": 2}
    assert list(report.lines()) == [
        "2 of 9 samples have the content of another (copies)",
        "1 content has several labels",
        "Labels that may stand for a missing one: 'None' of 3 samples",
        "Groups that may stand for a missing one: 'nan' of 2 samples",
        "Labels that look alike: 'Spam', 'spam'",
        "Classes of few samples: 'a' has 1, 'b' has 4",
    ]
    facts = report.facts()
    assert (facts["copies"], facts["contradicting"], facts["alike"]) == (2, 1, [["Spam", "spam"]])
    assert (facts["used"], facts["few"], facts["merged"], facts["broken"]) == (9, {"a": 1, "b": 4}, 0, {})


def test_one_sample_that_cannot_be_read_is_its_own_error():
    report = ReadReport(used=3, broken={"x.png": InputError("x.png is empty.", hint="Restore it.")})
    with pytest.raises(InputError, match=r"^x.png is empty. Restore it.$"):
        report.check_broken()


def test_all_that_cannot_be_read_is_in_one_error():
    report = ReadReport(used=3)
    report.check_broken()
    report.broken = {f"{at}": DataError(f"{at} is empty.", hint="Restore it.") for at in range(25)}
    with pytest.raises(DataError) as error:
        report.check_broken()
    named = "; ".join(f"{at} is empty" for at in range(20))
    assert error.value.message == f"25 of 28 samples cannot be read: {named}; and 5 more."
    assert error.value.hint == "Restore it."


@pytest.mark.parametrize(("broken", "share"), [(1, 0.01), (2, 0.02), (3, 0.05), (99, 1.0)])
def test_where_a_share_can_be_left_out_the_hint_says_how_much(broken: int, share: float):
    report = ReadReport(used=100 - broken, broken={str(at): DataError("x", hint="Y.") for at in range(broken)})
    with pytest.raises(DataError) as error:
        report.check_broken(Skip(offered=True))
    assert error.value.hint == f"Y. Or leave such samples out: `skip_broken={share}`"
    assert error.value.parameter == "skip_broken"


def test_where_nothing_can_be_read_no_share_is_offered_nor_allowed():
    report = ReadReport(broken={str(at): DataError("x", hint="Y.") for at in range(100)})
    with pytest.raises(DataError) as error:
        report.check_broken(Skip(share=1.0, offered=True))
    assert error.value.hint == "Y."


def test_of_many_that_look_alike_the_rest_is_counted():
    report = ReadReport(alike_groups=[(f"p{at}", f"P{at}") for at in range(14)])
    lines = [line for line in report.lines() if line.startswith("Groups")]
    assert len(lines) == 6
    assert lines[-1] == "Groups that look alike: 9 more"
    assert len(report.facts()["alike_groups"]) == 14


@pytest.mark.parametrize(("broken", "allowed", "fine"), [(1, 0.01, True), (2, 0.01, False), (1, 0.0, False)])
def test_a_share_may_be_allowed(broken: int, allowed: float, fine: bool):
    report = ReadReport(used=100 - broken, broken={str(at): DataError("x") for at in range(broken)})
    if fine:
        report.check_broken(Skip(share=allowed))
        return
    with pytest.raises(DataError):
        report.check_broken(Skip(share=allowed))
