"""What the architecture's page says of the code is so."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CHANGES = re.findall(r"^\| ([^|]+) \| `(tlzoo/[^`]+)` \| `(\w+)` \|$", PAGE, flags=re.MULTILINE)


def contracts() -> list[dict[str, object]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, object]] = settings["tool"]["importlinter"]["contracts"]
    return found


def defined(file: Path) -> set[str]:
    """The names that a module defines itself."""
    found: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.Assign():
                found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name() as target):
                found.add(target.id)
    return found


def test_the_layers_stand_in_their_order():
    [layers] = [contract["layers"] for contract in contracts() if contract["type"] == "layers"]
    assert layers == PAGE.partition("```text\n")[2].partition("```")[0].splitlines()


def test_every_room_stands_in_the_table_of_rooms():
    rooms = {path.name for path in (ROOT / "tlzoo").iterdir() if (path / "__init__.py").is_file()}
    table = PAGE.partition("| room |")[2].partition("\n\n")[0]
    assert {room for room in rooms if f"`{room}/`" not in table} == set()


def test_twenty_changes_have_their_place():
    assert len(CHANGES) >= 20
    assert len({what for what, _, _ in CHANGES}) == len(CHANGES)


@pytest.mark.parametrize(("what", "file", "name"), CHANGES, ids=[what for what, _, _ in CHANGES])
def test_a_change_is_made_where_the_table_says(what: str, file: str, name: str):
    assert name in defined(ROOT / file)


def test_every_file_that_the_page_names_is_there():
    named = set(re.findall(r"`([\w/]+/[\w/.]*\.py)`", PAGE))
    assert {name for name in named if not any((ROOT / folder / name).is_file() for folder in ("", "tlzoo"))} == set()
