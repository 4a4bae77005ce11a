"""Commands in the documentation are such as the command line takes; its Python compiles and uses public names."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import tlzoo
from tlzoo.cli import COMMANDS, module_of
from tlzoo.data import read
from tlzoo.tasks import make_task

ROOT = Path(__file__).parents[2]
PLACES = ("README*.md", "docs/**/*.md", "examples/*/README.md", "plugins/*/README.md")
PAGES = sorted(path.relative_to(ROOT) for place in PLACES for path in ROOT.glob(place))
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PUBLIC = (
    "tlzoo",
    "tlzoo.errors",
    "tlzoo.plugin",
    "tlzoo.preprocess",
    "tlzoo.registry",
    "tlzoo.registry.schema",
    "tlzoo.testing",
)
ENDS = {"|", "||", "&&", ";", ">", ">>", "<"}
ALONE = {"--version", "--help"}


def fences(page: Path, *languages: str) -> list[str]:
    found = FENCE.findall((ROOT / page).read_text(encoding="utf-8"))
    return [block for language, block in found if language.strip() in languages]


def typed(page: Path) -> Iterator[list[str]]:
    """The arguments of each `tlzoo` that is typed in a page's shell blocks."""
    for block in fences(page, "", "bash", "console", "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = split(line)
            while "tlzoo" in words:
                words = words[words.index("tlzoo") + 1 :]
                end = next((at for at, word in enumerate(words) if word in ENDS), len(words))
                yield words[:end]


def split(line: str) -> list[str]:
    """A line of a shell as words, comments left out."""
    lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)


def parse(arguments: list[str]) -> None:
    """Let the command's own parser read the arguments, without running it. Raises what the parser raises."""
    name, rest = arguments[0], arguments[1:]
    command: Any = typer.main.get_command(importlib.import_module(module_of(name)).app)
    while True:
        context = command.make_context(name, list(rest))
        if not getattr(command, "commands", None):
            return
        left = [*context._protected_args, *context.args]
        if not left:
            return
        name, command, rest = command.resolve_command(context, left)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_is_one_that_the_command_line_takes(page: Path):
    for arguments in typed(page):
        if arguments[0] in ALONE or "--help" in arguments:
            continue
        assert arguments[0] in COMMANDS, " ".join(arguments)
        try:
            parse(arguments)
        except Exception as error:
            raise AssertionError(f"tlzoo {' '.join(arguments)}: {error}") from error


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("models --max-parameters 4M", "no such option"),
        ("plugins lst", "unknown command"),
        ("finetune a b", "missing parameter: out"),
        ("predict f.onnx a.jpg --top-k 0", "greater than or equal to 1"),
    ],
)
def test_the_check_itself_notices_what_is_wrong(line: str, complaint: str):
    with pytest.raises(Exception, match=f"(?i){complaint}"):
        parse(line.split())


def names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Each name that is taken from a module of tlzoo, with that module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tlzoo":
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tlzoo":
            yield "tlzoo", node.attr
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "tlzoo.registry":
            yield "tlzoo.registry", node.attr


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_its_python_compiles_and_takes_public_names_only(page: Path):
    for block in fences(page, "python"):
        for module, name in names(ast.parse(block, str(page))):
            assert module in PUBLIC, f"{module} is not public"
            there = tlzoo.__all__ if module == "tlzoo" else dir(importlib.import_module(module))
            assert name in there, f"{module} has no {name}"


def test_the_digits_of_the_tutorial_are_written_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    block = fences(Path("docs/tutorials/vision.md"), "python")[0]
    exec(compile(block, "vision.md", "exec"), {})
    assert sorted(path.name for path in (tmp_path / "digits").iterdir()) == [str(digit) for digit in range(10)]
    assert len(list((tmp_path / "digits").rglob("*.png"))) == 800
    assert (tmp_path / "digits" / "3" / "0003.png").is_file()


def test_the_sentences_of_the_tutorial_are_those_that_it_shows_and_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    page = Path("docs/tutorials/tokens.md")
    monkeypatch.chdir(tmp_path)
    exec(compile(fences(page, "python")[0], "make_news.py", "exec"), {})
    lines = (tmp_path / "news" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert "\n".join(lines[:3]) + "\n" == fences(page, "text")[0]
    found = read(tmp_path / "news", make_task("text-tokens"))
    assert found.test is not None
    assert (len(found.train), len(found.test)) == (300, 80)
    seen, unseen = (
        {
            text[start:end]
            for text, target in zip(part.inputs, part.targets or (), strict=True)
            for start, end, _ in target
        }
        for part in (found.train, found.test)
    )
    assert seen.isdisjoint(unseen)


def test_the_search_of_the_guide_finds_what_it_asks_for(capsys: pytest.CaptureFixture[str]):
    [block] = fences(Path("docs/howto/choose.md"), "python")
    exec(compile(block, "choose.md", "exec"), {})
    total, *rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    sizes = [int(parameters) for _, parameters, _ in rows]
    assert int(total[0]) == len(rows) > 0
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) <= 130_000_000
