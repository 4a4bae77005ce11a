"""Long inputs become windows in a stream, and whole inputs again, whatever the chunks that come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tlzoo.errors import InputError
from tlzoo.runtime.stream import Chunk
from tlzoo.runtime.windowing import Windows
from tlzoo.tasks import make_task
from tlzoo.tasks.rows import OutputCollector
from tlzoo.tasks.windows import Window, WindowOutputs

PLAIN: Any = make_task("text-classification", ("a", "b"))


def in_letters(self: Any, given: Any, preprocessor: Any) -> list[Window] | None:
    """A text of several letters in windows of one; a single letter is short, a blank is no window at all."""
    if len(given) == 1:
        return None if given != " " else []
    return [Window(letter, at) for at, letter in enumerate(given)]


def together(self: Any, parts: list[WindowOutputs]) -> Any:
    return {"logits": sum(part.outputs["logits"] for part in parts)}, [part.context for part in parts]


TASK: Any = type("Letters", (type(PLAIN),), {"windows": in_letters, "merge": together})(PLAIN.name, PLAIN.labels)
INPUTS = ["abc", "d", InputError("cell 3"), " ", "ef"]


def test_each_input_gives_its_windows_and_an_error_itself():
    windows = Windows(TASK, None)  # type: ignore[arg-type]
    assert list(windows.cut(INPUTS)) == ["a", "b", "c", "d", INPUTS[2], " ", "e", "f"]


def chunks(given: list[Any], size: int, bad: tuple[int, ...] = ()) -> list[Chunk]:
    """What a stream makes of inputs: the code of each letter, and its context."""
    made = []
    for start in range(0, len(given), size):
        items = given[start : start + size]
        chunk = Chunk(start, items, OutputCollector(TASK.outputs, len(items)), [f"of {item}" for item in items])
        for at, item in enumerate(items):
            if isinstance(item, InputError):
                chunk.errors[at] = item
            elif start + at in bad:
                chunk.errors[at] = InputError(f"window {start + at}")
            else:
                chunk.rows.put([at], {"logits": np.array([[ord(item), 1]], np.float32)})
        made.append(chunk)
    return made


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_chunks_of_whole_inputs_come_in_order(size: int):
    windows = Windows(TASK, None)  # type: ignore[arg-type]
    found = list(windows.join(chunks(list(windows.cut(INPUTS)), size)))
    assert [item for chunk in found for item in chunk.items] == INPUTS
    assert [chunk.start for chunk in found] == np.cumsum([0, *(len(chunk.items) for chunk in found)])[:-1].tolist()
    contexts = [context for chunk in found for context in chunk.contexts]
    assert contexts == [["of a", "of b", "of c"], "of d", None, "of  ", ["of e", "of f"]]
    errors = {chunk.start + at: error for chunk in found for at, error in chunk.errors.items()}
    assert errors == {2: INPUTS[2]}
    logits = [row for chunk in found for row in chunk.outputs.get("logits", np.zeros((len(chunk.items), 2)))]
    for at, expected in ((0, [294, 3]), (1, [100, 1]), (3, [32, 1]), (4, [203, 2])):
        assert logits[at].tolist() == expected


def test_an_input_is_answered_as_soon_as_its_last_window_is_there():
    windows = Windows(TASK, None)  # type: ignore[arg-type]
    joined = windows.join(iter(chunks(list(windows.cut(INPUTS)), 2)))
    assert [chunk.items for chunk in joined] == [["abc", "d"], [INPUTS[2], " "], ["ef"]]


def test_the_first_error_of_a_window_is_that_of_its_input():
    windows = Windows(TASK, None)  # type: ignore[arg-type]
    [chunk] = windows.join(chunks(list(windows.cut(INPUTS)), 8, bad=(1, 2, 7)))
    assert {at: str(error) for at, error in chunk.errors.items()} == {0: "window 1", 2: "cell 3", 4: "window 7"}


def test_no_input_is_no_chunk():
    windows = Windows(TASK, None)  # type: ignore[arg-type]
    assert list(windows.join(chunks(list(windows.cut([])), 2))) == []
