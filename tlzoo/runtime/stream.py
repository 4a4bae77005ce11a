"""Any number of inputs through a model: prepared in other threads, batched, answered in order, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tlzoo.errors import InputError
from tlzoo.preprocess import Preprocessor
from tlzoo.preprocess.prefetch import Arrays, made_ahead

WINDOW = 32
"""Texts are sorted by length within this many batches; the first windows are shorter, so that answers come soon."""

Run = Callable[[Arrays], dict[str, np.ndarray]]


class NotFinite(InputError):
    """The model answers an input with what is no number."""


@dataclass(frozen=True)
class Prepared:
    """Batches that the session takes, each with the positions of its inputs, and the inputs that cannot be read."""

    batches: list[tuple[list[int], Arrays]]
    errors: dict[int, InputError]


@dataclass
class Stretch:
    """Consecutive inputs, from number `start` on: outputs by name, [N, ...]; of an error, no matter what."""

    start: int
    items: list[Any]
    outputs: dict[str, np.ndarray] = field(default_factory=dict)
    errors: dict[int, InputError] = field(default_factory=dict)

    def put(self, positions: list[int], outputs: dict[str, np.ndarray]) -> None:
        """Keep what the model gave for the inputs at these positions."""
        for name, rows in outputs.items():
            if name not in self.outputs:
                self.outputs[name] = np.zeros((len(self.items), *rows.shape[1:]), rows.dtype)
            self.outputs[name][positions] = rows


@dataclass(frozen=True)
class Plan:
    """How inputs are batched: `batch` of them at a time, texts by length, pictures of any size with their like."""

    modality: str
    batch: int
    each: bool
    """Whether inputs are prepared one by one: those whose arrays are all of one shape, or of a shape of their own."""


def stretches(inputs: Iterable[Any], preprocess: Preprocessor, run: Run, plan: Plan) -> Iterator[Stretch]:
    """The inputs in order, a stretch at a time; `inputs` is read as far ahead as the threads that prepare need.

    Pictures and recordings are decoded in as many threads as there are cores: decoders and ONNX Runtime both let go of
    Python's lock.
    """
    threads = _cores() if plan.each else 1
    tasks = made_ahead(_tasks(inputs, plan), lambda task: (task, _prepare(*task[:2], preprocess, plan)), threads)
    for (stretch, _, last), prepared in tasks:
        for positions, arrays in prepared.batches:
            _run_into(stretch, positions, arrays, run)
        stretch.errors.update(prepared.errors)
        if last:
            yield stretch


def _run_into(stretch: Stretch, positions: list[int], arrays: Arrays, run: Run) -> None:
    """Keep what the model gives; a batch that it cannot take is halved, until the inputs at fault are known."""
    try:
        outputs = run(arrays)
    except InputError as error:
        if len(positions) == 1:
            stretch.errors[positions[0]] = _numbered(error, stretch, positions[0])
            return
        middle = len(positions) // 2
        for half in (slice(None, middle), slice(middle, None)):
            _run_into(stretch, positions[half], {name: array[half] for name, array in arrays.items()}, run)
        return
    stretch.put(positions, outputs)
    for rows in outputs.values():
        for row in np.flatnonzero(~np.isfinite(rows).reshape(len(rows), -1).all(axis=1)):
            at = positions[int(row)]
            stretch.errors[at] = NotFinite(
                f"{_called(stretch, at)} makes the model answer NaN or infinity.",
                hint="Leave it out; where others do too, export the model again.",
            )


def _tasks(inputs: Iterable[Any], plan: Plan) -> Iterator[tuple[Stretch, list[int], bool]]:
    """Batches of positions within their stretch, and whether it is the stretch's last."""
    by_length = plan.modality == "text"
    rest, start, batches = iter(inputs), 0, 1
    while items := list(islice(rest, plan.batch * batches)):
        stretch, order = Stretch(start, items), list(range(len(items)))
        if by_length:
            order.sort(key=lambda at: len(items[at]) if isinstance(items[at], str) else 0)
            batches = min(2 * batches, WINDOW)
        for first in range(0, len(order), plan.batch):
            yield stretch, order[first : first + plan.batch], first + plan.batch >= len(order)
        start += len(items)


def _prepare(stretch: Stretch, positions: list[int], preprocess: Preprocessor, plan: Plan) -> Prepared:
    """The inputs at these positions as batches; one that cannot be read does not keep the others from it."""
    if not plan.each or len(positions) == 1:
        try:
            _check(stretch, positions, plan)
            return Prepared([(positions, preprocess([stretch.items[at] for at in positions]))], {})
        except InputError as error:
            if len(positions) == 1:
                return Prepared([], {positions[0]: _numbered(error, stretch, positions[0])})
    made: dict[int, Arrays] = {}
    errors: dict[int, InputError] = {}
    for at in positions:
        try:
            _check(stretch, [at], plan)
            made[at] = preprocess([stretch.items[at]])
        except InputError as error:
            errors[at] = _numbered(error, stretch, at)
    if plan.each:
        return Prepared(_by_shape(made), errors)
    good = list(made)
    return Prepared([(good, preprocess([stretch.items[at] for at in good]))] if good else [], errors)


def _by_shape(made: dict[int, Arrays]) -> list[tuple[list[int], Arrays]]:
    """Arrays of one input each, joined where their shapes are the same."""
    alike: dict[tuple[Any, ...], list[int]] = {}
    for at, arrays in made.items():
        alike.setdefault(tuple((name, array.shape) for name, array in arrays.items()), []).append(at)
    return [
        (group, {name: np.concatenate([made[at][name] for at in group]) for name in made[group[0]]})
        for group in alike.values()
    ]


def _check(stretch: Stretch, positions: Sequence[int], plan: Plan) -> None:
    """Raise for an input that is an error itself, or no text where one belongs."""
    for at in positions:
        item = stretch.items[at]
        if isinstance(item, InputError):
            raise item
        if plan.modality == "text" and not isinstance(item, str):
            raise InputError(
                f"Input {stretch.start + at} is not a text but {type(item).__name__}.", hint="Give strings."
            )


def _numbered(error: InputError, stretch: Stretch, at: int) -> InputError:
    """The error with the input's number, where its message cannot name a path."""
    if isinstance(stretch.items[at], str | Path | InputError) or error.message.startswith("Input "):
        return error
    return InputError(f"Input {stretch.start + at}: {error.message}", hint=error.hint)


def _called(stretch: Stretch, at: int) -> str:
    """How a message names an input: its path, else its number."""
    item = stretch.items[at]
    return str(item) if isinstance(item, Path) else f"Input {stretch.start + at}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
