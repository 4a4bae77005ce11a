"""JSON read a value at a time: what is taken, where it stands, and what is wrong with it."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from tlzoo.registry import scanning
from tlzoo.registry.scanning import Scanner, path_to


class Dripping(io.StringIO):
    """A file that gives one character at a time, whatever is asked for."""

    def read(self, size: int | None = -1) -> str:
        return super().read(1)


@pytest.fixture(params=[io.StringIO, Dripping])
def scan(request: pytest.FixtureRequest) -> Any:
    """A scanner of a text, from a file that gives it whole or in characters."""
    return lambda text: Scanner(request.param(text))


def test_a_value_is_read_whole_with_its_text_and_lines(scan: Any):
    scanner = scan(' \n {"a": [1,\n2.5]}\n"b" 12 true')
    assert scanner.value() == {"a": [1, 2.5]}
    assert (scanner.raw, scanner.line) == ('{"a": [1,\n2.5]}', 3)
    assert (scanner.peek(), scanner.line) == ('"', 4)
    assert [scanner.value(), scanner.value(), scanner.value()] == ["b", 12, True]
    assert (scanner.raw, scanner.peek(), scanner.peek()) == ("true", "", "")


def test_parts_are_those_of_an_object_and_of_an_array(scan: Any):
    scanner = scan('{"a": [1, 2], "b": [], "c": {}}')
    found: dict[str, Any] = {}
    for _ in scanner.parts("{", "}"):
        key = scanner.key()
        found[key] = [scanner.value() for _ in scanner.parts("[", "]")] if key != "c" else scanner.value()
    assert found == {"a": [1, 2], "b": [], "c": {}}
    assert scanner.peek() == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2,]", "trailing comma"),
        ("[1 2]", "expected ','"),
        ("[1", "expected ','"),
        ("{1}", "expected '['"),
        ("[1, ", "Expecting value"),
    ],
)
def test_what_is_no_array_is_refused(scan: Any, text: str, said: str):
    scanner = scan(text)
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        [scanner.value() for _ in scanner.parts("[", "]")]
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("text", "said"), [("1: 2", "expected a key"), ('"a" 2', "expected ':'"), ('"a"', "expected ':'")]
)
def test_what_is_no_key_is_refused(scan: Any, text: str, said: str):
    with pytest.raises(ValueError, match=said):
        scan(text).key()


def test_the_line_of_a_fault_is_that_where_it_stands(scan: Any):
    scanner = scan('\n{"a":\n\n nope}')
    with pytest.raises(ValueError, match="Expecting value"):
        scanner.value()
    assert scanner.line == 4


def test_duplicate_keys_and_what_is_no_number_are_those_of_the_last_value(scan: Any):
    scanner = scan('{"a": {"b": 1, "c": 2, "b": NaN}, "d": -Infinity} {"x": 1}')
    value = scanner.value()
    ((holder, key),) = scanner.repeated
    assert (key, path_to(value, holder), scanner.constants) == ("b", ("a",), ["NaN", "-Infinity"])
    scanner.value()
    assert (scanner.repeated, scanner.constants) == ([], [])


def test_a_value_beyond_the_limit_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scanning, "_CHUNK", 4)
    monkeypatch.setattr(scanning, "_LARGEST_VALUE", 8)
    file = io.StringIO('"' + "a" * 100 + '"')
    with pytest.raises(ValueError, match="Unterminated string"):
        Scanner(file).value()
    assert file.tell() == 16
    assert Scanner(io.StringIO('"aaaaaaaaaaaaa"')).value() == "a" * 13


@pytest.mark.parametrize(
    ("node", "path"),
    [(["x", {"y": "HERE"}], (1, "y")), ("HERE", ()), ({"a": [], "b": [["HERE"]]}, ("b", 0, 0)), ([], None)],
)
def test_the_way_to_an_object_is_its_keys_and_places(node: Any, path: tuple[str | int, ...] | None):
    wanted: dict[str, Any] = {}

    def put(each: Any) -> Any:
        if each == "HERE":
            return wanted
        if isinstance(each, dict):
            return {key: put(value) for key, value in each.items()}
        return [put(value) for value in each] if isinstance(each, list) else each

    assert path_to(put(node), wanted) == path
    assert path_to(put(node), wanted, ("z",)) == (None if path is None else ("z", *path))
