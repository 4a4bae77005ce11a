"""Outputs of whole inputs from those of their windows, and what a plugin's task may make of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tlzoo.errors import HookError
from tlzoo.tasks import make_task
from tlzoo.tasks.base import Output
from tlzoo.tasks.merging import merge_problem, merge_windows
from tlzoo.tasks.windows import Window, WindowOutputs

PLAIN: Any = make_task("text-classification", ("a", "b"))
RAGGED: Any = make_task("text-tokens", ("O", "B-X", "I-X"))


def mean(self: Any, parts: list[WindowOutputs]) -> Any:
    """The mean of the windows' logits, and their contexts together."""
    context = [(part.window.start, part.context) for part in parts]
    return {"logits": np.mean([part.outputs["logits"] for part in parts], axis=0, dtype=np.float32)}, context


def merging(merge: Any, of: Any = PLAIN, **names: Any) -> Any:
    return type("Odd", (type(of),), {"merge": merge, **names})(of.name, of.labels)


def numbers(*rows: tuple[float, float]) -> np.ndarray:
    return np.array(rows, np.float32)


WINDOWS = [[Window("x", 0)], [Window("y", 0), Window("z", 3)], [Window("w", 0)]]
LOGITS = numbers((1, 2), (3, 4), (5, 8), (7, 9))


def test_windows_that_follow_one_another_become_whole_inputs():
    rows, contexts = merge_windows(merging(mean), WINDOWS, {"logits": LOGITS}, ["p", "q", "r", "s"])
    assert contexts == ["p", [(0, "q"), (3, "r")], "s"]
    assert isinstance(rows["logits"], np.ndarray)
    assert rows["logits"].tolist() == [[1, 2], [4, 6], [7, 9]]


def test_embeddings_that_merge_leaves_out_are_the_mean():
    given = {"logits": LOGITS, "embeddings": numbers((1, 1), (2, 4), (4, 8), (0, 5)).astype(np.float16)}
    rows, _ = merge_windows(merging(mean), WINDOWS, given, [None] * 4)
    assert np.asarray(rows["embeddings"]).tolist() == [[1, 1], [3, 6], [0, 5]]
    made, _ = merge_windows(merging(mean), WINDOWS[1:2], given, [None] * 4)
    assert np.asarray(made["embeddings"]).dtype == np.float32


def test_embeddings_that_merge_makes_are_kept():
    def first(self: Any, parts: list[WindowOutputs]) -> Any:
        return {**parts[0].outputs}, None

    given = {"logits": LOGITS, "embeddings": numbers((1, 1), (2, 4), (4, 8), (0, 5))}
    rows, contexts = merge_windows(merging(first), WINDOWS, given, ["p", "q", "r", "s"])
    assert np.asarray(rows["embeddings"]).tolist() == [[1, 1], [2, 4], [0, 5]]
    assert contexts == ["p", None, "s"]


def test_ragged_outputs_are_a_list():
    def joined(self: Any, parts: list[WindowOutputs]) -> Any:
        return {"logits": np.concatenate([part.outputs["logits"] for part in parts])}, None

    given = {"logits": [np.full((size, 3), size, np.float32) for size in (1, 2, 3, 4)]}
    rows, _ = merge_windows(merging(joined, RAGGED), WINDOWS, given, [None] * 4)
    assert isinstance(rows["logits"], list)
    assert [row.shape for row in rows["logits"]] == [(1, 3), (5, 3), (4, 3)]


def test_only_a_plugin_is_blamed_for_what_it_merges():
    def wide(self: Any, parts: list[WindowOutputs]) -> Any:
        return {"logits": np.zeros(3, np.float32)}, None

    with pytest.raises(HookError) as error:
        merge_windows(merging(wide, plugin="odd"), WINDOWS, {"logits": LOGITS}, [None] * 4)
    assert "cannot be used: `merge` returns 'logits' of shape [3]; the task declares [2] for each input." in str(
        error.value
    )
    [whole] = merge_windows(merging(wide), WINDOWS[1:2], {"logits": LOGITS}, [None] * 4)[0]["logits"]
    assert whole.shape == (3,)


def parts(*logits: Any, **more: Any) -> list[WindowOutputs]:
    return [WindowOutputs(Window("x", 0), {"logits": np.array(each, np.float32), **more}, None) for each in logits]


GOOD = np.zeros(2, np.float32)
NAN = np.array([0, np.nan], np.float32)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (({"logits": GOOD}, None), ""),
        (({"logits": GOOD.astype(np.float64)}, None), ""),
        ({"logits": GOOD}, "dict, not a tuple of outputs by name and a context."),
        (({"logits": GOOD},), "a tuple of 1, not a tuple of outputs by name and a context."),
        (([GOOD], None), "a tuple of 2, not a tuple of outputs by name and a context."),
        (({}, None), "nothing, without the output 'logits'."),
        (({"a": GOOD, 1: GOOD}, None), "a, 1, without the output 'logits'."),
        (({"logits": [0, 0]}, None), "'logits' as list, not as an array."),
        (({"logits": np.zeros(3)}, None), "'logits' of shape [3]; the task declares [2] for each input."),
        (({"logits": np.zeros((1, 2))}, None), "'logits' of shape [1, 2]; the task declares [2] for each input."),
        (({"logits": np.float32(0)}, None), "'logits' of shape []; the task declares [2] for each input."),
        (({"logits": np.zeros(2, int)}, None), "'logits' as int64; the task declares float32."),
        (({"logits": NAN}, None), "'logits' with NaN or infinity, which no window has."),
        (({"logits": NAN.astype(np.float64)}, None), "'logits' with NaN or infinity, which no window has."),
    ],
)
def test_merged_outputs_are_as_declared(answer: Any, problem: str):
    assert merge_problem(PLAIN, answer, parts((0, 1), (2, 3))) == (problem and f"`merge` returns {problem}")


def test_what_a_window_has_may_be_not_finite_in_the_whole():
    assert merge_problem(PLAIN, ({"logits": NAN}, None), parts((0, 1), (2, np.inf))) == ""


def test_an_axis_with_a_name_may_have_any_size():
    for size in (0, 5):
        assert merge_problem(RAGGED, ({"logits": np.zeros((size, 3), np.float32)}, None), parts(((0, 0, 0),))) == ""
    said = merge_problem(RAGGED, ({"logits": np.zeros((2, 4), np.float32)}, None), parts(((0, 0, 0),)))
    assert said == "`merge` returns 'logits' of shape [2, 4]; the task declares ['tokens', 3] for each input."


def test_whole_numbers_stay_whole_numbers():
    counts = type("Counts", (type(PLAIN),), {"outputs": property(lambda self: (Output("n", ("batch",), "int64"),))})
    task: Any = counts(PLAIN.name, PLAIN.labels)
    windows = [WindowOutputs(Window("x", 0), {"n": np.int64(1)}, None)]
    assert merge_problem(task, ({"n": np.int64(3)}, None), windows) == ""
    assert merge_problem(task, ({"n": np.float32(3)}, None), windows) == (
        "`merge` returns 'n' as float32; the task declares int64."
    )


def test_embeddings_are_those_of_a_window_in_size():
    given = parts((0, 1), (2, 3), embeddings=np.zeros(4, np.float32))
    assert merge_problem(PLAIN, ({"logits": GOOD, "embeddings": np.zeros(4, np.float32)}, None), given) == ""
    assert merge_problem(PLAIN, ({"logits": GOOD, "embeddings": np.zeros(5, np.float32)}, None), given) == (
        "`merge` returns 'embeddings' of shape [5]; the task declares [4] for each input."
    )
    assert merge_problem(PLAIN, ({"logits": GOOD, "embeddings": np.zeros(5)}, None), parts((0, 1))) == ""
    assert merge_problem(PLAIN, ({"logits": GOOD}, None), given) == ""
