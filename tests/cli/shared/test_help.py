"""What `--help` shows of every command."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import typer

from tlzoo.cli import COMMANDS, module_of


def every_command() -> Iterator[Any]:
    """The commands, and the commands of groups."""
    for name in COMMANDS:
        command = typer.main.get_command(importlib.import_module(module_of(name)).app)
        yield from getattr(command, "commands", {"": command}).values()


def test_arguments_are_shown_as_the_text_names_them():
    shown = {
        (command.name, part.metavar)
        for command in every_command()
        for part in command.params
        if part.param_type_name == "argument"
    }
    assert len(shown) > 20
    assert {each for each in shown if not str(each[1]).split(".")[0].isupper()} == set()
