"""What the command line's parser says is said in tlzoo's words, and what it is not asked stays as it is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from tlzoo.cli import main
from tlzoo.cli.shared.flags import parser_message, with_flags
from tlzoo.cli.shared.options import by_role, columns
from tlzoo.cli.shared.output import (
    announce,
    announce_file,
    answer_stream,
    make_app,
    print_json,
    print_line,
    print_table,
    reserved_stdout,
    separate_stdout,
    single,
    span,
    unknown_command,
)
from tlzoo.errors import UsageError
from tlzoo.progress import set_quiet


def one_number(count: int = typer.Option(3, min=1, max=9), share: float = typer.Option(0.5, min=0)) -> None:
    """Take a number."""


def parsed(*arguments: str) -> str:
    """What is said of arguments that the parser refuses."""
    from typer.main import get_command

    with pytest.raises(Exception) as caught:  # noqa: PT011 - the parser's errors have no common class
        get_command(single(one_number)).main(list(arguments), standalone_mode=False)
    return parser_message(caught.value)


@pytest.mark.parametrize(
    ("possibilities", "said"),
    [
        (["--count"], "Unknown option --cuont. Did you mean --count?"),
        (["--count", "--out"], "Unknown option --cuont. Did you mean --count or --out?"),
        ([], "Unknown option --cuont."),
        (None, "Unknown option --cuont."),
    ],
)
def test_an_unknown_option_is_named_with_those_like_it(possibilities: list[str] | None, said: str):
    assert parser_message(SimpleNamespace(option_name="--cuont", possibilities=possibilities)) == said


def test_the_parsers_own_unknown_option_is_said_alike():
    assert parsed("--cuont", "3") == "Unknown option --cuont. Did you mean --count?"


@pytest.mark.parametrize("fields", [{"option_name": "--count"}, {"possibilities": ["--count"]}, {}])
def test_what_the_parser_says_well_itself_is_left_to_it(fields: dict[str, Any]):
    error = ValueError("else")
    for name, value in fields.items():
        setattr(error, name, value)
    assert parser_message(error) == ""


def test_without_a_parameter_or_without_faults_nothing_is_said_instead():
    cause = SimpleNamespace(errors=lambda: [{"input": "x", "type": "int_parsing"}])
    assert parser_message(SimpleNamespace(__cause__=cause, param=None)) == ""
    assert parser_message(SimpleNamespace(__cause__=ValueError(), param=SimpleNamespace(opts=["--x"]))) == ""


@pytest.mark.parametrize(
    ("given", "shown"),
    [("lots", "'lots'"), ("12", "12"), ("-1.5", "-1.5"), ("+3", "+3"), (".5", ".5"), ("1e3", "'1e3'"), ("", "''")],
)
@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1, 9, "a number, 1 to 9"),
        (1, None, "a whole number"),
        (None, 9, "a whole number"),
        (None, None, "a whole number"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_range(
    given: str, shown: str, low: int | None, high: int | None, expected: str
):
    cause = SimpleNamespace(errors=lambda: [{"input": given, "type": "int_parsing"}])
    parameter = SimpleNamespace(opts=["-c", "--count"], metavar=None, min=low, max=high)
    error = SimpleNamespace(__cause__=cause, param=parameter)
    assert parser_message(error) == f"--count cannot be {shown}. Give {expected}."


@pytest.mark.parametrize(("metavar", "called"), [("DATA", "DATA"), (None, "PATH")])
def test_an_argument_is_called_what_its_help_calls_it(metavar: str | None, called: str):
    cause = SimpleNamespace(errors=lambda: [{"input": "x", "type": "other"}])
    parameter = SimpleNamespace(opts=["path"], metavar=metavar)
    error = SimpleNamespace(__cause__=cause, param=parameter)
    assert parser_message(error) == f"{called} cannot be 'x'. Give another value."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("`a`", "--a"),
        ("`a_b= 3 `", "--a-b 3"),
        ("`a=''`", "--a ''"),
        ("`a=False`", "--no-a"),
        ("`a=[1]`", "--a [1]"),
        ("`a={1, 2}`", "--a {1, 2}"),
        ("`a={1:`", "--a {1:"),
        ("`a={'x': 1, 'y': 2}`", "--a x=1 --a y=2"),
        ("`thresholds={'drop': 1}`", "--max-drop 1"),
        ("`columns={'others': {'tags': 'ner', 'b': 'c'}}`", "--column tags=ner --column b=c"),
        ("`A` and `3`", "`A` and `3`"),
    ],
)
def test_arguments_without_a_command_are_flags_too(text: str, shown: str):
    assert with_flags(text) == shown


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("tags", "--column must be ROLE=NAME, not 'tags'."),
        ("=ner", "--column must be ROLE=NAME, not '=ner'."),
        ("tags=", "--column must be ROLE=NAME, not 'tags='."),
    ],
)
def test_a_column_without_a_role_or_name_is_refused(pair: str, said: str):
    with pytest.raises(UsageError) as refused:
        by_role([pair])
    assert (refused.value.message, refused.value.hint) == (said, "Example: --column tags=ner_tags")


def test_a_role_may_be_given_twice_alike_and_its_name_may_have_a_sign():
    assert by_role(["a=b=c", "a=b=c", "d=e"]) == {"a": "b=c", "d": "e"}
    with pytest.raises(UsageError) as refused:
        by_role(["a=b", "a=c"])
    assert (refused.value.message, refused.value.hint) == ("--column a is given as 'b' and as 'c'.", "Give it once.")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ((None, None, None), {}),
        (("t", None, None), {"text_column": "t"}),
        ((None, "p", "l"), {"path_column": "p", "label_column": "l"}),
        ((None, None, "", ["a=b"]), {"label_column": "", "others": {"a": "b"}}),
        ((None, None, None, []), {}),
    ],
)
def test_only_columns_that_are_named_are_passed_on(given: tuple[Any, ...], found: dict[str, Any]):
    assert columns(*given) == found


@pytest.mark.parametrize(
    ("name", "hint"),
    [("lst", "Did you mean: tlzoo plugins list"), ("zzz", "See: tlzoo plugins --help")],
)
def test_an_unknown_command_is_named_with_the_nearest(name: str, hint: str):
    error = unknown_command(name, ["list", "last", "install"], "tlzoo plugins")
    assert (error.message, error.hint) == (f"Unknown command {name!r}.", hint)


def test_an_unknown_command_of_a_group_ends_with_two(capsys: pytest.CaptureFixture[str]):
    assert main(["plugins", "lis"]) == 2
    assert capsys.readouterr().err == "Error: Unknown command 'lis'. Did you mean: tlzoo plugins list\n"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (None, None, "any value"),
        (None, 0.0, "0.0000 or less"),
        (0.0, None, "0.0000 or more"),
        (0.0, 0.25, "0.0000 to 0.2500"),
    ],
)
def test_an_interval_in_words(low: float | None, high: float | None, words: str):
    assert span(low, high) == words


def test_how_an_interval_is_written_may_be_chosen():
    assert span(1.0, 2.0, "g") == "1 to 2"


@pytest.mark.parametrize(("quiet", "shown"), [(False, "Reading x\n"), (True, "")])
def test_what_begins_is_said_unless_quiet(capsys: pytest.CaptureFixture[str], quiet: bool, shown: str):
    try:
        announce("Reading x", quiet)
        assert capsys.readouterr().err == shown
    finally:
        set_quiet(False)


def test_only_a_model_that_is_there_is_announced(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    there = tmp_path / "model.onnx"
    there.touch()
    announce_file(there, False)
    announce_file(tmp_path / "none.onnx", False)
    assert capsys.readouterr().err == f"Loading {there}\n"
    try:
        announce_file(there, True)
        assert capsys.readouterr().err == ""
    finally:
        set_quiet(False)


def test_an_app_of_one_command_is_that_command(capsys: pytest.CaptureFixture[str]):
    app = single(one_number)
    assert [command.callback for command in app.registered_commands] == [one_number]
    assert app.info.help == "Take a number."
    assert single(lambda: None).info.help == ""
    empty = make_app("An app.")
    assert (empty._add_completion, empty.pretty_exceptions_enable) == (False, False)


@pytest.mark.parametrize("keep", [reserved_stdout, separate_stdout])
def test_answers_go_to_stdout_again_afterwards(keep: Any, capsys: pytest.CaptureFixture[str]):
    with keep():
        within = answer_stream()
        print_json([1], indent=None)
    assert answer_stream() is not within or within is __import__("sys").stdout
    print_line(["after", 1])
    assert capsys.readouterr().out == "[1]\nafter\t1\n"


def test_a_table_elsewhere_than_on_a_terminal_has_its_heading_first(capsys: pytest.CaptureFixture[str]):
    print_table(("a", "b"), [(1, None), ("x \t y", "z\n")])
    assert capsys.readouterr().out == "a\tb\n1\t\nx y\tz \n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["models", "--sort", "id", "--sort", "task"], "Error: --sort is given twice. Give it once.\n"),
        (["models", "--json", "--json"], ""),
        (["inspect", ""], "Error: FILE cannot be empty. Give a path.\n"),
    ],
)
def test_an_option_is_given_once_and_a_path_is_not_empty(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
):
    assert main(arguments) == (2 if said else 0)
    assert capsys.readouterr().err == said
