"""`tlzoo predict`. Torch-free."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlzoo.cli.shared.flags import with_flags
from tlzoo.cli.shared.options import Json, Quiet, says_how_written
from tlzoo.cli.shared.output import answer_stream, print_json, print_line, print_table, single
from tlzoo.io.stops import if_stopped

if TYPE_CHECKING:
    from tlzoo.data import Columns
    from tlzoo.io.inputs.report import ReadReport
    from tlzoo.runtime.inputs import InputSpec
    from tlzoo.runtime.predictor import Predictor
    from tlzoo.tasks.base import Task

_TABLE = 200
"""A terminal shows this many predictions as an aligned table; more come line by line."""
_NAMED_FAILURES = 10
Predictions = Iterator[Any]


@says_how_written("decimal", "label_separator", "label_columns", "label_names")
def predict(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An exported ONNX file")],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Files, folders, 'patterns/**/*.jpg', tables; texts for a text model; '-' reads stdin",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write to a .jsonl, .csv or .tsv file (FILE.part until complete)")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an unfinished --out file")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first input that cannot be read")] = False,
    column: Annotated[
        list[str] | None,
        typer.Option(help="Column of a table's inputs \\[text or path], or ROLE=NAME; repeatable"),
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="Every INPUT but '-' is a text, also one like a path")] = False,
    *,
    written: dict[str, Any],
    top_k: Annotated[int | None, typer.Option(min=1, help="Keep only the K likeliest labels in scores")] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Smallest probability of a predicted label")
    ] = None,
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="Add the features that the head receives (JSON only)")
    ] = False,
    provider: Annotated[
        str | None, typer.Option(help="ONNX Runtime provider, such as cuda; no fallback \\[cpu]")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the model \\[one per core]")] = None,
    trusted: Annotated[
        str | None, typer.Option(help="Refuse a file that this public key (base64 or a file) has not signed")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Batch size")] = 32,
    quiet: Quiet = False,
    json: Json = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object per line on stdout, as they come")] = False,
) -> None:
    """Predict labels or values of pictures, recordings or texts with an exported ONNX file.

    Inputs that cannot be read get an error in the output and are counted on stderr; the exit code is 2 only when all
    of them fail, or with --strict.
    """
    from tlzoo.errors import UsageError
    from tlzoo.plugins.containment import guard_workflow
    from tlzoo.progress import say, set_quiet
    from tlzoo.runtime import load
    from tlzoo.runtime.inputs import named_inputs

    set_quiet(quiet)
    if resume and out is None:
        raise UsageError("--resume needs --out.", hint="Add --out FILE.")
    if (out is not None) + json + jsonl > 1:
        raise UsageError("--out, --json and --jsonl are mutually exclusive.", hint="Choose one.")
    if embeddings and out is None and not (json or jsonl):
        raise UsageError(
            "--embeddings has no effect on lines of text.", hint="Add --json, --jsonl or --out FILE.jsonl."
        )
    with guard_workflow():
        predictor = load(file, providers=[provider] if provider else None, threads=threads, trusted=trusted)
        spec = _input_spec(inputs, predictor, column or (), written, text=text)
        named, counts = named_inputs(inputs, spec, _lines()), InputCounts()
        account = partial(_account, spec.report, counts, predictor)

        def answer(rest: Iterable[tuple[str, Any]]) -> Predictions:
            found = _predictions(
                predictor, rest, batch=batch, strict=strict, top_k=top_k, threshold=threshold, embeddings=embeddings
            )
            return counts.counted(found)

        if out is not None:
            _to_file(out, predictor.task.prediction.columns(), named, answer, resume=resume, embeddings=embeddings)
        else:
            _to_stdout(answer(named), "json" if json else "jsonl" if jsonl else "lines", counts, account)
        for line in account().lines():
            say(line)
        counts.report()


class InputCounts:
    """How many inputs there were, which could not be read, and how many are longer than what the model reads."""

    def __init__(self) -> None:
        self.total = self.failed = self.cut = 0
        self.errors: list[str] = []

    def counted(self, answers: Predictions) -> Predictions:
        """The answers, counted as they pass."""
        for answer in answers:
            self.total += 1
            if answer.error is not None:
                self.failed += 1
                self.errors += [answer.error] if len(self.errors) < _NAMED_FAILURES else []
            else:
                self.cut += answer.cut
            yield answer

    def report(self) -> None:
        """Name on stderr the first inputs that failed, and count them; raises InputError when all did."""
        from tlzoo.errors import InputError
        from tlzoo.progress import one_line

        if not self.failed:
            return
        if self.failed == self.total:
            also = f" All {self.total} inputs fail." if self.total > 1 else ""
            raise InputError(f"{self.errors[0]}{also}", parameter="inputs")
        for error in self.errors:
            print(f"Skipped: {one_line(error)}", file=sys.stderr)
        print(f"{self.failed} of {self.total} inputs could not be read.", file=sys.stderr)


def _account(report: ReadReport, counts: InputCounts, predictor: Predictor) -> ReadReport:
    """What was read, once all answers are there."""
    from tlzoo.data.dataset import NOUNS
    from tlzoo.io.inputs.report import CutCount
    from tlzoo.preprocess import limit_of

    task, limit = predictor.task, limit_of(predictor.preprocessor)
    report.used = counts.total - counts.failed
    if limit is not None and not task.overrides("windows"):
        report.cut = CutCount(counts.cut, report.used, *limit, NOUNS.get(task.modality, "inputs"))
    return report


def _names(task: Task, columns: Sequence[str]) -> dict[str, str]:
    """What tables call the task's roles: NAME is short for that of its only input. Raises UsageError for others."""
    from tlzoo.cli.shared.options import by_role
    from tlzoo.data.columns import check_roles

    inputs = [each.column or each.name for each in task.inputs]
    role, sign, _ = columns[0].partition("=") if columns else ("", "", "")
    if len(inputs) == len(columns) == 1 and not (sign and role in task.all_roles):
        return {inputs[0]: columns[0]}
    names = by_role(columns)
    check_roles(task, names)
    return names


def _input_spec(
    inputs: list[str], predictor: Predictor, columns: Sequence[str], written: Mapping[str, Any], *, text: bool
) -> InputSpec:
    """What to look for behind the inputs; raises UsageError for a pattern without files."""
    from tlzoo.data import check_columns, endings_of, read
    from tlzoo.data.columns import table_format
    from tlzoo.data.reading import EXTENSIONS
    from tlzoo.errors import UsageError
    from tlzoo.runtime.inputs import InputSpec, check_inputs, names_table

    how = check_columns(written)
    modality, endings = predictor.task.modality, endings_of(predictor.manifest.preprocess)
    if text and modality != "text":
        raise UsageError(f"--text has no effect: the model takes {modality}.", hint="Leave it out.")
    task = predictor.task
    names = _names(task, columns)
    roles = tuple(each.column or each.name for each in task.inputs)
    chosen = tuple(names.get(role, role) for role in roles)

    def samples(path: Path) -> Iterable[Any]:
        renamed: Columns = {"others": names, **how}
        return read(path, task, columns=renamed, labelled=False, endings=endings).train.inputs

    own = samples if task.endings else None
    column = names.get(roles[0]) if len(roles) == 1 else None
    several = chosen if len(roles) > 1 else ()
    spec = InputSpec(
        modality, endings or EXTENSIONS[modality], column, several, task.endings, own, table_format(how),
        how.get("files"), text,
    )  # fmt: skip
    check_inputs(inputs, spec)
    if (columns or how.keys() - {"encoding"}) and not names_table(inputs, spec):
        given = f"--column {columns[0]}" if columns else f"--{min(how.keys() - {'encoding'})}"
        raise UsageError(f"{given} has no effect: no input is a table.", hint="Leave it out.")
    return spec


def _lines() -> Iterator[str | bytes]:
    """The lines of stdin, read when they are wanted; as bytes, as one that is no text is an error of its own."""
    from tlzoo.errors import UsageError
    from tlzoo.io.texts import bounded_lines

    if sys.stdin is None or sys.stdin.closed:
        raise UsageError("Standard input is closed, and '-' stands for it.", hint="Name files or texts.")
    yield from bounded_lines(getattr(sys.stdin, "buffer", sys.stdin), "Standard input")


def _predictions(predictor: Predictor, named: Iterable[tuple[str, Any]], **options: Any) -> Predictions:
    """Answers under the names of their inputs."""
    names: deque[str] = deque()

    def values() -> Iterator[Any]:
        for name, value in named:
            names.append(name)
            yield value

    for answer in predictor.stream(values(), **options):
        name = names.popleft()
        if answer.error is not None:
            answer = replace(answer, error=with_flags(answer.error, app))
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
    from tlzoo.errors import UsageError
    from tlzoo.io.locks import output_lock
    from tlzoo.progress import progress, say
    from tlzoo.runtime.results import check_target, find_resume_point, prediction_file, write_predictions

    check_target(out, embeddings=embeddings, resume=resume)
    with output_lock(out, UsageError):
        into = prediction_file(out, columns, resume=resume, embeddings=embeddings)
        resume_point = find_resume_point(into, named)
        if resume_point.count:
            say(f"Resuming after {resume_point.count} predictions in {into.part}")
        go_on = f"The answers so far are whole: {into.part}. Go on with the same command and --resume."
        with if_stopped(go_on), progress("Predicting", None, "inputs", resume_point.count) as advance:
            write_predictions(into, resume_point, answer(resume_point.inputs), advance)
    say(f"Predictions in {out}")


def _to_stdout(answers: Predictions, form: str, counts: InputCounts, account: Callable[[], ReadReport]) -> None:
    if form == "json":
        found = list(answers)
        if not found or counts.failed < counts.total:
            broken = {str(answer.input): answer.error for answer in found if answer.error is not None}
            read = {**account().facts(), "broken": broken}
            print_json({"predictions": [answer.as_row() for answer in found], "read": read})
        return
    if form == "jsonl":
        for answer in answers:
            print_json(answer.as_row(), indent=None)
        return
    _print_lines(answers)


def _print_lines(answers: Predictions) -> None:
    """Lines as they come; on a terminal, few answers are one aligned table."""
    lines = (answer.as_line() for answer in answers if answer.error is None)
    first = list(islice(lines, _TABLE if answer_stream().isatty() else 1))
    if not first:
        return
    header = tuple(first[0])
    if answer_stream().isatty() and len(first) < _TABLE:
        print_table(header, [tuple(line.values()) for line in first])
        return
    for row in chain([header], (tuple(line.values()) for line in chain(first, lines))):
        print_line(row)


app = single(predict)
