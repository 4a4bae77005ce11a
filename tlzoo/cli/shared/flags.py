"""What arguments in messages are called on a command line, and its parser's errors in tlzoo's words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

_ARGUMENT = re.compile(r"`([a-z][a-z0-9_]*)(?:=([^`]*))?`")
_CALLED = {
    "agreement": "min_agreement",
    "batches": "batch",
    "columns": "column",
    "difference": "max_difference",
    "drop": "max_drop",
    "others": "column",
    "providers": "provider",
}
"""The options that set an argument of another name."""
_QUOTED = ("", " ", ";", "|", "&", "\\t")
"""Values that a shell would not pass on without quotes."""


def with_flags(text: str, app: Any = None) -> str:
    """A message whose arguments between backticks, as `epochs=3` or `cache=False`, are the flags of the command `app`.

    An item of a mapping, such as `preprocess={'max_length': 512}`, is the flag of that name, or `--preprocess
    max_length=512` where there is none.
    """
    names = _flags(app)

    def flag(found: re.Match[str]) -> str:
        return " ".join(_spelled(found[1], (found[2] or "").strip(), names))

    return _ARGUMENT.sub(flag, text)


@cache
def _flags(app: Any) -> dict[str, str]:
    """What a command calls its parameters: `--epochs`, or `DATA` where it has no dashes."""
    if app is None:
        return {}
    from typer.main import get_command

    return {each.name: _called(each) for each in getattr(get_command(app), "params", ())}


def _called(parameter: Any) -> str:
    """What a person types for a parameter of a command, or what its help calls it."""
    flag: str = max(parameter.opts, key=len)
    return flag if flag.startswith("-") else parameter.metavar or flag.upper()


def _spelled(name: str, value: str, names: Mapping[str, str]) -> Iterator[str]:
    items = _items(value)
    if items is not None:
        for each, given in items.items():
            if isinstance(given, dict) or each in names or name == "thresholds":
                yield from _spelled(each, repr(given), names)
            else:
                yield f"{_flag(name, names)} {each.removesuffix('_column')}={given}"
        return
    flag = _flag(name, names)
    if value in ("True", "False"):
        yield flag if value == "True" else f"--no-{flag[2:]}"
    else:
        bare = value.strip(chr(39))
        yield f"{flag} {value if value != bare and bare in _QUOTED else bare}".rstrip()


def _flag(name: str, names: Mapping[str, str]) -> str:
    name = name if name in names else _CALLED.get(name, name)
    return names.get(name) or "--" + name.replace("_", "-")


def _items(value: str) -> dict[str, Any] | None:
    if not value.startswith("{"):
        return None
    try:
        found = ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def parser_message(error: Any) -> str:
    """What the command line's parser says, as tlzoo says it of its own options; empty for what it says well itself."""
    from tlzoo.options.checked import expected_value

    if hasattr(error, "option_name") and hasattr(error, "possibilities"):
        near = " or ".join(error.possibilities or ())
        return f"Unknown option {error.option_name}.{f' Did you mean {near}?' if near else ''}"
    cause, parameter = error.__cause__, getattr(error, "param", None)
    if parameter is None or not hasattr(cause, "errors"):
        return ""
    first = cause.errors()[0]
    given, low, high = first["input"], getattr(parameter, "min", None), getattr(parameter, "max", None)
    expected = expected_value(first) if None in (low, high) else f"a number, {low:g} to {high:g}"
    return f"{_called(parameter)} cannot be {given if _is_number(given) else repr(given)}. Give {expected}."


def _is_number(text: object) -> bool:
    return bool(re.fullmatch(r"[+-]?[0-9]*\.?[0-9]+", str(text)))
