"""The hooks and what they hand over, from `tlzoo.plugins.hookspecs` and `tlzoo.interfaces`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from generating.tables import code, table
from tlzoo import interfaces as module
from tlzoo.plugins import hookspecs

EXAMPLE = re.compile(r"^>>> .*?(?=^$|\Z)", re.DOTALL | re.MULTILINE)


def hooks() -> dict[str, Callable[..., Any]]:
    """Every hook specification by name, in the order of the file."""
    return {name: value for name, value in vars(hookspecs).items() if hasattr(value, "tlzoo_spec")}


def page() -> str:
    """A section for each hook: its signature, its docstring, its arguments."""
    return "\n\n".join(_section(name, hook) for name, hook in hooks().items())


def _section(name: str, hook: Callable[..., Any]) -> str:
    signature = inspect.signature(hook)
    arguments = [(code(each.name), code(each.annotation)) for each in signature.parameters.values()]
    return "\n\n".join(
        [
            f"## {name}",
            f"```python\n{name}({', '.join(signature.parameters)}) -> {signature.return_annotation}\n```",
            examples_fenced(inspect.cleandoc(hook.__doc__ or "")),
            *([table(("argument", "type"), arguments)] if arguments else []),
        ]
    )


def examples_fenced(docstring: str) -> str:
    """A docstring with its examples, from a prompt to the end of the paragraph, as blocks of code."""
    return EXAMPLE.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", docstring).rstrip()


def parts() -> str:
    """A section for each dataclass that hooks take or return: its docstring and its fields."""
    found = [value for value in vars(module).values() if is_dataclass(value) and value.__module__ == module.__name__]
    return "\n\n".join(_part(each) for each in found if isinstance(each, type))


def _part(part: type) -> str:
    rows = [(code(each.name), code(each.type), _default(each)) for each in fields(part)]
    return "\n\n".join(
        [f"### {part.__name__}", inspect.cleandoc(part.__doc__ or ""), table(("field", "type", "default"), rows)]
    )


def _default(field: Field[Any]) -> str:
    if field.default_factory is not MISSING:
        return code(repr(field.default_factory()))
    if isinstance(field.default, type):
        return code(field.default.__name__)
    return "" if field.default is MISSING else code(repr(field.default))
