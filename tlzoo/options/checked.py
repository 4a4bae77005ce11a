"""Frozen dataclasses whose fields pydantic checks, once they differ from their defaults."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from types import UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    Self,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from tlzoo.errors import UsageError

OTHER = "another value"
"""What is expected where nothing more is known."""
UNBOUNDED = 10**9
"""Stands for no upper bound."""


class Range(NamedTuple):
    """The inclusive range of a number; in an `Annotated`, pydantic checks it."""

    ge: float
    le: float = UNBOUNDED

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        return {**handler(source), "ge": self.ge, "le": self.le}


_PYDANTIC_MODELS: dict[type, Any] = {}
_OPTIONS: dict[type, Mapping[str, Option]] = {}


def field_names(cls: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cls))


@dataclass(frozen=True, eq=False, repr=False)
class CheckedOptions:
    """Fields are checked when an instance is made; raises UsageError, whose `parameter` is the field's name."""

    flat_names: ClassVar[Mapping[str, str]] = {}
    """What keywords, flags and `run.json` call a field, where that is not its name."""
    _given: ClassVar[tuple[str, ...]] = ()

    def __new__(cls, *values: Any, **given: Any) -> Self:
        for name in given:
            if name not in field_names(cls):
                raise cls.unknown(name)
        made = super().__new__(cls)
        by_place = [field.name for field in fields(cls) if field.init and not field.kw_only]
        named = (*by_place[: len(values)], *given)
        if set(named) == set(field_names(cls)):  # by dataclasses.replace
            named = tuple(name for name in named if given.get(name, CheckedOptions) != getattr(cls, name, None))
        object.__setattr__(made, "_given", named)
        return made

    @classmethod
    def unknown(cls, name: str) -> UsageError:
        """The error for an unknown field."""
        fields_of = {flat_name: field for field, flat_name in cls.flat_names.items()}
        if name in fields_of:
            return UsageError(
                f"{cls.__name__} has no field `{name}`.", hint=f"Give `{fields_of[name]}`.", parameter=name
            )
        return unknown_option(name, field_names(cls))

    def __repr__(self) -> str:
        changed = [name for name in field_names(type(self)) if getattr(self, name) != getattr(type(self), name, None)]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in changed)})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and flat(self) == flat(other)

    def __hash__(self) -> int:
        return hash(tuple(flat(self).items()))

    def __post_init__(self) -> None:
        cls = type(self)
        if all(getattr(self, name) is getattr(cls, name, CheckedOptions) for name in field_names(cls)):
            return  # defaults need no check, and no import of pydantic
        from pydantic import ValidationError

        try:
            checked = _model(cls).model_validate(
                {name: _expand(cls, name, getattr(self, name)) for name in field_names(cls)}
            )
        except ValidationError as cause:
            first = cause.errors()[0]
            name = str(first["loc"][0])
            option = options_of(cls).get(self.flat_names.get(name, name))
            expected = (option and option.expected_instead_of(getattr(self, name))) or expected_value(first)
            raise UsageError(
                f"`{name}` cannot be {getattr(self, name)!r}.", hint=f"Give {expected}.", parameter=name
            ) from cause
        for name in field_names(cls):
            object.__setattr__(self, name, getattr(checked, name))


def expected_value(error: Mapping[str, Any]) -> str:
    """What pydantic expects, of one of its errors, in tlzoo's words."""
    kind, bounds = error["type"], error.get("ctx", {})
    sides = {"ge": "{:g} or more", "le": "{:g} or less", "gt": "more than {:g}", "lt": "less than {:g}"}
    for name, words in sides.items():
        if name in bounds:
            return words.format(bounds[name])
    names = {"int": "a whole number", "float": "a number", "bool": "true or false", "string": "a text"}
    words = names.get(kind.partition("_")[0], "")
    return words or (f"one of: {bounds['expected']}" if kind == "literal_error" else OTHER)


def _model(cls: type[Any]) -> Any:
    """A pydantic model that checks the fields of a class. Made when the first is checked: `--help` does without."""
    if cls in _PYDANTIC_MODELS:
        return _PYDANTIC_MODELS[cls]
    from pydantic import ConfigDict, create_model

    hints = get_type_hints(cls, include_extras=True)
    given: dict[str, Any] = {name: (hints[name], ...) for name in field_names(cls)}
    _PYDANTIC_MODELS[cls] = create_model(
        cls.__name__, __config__=ConfigDict(strict=True, arbitrary_types_allowed=True), **given
    )
    return _PYDANTIC_MODELS[cls]


def _expand(cls: type[Any], name: str, value: Any) -> Any:
    """A field's value: an Augment or a Cache where a policy or a switch stands for it, a number of Python's for one of
    numpy's."""
    default = getattr(cls, name, None)
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if not (isinstance(default, CheckedOptions) and isinstance(value, str | bool)):
        return value
    with _by_flat_names(type(default)):
        return type(default)(value)


@contextmanager
def _by_flat_names(cls: type[CheckedOptions]) -> Iterator[None]:
    """Errors of what is made of flat names have these."""
    try:
        yield
    except UsageError as error:
        message, hint = (
            re.sub(r"`(\w+)", lambda found: "`" + cls.flat_names.get(found[1], found[1]), text)
            for text in (error.message, error.hint)
        )
        name = cls.flat_names.get(error.parameter, error.parameter)
        raise UsageError(message, hint=hint, parameter=name) from error.__cause__


@dataclass(frozen=True)
class Option:
    """An option by its flat name: its type, default, range and meaning."""

    name: str
    kind: type
    default: Any
    choices: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    help: str

    @property
    def allowed(self) -> str:
        """The allowed values as text; empty for free text and switches."""
        if self.minimum is None or self.maximum is None:
            return ", ".join(self.choices)
        span = (
            f"{self.minimum:.9g} or more" if self.maximum >= UNBOUNDED else f"{self.minimum:.9g} to {self.maximum:.9g}"
        )
        return ", or ".join([span, *self.choices])

    def takes(self, number: float) -> bool:
        """Whether a number is in its range."""
        return self.minimum is None or self.maximum is None or self.minimum <= number <= self.maximum

    @property
    def default_text(self) -> str:
        """Its default as text; empty where the help describes it."""
        if self.default is None or self.kind is bool:
            return {True: "on", False: "off"}.get(self.default, "")
        return f"{self.default:g}" if self.kind is float else str(self.default)

    @property
    def expected(self) -> str:
        """The expected value, for a hint; empty for a number without a range."""
        if self.minimum is None:
            text = f"a text, such as {self.default!r}" if self.default else "a text"
            others = {bool: "True or False", str: text}.get(self.kind, "")
            return f"one of: {self.allowed}" if self.choices else others
        return f"a {'whole number' if self.kind is int else 'number'}, {self.allowed}"

    def expected_instead_of(self, value: Any) -> str:
        """As `expected`; for a value above the range, with the largest allowed, however large that is."""
        above = isinstance(value, int | float) and self.maximum is not None and value > self.maximum
        if not above or self.maximum is None or self.maximum < UNBOUNDED:
            return self.expected
        largest = f"{self.maximum:d}" if isinstance(self.maximum, int) else f"{self.maximum:.9g}"
        return self.expected.replace("or more", f"to {largest}")


def options_of(cls: type[Any]) -> Mapping[str, Option]:
    """The options that a class has, by their flat names."""
    if cls in _OPTIONS:
        return _OPTIONS[cls]
    hints, found = get_type_hints(cls, include_extras=True), dict[str, Option]()
    for field in fields(cls):
        if isinstance(field.default, CheckedOptions):
            found |= options_of(type(field.default))
        else:
            name = cls.flat_names.get(field.name, field.name)
            found[name] = _option(name, hints[field.name], field.default)
    _OPTIONS[cls] = found
    return found


def _option(name: str, hint: Any, default: Any) -> Option:
    parts = list(_parts(hint))
    span = next((part for part in parts if isinstance(part, Range)), None)
    choices = tuple(choice for part in parts if get_origin(part) is Literal for choice in get_args(part))
    return Option(
        name=name,
        kind=next((part for part in parts if part in (bool, int, float)), str),
        default=default,
        choices=choices,
        minimum=span and span.ge,
        maximum=span and span.le,
        help=next((part for part in parts if isinstance(part, str)), ""),
    )


def _parts(hint: Any) -> Iterator[Any]:
    """The types, literals, ranges and meaning that an annotation is made of."""
    if get_origin(hint) is Annotated:
        yield from _parts(hint.__origin__)
        yield from hint.__metadata__
    elif get_origin(hint) in (Union, UnionType):
        for each in get_args(hint):
            yield from _parts(each)
    else:
        yield hint


def flat(options: CheckedOptions) -> dict[str, Any]:
    """The options by their flat names, as `run.json` holds them."""
    found: dict[str, Any] = {}
    for name in field_names(type(options)):
        value = getattr(options, name)
        found |= flat(value) if isinstance(value, CheckedOptions) else {options.flat_names.get(name, name): value}
    return found


def given_options(options: CheckedOptions) -> dict[str, Any]:
    """The options that were given when this was made, be it at their defaults, by their flat names."""
    found: dict[str, Any] = {}
    for name in options._given:
        value = getattr(options, name)
        whole = isinstance(value, CheckedOptions)
        found |= given_options(value) if whole else {options.flat_names.get(name, name): value}
    return found


def from_flat(cls: type[Any], given: Mapping[str, Any]) -> Any:
    """An instance from values by flat names; other names are ignored."""
    values = {}
    for field in fields(cls):
        if isinstance(field.default, CheckedOptions):
            values[field.name] = from_flat(type(field.default), given)
        elif (name := cls.flat_names.get(field.name, field.name)) in given:
            values[field.name] = given[name]
    with _by_flat_names(cls):
        return cls(**values)


def unknown_option(name: str, known: Sequence[str], others: Sequence[str] = ()) -> UsageError:
    """The error for an unknown option, with similar names of `known`, which are options, and of other arguments."""
    import difflib  # `--help` does without

    if name in others:
        hint = f"Give it as an argument of its own, `{name}`."
        return UsageError(f"`{name}` is no option of a strategy.", hint=hint, parameter=name)
    near = [f"`{each}`" for each in difflib.get_close_matches(name, dict.fromkeys([*known, *others]), 3)]
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Options: {', '.join(f'`{each}`' for each in known)}."
    return UsageError(f"Unknown option `{name}`.", hint=hint, parameter=name)
