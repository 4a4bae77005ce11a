"""One input that cannot be read is named by its own number, and all others are answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import tlzoo
from tlzoo.errors import InputError
from tlzoo.preprocess import Preprocessor
from tlzoo.runtime.predictions import Failure


def with_number(text_file: Any, number: int) -> Any:
    """A predictor whose texts with "strange" in them have a token of this number."""
    inner = tlzoo.load(text_file.path).preprocessor

    class Strange(Preprocessor):
        def __call__(self, inputs: Sequence[Any]) -> dict[str, np.ndarray]:
            arrays = inner(inputs)
            for at, text in enumerate(inputs):
                if "strange" in text:
                    arrays["input_ids"][at, 1] = number
            return arrays

    return tlzoo.load(text_file.path, preprocessor=Strange())


def test_a_token_beyond_the_models_table_is_an_error_of_that_text(text_file: Any):
    answers = list(with_number(text_file, 10**6).stream(["a good film", "a strange film", "a bad film"]))
    assert [isinstance(each, Failure) for each in answers] == [False, True, False]
    assert "no entry for one of its tokens" in answers[1].error


def test_a_text_that_fails_alone_keeps_its_number(text_file: Any):
    inner = tlzoo.load(text_file.path).preprocessor

    class Refusing(Preprocessor):
        def __call__(self, inputs: Sequence[Any]) -> dict[str, np.ndarray]:
            for at, text in enumerate(inputs):
                if "strange" in text:
                    raise InputError(f"Input {at} is strange.", hint="Leave it out.")
            return inner(inputs)

    answers = list(tlzoo.load(text_file.path, preprocessor=Refusing()).stream(["good", "bad", "strange", "bad"] * 2))
    assert [each.error.partition(" is")[0] for each in answers if isinstance(each, Failure)] == ["Input 2", "Input 6"]


@pytest.mark.parametrize("item", [("only", "two"), ("one",)])
def test_a_tuple_is_no_input_of_a_task_with_one(text_file: Any, item: tuple[str, ...]):
    with pytest.raises(InputError, match=f"a tuple of {len(item)}, but this model takes text alone"):
        tlzoo.load(text_file.path).predict([item])
