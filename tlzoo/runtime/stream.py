"""Any number of inputs through a model: prepared in other threads, batched, answered in order, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tlzoo.errors import InputError
from tlzoo.io.cores import available_cores
from tlzoo.io.texts import SURROGATE_HINT, has_lone_surrogate
from tlzoo.preprocess import Preprocessor, longer_in, row_lengths, with_contexts
from tlzoo.preprocess.prefetch import Arrays, prefetch_map
from tlzoo.tasks.base import Output
from tlzoo.tasks.rows import OutputCollector, Rows, finite, select

WINDOW = 32
"""Texts are sorted by length within this many batches; the first windows are shorter, so that answers come soon."""

RunBatch = Callable[[Arrays], dict[str, np.ndarray]]

_NUMBERED = re.compile(r"Input \d+")
"""How preprocessing names one of the inputs it was given."""


class NotFinite(InputError):
    """The model returns NaN or infinity for an input."""


@dataclass(frozen=True)
class Batch:
    """Arrays that the session takes, the positions of their inputs, and what preprocessing knows of each.

    `longer` are the positions of inputs that were cut at the end.
    """

    positions: list[int]
    arrays: Arrays
    contexts: list[Any]
    longer: frozenset[int] = frozenset()

    def half(self, part: slice) -> Batch:
        """Some of its inputs."""
        arrays = {name: array[part] for name, array in self.arrays.items()}
        return Batch(self.positions[part], arrays, self.contexts[part], self.longer)


@dataclass(frozen=True)
class PreparedBatches:
    """Batches, and the inputs that cannot be read."""

    batches: list[Batch]
    errors: dict[int, InputError]


@dataclass
class Chunk:
    """Consecutive inputs, from number `start` on, with their outputs and contexts; of an error, no matter what.

    `longer` are those that were cut at the end.
    """

    start: int
    items: list[Any]
    rows: OutputCollector
    contexts: list[Any]
    errors: dict[int, InputError] = field(default_factory=dict)
    longer: set[int] = field(default_factory=set)

    @property
    def outputs(self) -> dict[str, Rows]:
        """The outputs by name; none where no input could be read."""
        return self.rows.outputs()

    def put(self, batch: Batch, outputs: Arrays) -> None:
        """Keep what the model gave for a batch."""
        lengths = row_lengths(batch.arrays)
        self.rows.put(batch.positions, outputs, None if lengths is None else lengths.tolist())
        for at, context in zip(batch.positions, batch.contexts, strict=True):
            self.contexts[at] = context
        self.longer |= batch.longer.intersection(batch.positions)

    def raise_first(self, finite: bool) -> None:
        """Raise the error of the first input that has one; unless `finite`, not of an answer of NaN or infinity."""
        for _, error in sorted(self.errors.items()):
            if finite or not isinstance(error, NotFinite):
                raise error


@dataclass(frozen=True)
class BatchPlan:
    """How inputs are batched: `batch` of them at a time, texts by length, pictures of any size with their like.

    `outputs` are those of the task, `contextual` says whether it asks what preprocessing knows of an input.
    """

    modality: str
    batch: int
    each: bool
    """Whether inputs are prepared one by one: those whose arrays all have one shape, or each its own."""
    outputs: tuple[Output, ...] = ()
    contextual: bool = False


def predict_chunks(inputs: Iterable[Any], preprocess: Preprocessor, run: RunBatch, plan: BatchPlan) -> Iterator[Chunk]:
    """The inputs in order, a chunk at a time; `inputs` is read as far ahead as the threads that prepare need.

    Pictures and recordings are decoded in as many threads as there are cores: decoders and ONNX Runtime both let go of
    Python's lock.
    """
    threads = available_cores() if plan.each else 1
    tasks = prefetch_map(_tasks(inputs, plan), lambda task: (task, _prepare(*task[:2], preprocess, plan)), threads)
    for (chunk, _, last), prepared in tasks:
        for batch in prepared.batches:
            _run_into(chunk, batch, run)
        chunk.errors.update(prepared.errors)
        if last:
            yield chunk


def _run_into(chunk: Chunk, batch: Batch, run: RunBatch) -> None:
    """Keep what the model gives; a batch that it cannot take is halved, until the inputs at fault are known."""
    positions = batch.positions
    try:
        outputs = run(batch.arrays)
    except InputError as error:
        if len(positions) == 1:
            chunk.errors[positions[0]] = _with_number(error, chunk, positions[0])
            return
        middle = len(positions) // 2
        for part in (slice(None, middle), slice(middle, None)):
            _run_into(chunk, batch.half(part), run)
        return
    chunk.put(batch, outputs)
    for row in np.flatnonzero(~finite(select(chunk.outputs, positions))):
        at = positions[int(row)]
        chunk.errors[at] = NotFinite(
            f"{_input_label(chunk, at)}: the model returns NaN or infinity.",
            hint="Leave it out; if other inputs fail too, export the model again.",
        )


def _tasks(inputs: Iterable[Any], plan: BatchPlan) -> Iterator[tuple[Chunk, list[int], bool]]:
    """Batches of positions within their chunk, and whether it is the chunk's last."""
    by_length = plan.modality == "text"
    rest, start, batches = iter(inputs), 0, 1
    while items := list(islice(rest, plan.batch * batches)):
        rows = OutputCollector(plan.outputs, len(items))
        chunk, order = Chunk(start, items, rows, [None] * len(items)), list(range(len(items)))
        if by_length:
            order.sort(key=lambda at: _size(items[at]))
            batches = min(2 * batches, WINDOW)
        for first in range(0, len(order), plan.batch):
            yield chunk, order[first : first + plan.batch], first + plan.batch >= len(order)
        start += len(items)


def _size(item: Any) -> int:
    """How long a text is, several of one input together."""
    if isinstance(item, tuple):
        return sum(map(_size, item))
    return len(item) if isinstance(item, str) else 0


def _prepare(chunk: Chunk, positions: list[int], preprocess: Preprocessor, plan: BatchPlan) -> PreparedBatches:
    """The inputs at these positions as batches; one that cannot be read does not keep the others from it."""

    def make_batch(chosen: list[int]) -> Batch:
        items = [chunk.items[at] for at in chosen]
        contexts: list[Any] = [None] * len(items)
        if plan.contextual:
            arrays, contexts = with_contexts(preprocess, items)
        else:
            arrays = preprocess(items)
        longer = longer_in(arrays) or [False] * len(items)
        return Batch(chosen, arrays, contexts, frozenset(at for at, cut in zip(chosen, longer, strict=True) if cut))

    if not plan.each or len(positions) == 1:
        try:
            _check(chunk, positions, plan)
            return PreparedBatches([make_batch(positions)], {})
        except InputError as error:
            if len(positions) == 1:
                return PreparedBatches([], {positions[0]: _with_number(error, chunk, positions[0])})
    prepared: dict[int, Batch] = {}
    errors: dict[int, InputError] = {}
    for at in positions:
        try:
            _check(chunk, [at], plan)
            prepared[at] = make_batch([at])
        except InputError as error:
            errors[at] = _with_number(error, chunk, at)
    if plan.each:
        return PreparedBatches(_by_shape(prepared), errors)
    good = list(prepared)
    return PreparedBatches([make_batch(good)] if good else [], errors)


def _by_shape(prepared: dict[int, Batch]) -> list[Batch]:
    """Batches of one input each, joined where the shapes of their arrays are the same."""
    alike: dict[tuple[Any, ...], list[int]] = {}
    for at, batch in prepared.items():
        alike.setdefault(tuple((name, array.shape) for name, array in batch.arrays.items()), []).append(at)
    return [
        Batch(
            group,
            {name: np.concatenate([prepared[at].arrays[name] for at in group]) for name in prepared[group[0]].arrays},
            [prepared[at].contexts[0] for at in group],
            frozenset[int]().union(*(prepared[at].longer for at in group)),
        )
        for group in alike.values()
    ]


def _check(chunk: Chunk, positions: Sequence[int], plan: BatchPlan) -> None:
    """Raise for an input that is an error itself, or no text of Unicode where one belongs."""
    for at in positions:
        item = chunk.items[at]
        if isinstance(item, InputError):
            raise item
        if plan.modality != "text":
            continue
        if strange := [type(each).__name__ for each in _parts(item) if not isinstance(each, str)]:
            raise InputError(f"Input {chunk.start + at} is not a text but {strange[0]}.", hint="Give strings.")
        if any(map(has_lone_surrogate, _parts(item))):
            raise InputError(f"Input {chunk.start + at} has half a surrogate pair.", hint=SURROGATE_HINT)


def _parts(item: Any) -> tuple[Any, ...]:
    return item if isinstance(item, tuple) else (item,)


def _with_number(error: InputError, chunk: Chunk, at: int) -> InputError:
    """The error with the input's number, where its message cannot name a path."""
    number = f"Input {chunk.start + at}"
    if _NUMBERED.match(error.message):  # among those that were prepared with it, perhaps alone
        return InputError(_NUMBERED.sub(number, error.message, count=1), hint=error.hint)
    if isinstance(chunk.items[at], str | Path | InputError):
        return error
    return InputError(f"{number}: {error.message}", hint=error.hint)


def _input_label(chunk: Chunk, at: int) -> str:
    """How a message names an input: its path, else its number."""
    item = chunk.items[at]
    return str(item) if isinstance(item, Path) else f"Input {chunk.start + at}"
