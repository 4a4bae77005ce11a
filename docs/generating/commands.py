"""The command line, from the apps themselves."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import typer

from generating.tables import code, table
from tlzoo.cli import COMMANDS, module_of


def command_of(name: str) -> Any:
    """The command of this name, as the parser that `tlzoo` runs."""
    return typer.main.get_command(importlib.import_module(module_of(name)).app)


def every_command() -> Iterator[tuple[str, Any]]:
    """Each command and each of its commands with what is typed to run it, such as `tlzoo plugins list`."""
    for name in COMMANDS:
        yield from _with_children(f"tlzoo {name}", command_of(name))


def _with_children(typed: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield typed, command
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from _with_children(f"{typed} {name}", child)


def page() -> str:
    """A section for each command: what it does, how it is typed, its arguments and options."""
    return "\n\n".join(_section(typed, command) for typed, command in every_command())


def _section(typed: str, command: Any) -> str:
    context = command.context_class(command, info_name=typed)
    depth = "#" * min(4, len(typed.split()))
    usage = command.get_usage(context).removeprefix("Usage: ")
    parts = [f"{depth} {typed}", _plain(command.help or ""), f"```text\n{' '.join(usage.split())}\n```"]
    for panel, rows in _panels(command, context).items():
        parts.append(table((panel, ""), rows))
    return "\n\n".join(parts)


def _panels(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:
    panels: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.params:
        record = None if parameter.hidden else parameter.get_help_record(context)
        if record is not None:
            plain = "Arguments" if parameter.param_type_name == "argument" else "Options"
            row = (code(record[0]), _plain(record[1]))
            panels.setdefault(parameter.rich_help_panel or plain, []).append(row)
    return panels


def _plain(text: str) -> str:
    """Help as it reads on a terminal, where a bracket behind a backslash is a bracket; `<` and `*` stay as they are."""
    for mark in "[]<*_":
        text = text.replace("\\" + mark, mark).replace(mark, "\\" + mark)
    return text
