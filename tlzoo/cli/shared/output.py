"""What commands share: an app that stays out of the way, one JSON document, a table."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO

import typer
from typer.core import TyperCommand, TyperGroup

from tlzoo.errors import UsageError
from tlzoo.io.disk import DISK_ERRNOS
from tlzoo.io.texts import json_text
from tlzoo.progress import printable, say, set_quiet


def announce(line: str, quiet: bool) -> None:
    """Switch progress on or off and say what begins, before imports that take seconds."""
    set_quiet(quiet)
    say(line)


def announce_file(file: Path, quiet: bool) -> None:
    """As `announce`, of a model that is there; of another the error says enough."""
    set_quiet(quiet)
    if file.exists():
        say(f"Loading {file}")


_HELP = {"help_option_names": ["--help", "-h"]}


def unknown_command(name: str, commands: Iterable[str], program: str) -> UsageError:
    """The error for a command that `program`, such as `tlzoo plugins`, does not have, with the one it is near."""
    from difflib import get_close_matches  # commands that are known do without

    near = get_close_matches(name, commands, 1)
    hint = f"Did you mean: {program} {near[0]}" if near else f"See: {program} --help"
    return UsageError(f"Unknown command {name!r}.", hint=hint)


class _Strict:
    """What refuses an option that is given twice but takes one value, of which the parser would keep the last, and an
    empty path, which pathlib would read as the folder one is in."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        values, _, given = self.make_parser(ctx).parse_args(args=list(args))  # type: ignore[attr-defined]
        for option in given:
            several = getattr(option, "multiple", False) or option.nargs != 1 or option.param_type_name != "option"
            switch = getattr(option, "is_flag", False) and not option.secondary_opts
            if given.count(option) > 1 and not several and not switch:
                raise UsageError(f"`{option.name}` is given twice.", hint="Give it once.", parameter=option.name)
        parsed: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        for name, value in values.items():
            if value == "" and isinstance(ctx.params.get(name), Path):
                raise UsageError(f"`{name}` cannot be empty.", hint="Give a path.", parameter=name)
        return parsed


class _Command(_Strict, TyperCommand):
    pass


class _Group(_Strict, TyperGroup):
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise unknown_command(args[0], self.list_commands(ctx), ctx.command_path)
        return super().resolve_command(ctx, args)


class _App(typer.Typer):
    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        return super().command(name, **{"cls": _Command, "context_settings": _HELP, **settings})


def make_app(help: str) -> typer.Typer:
    """A Typer app whose errors are left to `tlzoo.cli.main`."""
    return _App(help=help, cls=_Group, context_settings=_HELP, add_completion=False, pretty_exceptions_enable=False)


def single(function: Callable[..., None]) -> typer.Typer:
    """An app of one command; its help is the function's docstring."""
    app = make_app(function.__doc__ or "")
    app.command()(function)
    return app


_reserved: ContextVar[TextIO | None] = ContextVar("reserved", default=None)


@contextmanager
def reserved_stdout() -> Iterator[None]:
    """Keep stdout for JSON: whatever else prints, a plugin, a library or a program it starts, goes to stderr."""
    with _own_stdout() as stream:
        token = _reserved.set(stream)
        try:
            with redirect_stdout(sys.stderr):
                yield
        finally:
            _reserved.reset(token)


@contextmanager
def separate_stdout() -> Iterator[None]:
    """Keep stdout for what Python prints: what compiled code or a program writes to its descriptor goes to stderr."""
    with _own_stdout() as stream:
        token = _reserved.set(stream)
        try:
            with redirect_stdout(stream):
                yield
        finally:
            _reserved.reset(token)


@contextmanager
def _own_stdout() -> Iterator[TextIO]:
    """A stream to where stdout leads, whose descriptor leads to stderr meanwhile; stdout itself where it has none."""
    stdout = sys.stdout
    try:
        number, errors = stdout.fileno(), sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):  # a test's, or a notebook's
        yield stdout
        return
    stdout.flush()
    kept = os.dup(number)
    os.dup2(errors, number)
    buffering = 1 if os.isatty(kept) else -1
    try:
        with open(kept, "w", buffering, stdout.encoding, stdout.errors, closefd=False) as stream:
            try:
                yield stream
                stream.flush()
            except OSError as cause:
                if cause.errno in DISK_ERRNOS and cause.filename is None:
                    with suppress(OSError):
                        os.dup2(os.open(os.devnull, os.O_WRONLY), kept)  # else closing it fails again
                    raise OSError(cause.errno, cause.strerror, "stdout") from cause
                raise
    finally:
        os.dup2(kept, number)
        os.close(kept)


def answer_stream() -> TextIO:
    """Where answers go: stdout, whatever `sys.stdout` is while plugins run."""
    return _reserved.get() or sys.stdout


def print_json(document: Any, indent: int | None = 2) -> None:
    """One JSON document on stdout; without an indent on one line."""
    stream = answer_stream()
    stream.write(json_text(document, stream.encoding or "utf-8", indent))


def print_line(row: Iterable[object]) -> None:
    """One tab-separated line, whatever is in the cells."""
    print("\t".join(re.sub(r"\s*[\t\n]\s*", " ", _cell(cell)) for cell in row), file=answer_stream())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on a terminal, tab-separated lines elsewhere."""
    if not answer_stream().isatty():
        for row in [columns, *rows]:
            print_line(row)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_cell(cell)) for cell in row))  # a string would be read as markup
    Console(file=answer_stream()).print(table)


def _cell(value: object) -> str:
    return "" if value is None else printable(str(value))


def span(low: float | None, high: float | None, shown: str = ".4f") -> str:
    """An interval in words; a side without a bound is `None`."""
    if low is None:
        return "any value" if high is None else f"{high:{shown}} or less"
    return f"{low:{shown}} or more" if high is None else f"{low:{shown}} to {high:{shown}}"
