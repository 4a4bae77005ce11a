"""What a predictor answers: names of inputs, options that suit a task, an answer or an error for each input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlzoo.errors import HookError, InputError, UsageError
from tlzoo.runtime.predictions import Failure, PredictOptions, as_failure, decode_chunk, display_name
from tlzoo.runtime.stream import Chunk
from tlzoo.tasks import make_task
from tlzoo.tasks.rows import OutputCollector

TASK: Any = make_task("text-classification", ("a", "b"))
LOGITS = np.array([[2, 0], [0, 1], [0, 3]], np.float32)


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ("a text", "a text"),
        ("", ""),
        (Path("a.png"), "a.png"),
        (b"bytes", None),
        (np.zeros(2), None),
        (("one", Path("two")), "one | two"),
        (("one", b"2"), "one | ?"),
        (("one", ""), "one | "),
    ],
)
def test_an_input_is_named_where_it_has_a_name(item: Any, name: str | None):
    assert display_name(item) == name
    assert as_failure(item, InputError("It is bad", hint="Mend it.")) == Failure(name, "It is bad. Mend it.")


def test_a_failure_is_a_row():
    assert Failure("a", "bad").as_row() == {"input": "a", "error": "bad"}
    assert Failure(None, "bad").as_row() == {"input": None, "error": "bad"}


def test_options_are_those_of_the_task():
    PredictOptions().check(TASK)
    PredictOptions(top_k=1, threshold=0.5, embeddings=True).check(TASK)
    for options, parameter in (
        (PredictOptions(top_k=0), "top_k"),
        (PredictOptions(threshold=1.5), "threshold"),
    ):
        with pytest.raises(UsageError) as error:
            options.check(TASK)
        assert error.value.parameter == parameter
    with pytest.raises(UsageError, match="threshold"):
        PredictOptions(threshold=0.5).check(make_task("text-regression", ("value",)))


def chunk(errors: dict[int, InputError], embeddings: bool = True) -> Chunk:
    items = ["one", Path("two"), b"three"]
    made = Chunk(0, items, OutputCollector(TASK.outputs, 3), [None] * 3, errors)
    for at in range(3):
        if at not in errors:
            more = {"embeddings": np.full((1, 2), at, np.float32)} if embeddings else {}
            made.rows.put([at], {"logits": LOGITS[at : at + 1], **more})
    return made


def test_each_input_has_its_answer():
    one, two, three = decode_chunk(TASK, chunk({}), 1.0, PredictOptions())
    assert [each.label for each in (one, two, three)] == ["a", "b", "b"]  # type: ignore[union-attr]
    assert [each.input for each in (one, two, three)] == ["one", "two", None]  # type: ignore[union-attr]
    assert one.embedding is None  # type: ignore[union-attr]


def test_an_error_stands_in_its_place():
    bad = InputError("no")
    one, two, three = decode_chunk(TASK, chunk({1: bad}), 1.0, PredictOptions(embeddings=True))
    assert two is bad
    assert [(each.input, each.label) for each in (one, three)] == [("one", "a"), (None, "b")]  # type: ignore[union-attr]
    assert [each.embedding.tolist() for each in (one, three)] == [[0, 0], [2, 2]]  # type: ignore[union-attr]
    assert list(decode_chunk(TASK, chunk(dict.fromkeys(range(3), bad)), 1.0, PredictOptions())) == [bad] * 3


def test_contexts_go_with_their_outputs():
    seen: list[Any] = []

    def decode(self: Any, outputs: Any, contexts: Any, options: Any) -> Any:
        seen.append((sorted(outputs), len(outputs["logits"]), contexts, options))
        return type(TASK).decode(TASK, outputs, contexts, options)

    task: Any = type("Seeing", (type(TASK),), {"decode": decode})(TASK.name, TASK.labels)
    given = chunk({0: InputError("no")})
    given.contexts[:] = ["p", "q", "r"]
    list(decode_chunk(task, given, 2.0, PredictOptions(top_k=1, threshold=0.9)))
    [(names, count, contexts, options)] = seen
    assert (names, count, contexts) == (["logits"], 2, ["q", "r"])
    assert (options.temperature, options.top_k, options.threshold) == (2.0, 1, 0.9)


def test_embeddings_are_given_where_there_are_any():
    [one, *_] = decode_chunk(TASK, chunk({}, embeddings=False), 1.0, PredictOptions(embeddings=True))
    assert one.embedding is None  # type: ignore[union-attr]


def test_a_plugins_answers_are_judged():
    def decode(self: Any, outputs: Any, contexts: Any, options: Any) -> Any:
        return type(TASK).decode(TASK, outputs, contexts, options)[1:]

    for plugin, error in (("odd", HookError), ("", ValueError)):
        names = {"decode": decode, "plugin": plugin}
        task: Any = type("Odd", (type(TASK),), names)(TASK.name, TASK.labels)
        with pytest.raises(error) as raised:
            list(decode_chunk(task, chunk({}), 1.0, PredictOptions()))
        said = "returns unusable predictions: `decode` returns 2 predictions for 3 samples."
        assert (said in str(raised.value)) is bool(plugin)
