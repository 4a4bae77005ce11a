"""`tlzoo predict`. Torch-free."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlzoo.cli.shared.options import Json, Quiet
from tlzoo.cli.shared.output import print_json, print_line, print_table, single

if TYPE_CHECKING:
    from tlzoo.data import Columns
    from tlzoo.runtime.inputs import InputSpec
    from tlzoo.runtime.predictor import Predictor
    from tlzoo.tasks.base import Task

_TABLE = 200
"""A terminal shows this many answers as an aligned table; more come line by line."""
_NAMED_FAILURES = 10
Predictions = Iterator[Any]


def predict(
    file: Annotated[Path, typer.Argument(help="An exported ONNX file")],
    inputs: Annotated[
        list[str],
        typer.Argument(help="Files, folders, 'patterns/**/*.jpg', tables; texts for a text model; '-' reads stdin"),
    ],
    out: Annotated[Path | None, typer.Option(help="Write .jsonl, .csv or .tsv; grows as FILE.part")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a half-done --out file")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first input that cannot be read")] = False,
    column: Annotated[
        list[str] | None,
        typer.Option(help="Column of a table's inputs \\[text or path], or ROLE=NAME; again for more"),
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Only so many of the likeliest labels in scores")] = None,
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Probability that a label needs")] = None,
    embeddings: Annotated[bool, typer.Option("--embeddings", help="Add what the head sees (JSON only)")] = False,
    provider: Annotated[str | None, typer.Option(help="Such as cpu or cuda; never another instead \\[cpu]")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the model \\[one per core]")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Inputs per inference")] = 32,
    quiet: Quiet = False,
    json: Json = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object per line on stdout, as they come")] = False,
) -> None:
    """Label or rate pictures, recordings or texts with an exported ONNX file.

    Inputs that cannot be read are counted on stderr and have an error in the output; only when all of them fail, or
    with --strict, is the exit code 2.
    """
    from tlzoo.errors import UsageError
    from tlzoo.progress import set_quiet
    from tlzoo.runtime import load
    from tlzoo.runtime.inputs import named_inputs

    set_quiet(quiet)
    if resume and out is None:
        raise UsageError("--resume needs the file to go on with.", hint="Add --out FILE")
    if (out is not None) + json + jsonl > 1:
        raise UsageError("--out, --json and --jsonl exclude each other.", hint="Choose one.")
    predictor = load(file, providers=[provider] if provider else None, threads=threads)
    named = named_inputs(inputs, _input_spec(inputs, predictor, column or ()), _lines())
    tally = InputCounts()

    def answer(rest: Iterable[tuple[str, Any]]) -> Predictions:
        found = _predictions(
            predictor, rest, batch=batch, strict=strict, top_k=top_k, threshold=threshold, embeddings=embeddings
        )
        return tally.counted(found)

    if out is not None:
        _to_file(out, predictor.task.prediction.columns(), named, answer, resume=resume, embeddings=embeddings)
    else:
        _to_stdout(answer(named), "json" if json else "jsonl" if jsonl else "lines", tally)
    tally.report()


class InputCounts:
    """How many inputs there were, and which could not be read."""

    def __init__(self) -> None:
        self.total = self.failed = 0
        self.errors: list[str] = []

    def counted(self, answers: Predictions) -> Predictions:
        """The answers, counted as they pass."""
        for answer in answers:
            self.total += 1
            if answer.error is not None:
                self.failed += 1
                self.errors += [answer.error] if len(self.errors) < _NAMED_FAILURES else []
            yield answer

    def report(self) -> None:
        """Name on stderr the first inputs that failed, and count them; raises InputError when all did."""
        from tlzoo.errors import InputError

        if not self.failed:
            return
        if self.failed == self.total:
            also = f" So fail all {self.total} inputs." if self.total > 1 else ""
            raise InputError(f"{self.errors[0]}{also}")
        for error in self.errors:
            print(f"Skipped: {error}", file=sys.stderr)
        print(f"{self.failed} of {self.total} inputs could not be read.", file=sys.stderr)


def _names(task: Task, columns: Sequence[str]) -> dict[str, str]:
    """What tables call the task's roles: NAME is short for that of its only input. Raises UsageError for others."""
    from tlzoo.cli.shared.options import role_and_name
    from tlzoo.data.reading import check_roles

    inputs = [each.column or each.name for each in task.inputs]
    role, sign, _ = columns[0].partition("=") if columns else ("", "", "")
    if len(inputs) == len(columns) == 1 and not (sign and role in task.all_roles):
        return {inputs[0]: columns[0]}
    names = dict(map(role_and_name, columns))
    check_roles(task, names)
    return names


def _input_spec(inputs: list[str], predictor: Predictor, columns: Sequence[str]) -> InputSpec:
    """What to look for behind the inputs; raises UsageError for a pattern without files."""
    from tlzoo.data import endings_of, read
    from tlzoo.data.reading import EXTENSIONS
    from tlzoo.runtime.inputs import InputSpec, check_inputs

    modality, endings = predictor.task.modality, endings_of(predictor.manifest.preprocess)
    task = predictor.task
    names = _names(task, columns)
    roles = tuple(each.column or each.name for each in task.inputs)
    chosen = tuple(names.get(role, role) for role in roles)

    def samples(path: Path) -> Iterable[Any]:
        renamed: Columns = {"others": names}
        return read(path, task, columns=renamed, labelled=False, endings=endings).train.inputs

    own = samples if task.endings else None
    column = names.get(roles[0]) if len(roles) == 1 else None
    several = chosen if len(roles) > 1 else ()
    wanted = InputSpec(modality, endings or EXTENSIONS[modality], column, several, task.endings, own)
    check_inputs(inputs, wanted)
    return wanted


def _lines() -> Iterator[str]:
    """The lines of stdin, read when they are wanted."""
    yield from sys.stdin


def _predictions(predictor: Predictor, named: Iterable[tuple[str, Any]], **options: Any) -> Predictions:
    """Answers under the names of their inputs."""
    names: deque[str] = deque()

    def values() -> Iterator[Any]:
        for name, value in named:
            names.append(name)
            yield value

    for answer in predictor.stream(values(), **options):
        name = names.popleft()
        yield answer if answer.input == name else replace(answer, input=name)


def _to_file(
    out: Path,
    columns: Sequence[str],
    named: Iterator[tuple[str, Any]],
    answer: Callable[[Iterable[tuple[str, Any]]], Predictions],
    *,
    resume: bool,
    embeddings: bool,
) -> None:
    from tlzoo.progress import progress, say
    from tlzoo.runtime.results import find_resume_point, prediction_file, write_predictions

    into = prediction_file(out, columns, resume=resume, embeddings=embeddings)
    resumed = find_resume_point(into, named)
    if resumed.count:
        say(f"{into.part} answers {resumed.count} inputs already")
    with progress("Predicting", None, "inputs", resumed.count) as advance:
        write_predictions(into, resumed, answer(resumed.inputs), advance)
    say(f"Answers in {out}")


def _to_stdout(answers: Predictions, form: str, tally: InputCounts) -> None:
    if form == "json":
        documents = [answer.as_row() for answer in answers]
        if not documents or tally.failed < tally.total:
            print_json(documents)
        return
    if form == "jsonl":
        from tlzoo.runtime.results import json_line

        for answer in answers:
            sys.stdout.write(json_line(answer.as_row()))
        return
    _print_lines(answers)


def _print_lines(answers: Predictions) -> None:
    """Lines as they come; on a terminal, few answers are one aligned table."""
    lines = (answer.as_line() for answer in answers if answer.error is None)
    first = list(islice(lines, _TABLE if sys.stdout.isatty() else 1))
    if not first:
        return
    header = tuple(first[0])
    if sys.stdout.isatty() and len(first) < _TABLE:
        print_table(header, [tuple(line.values()) for line in first])
        return
    for row in chain([header], (tuple(line.values()) for line in chain(first, lines))):
        print_line(row)


app = single(predict)
