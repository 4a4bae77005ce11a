"""What docs/training.md says of tasks is so."""

from __future__ import annotations

import re
from pathlib import Path

from tlzoo.tasks import CORE
from tlzoo.tasks.tokens.layouts import ENDINGS

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The first table below a heading, without its head."""
    table = re.findall(r"^\|.*$", PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0], flags=re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[2:]]


def test_every_task_of_the_core_stands_in_the_table_with_its_metrics():
    listed = {name.strip("`"): re.findall(r"`(\w+)`", metrics) for name, _, metrics in rows("Tasks")}
    assert {family: listed.get(family) for family in CORE} == {
        family: [task.headline, *(name for name in task.directions if name != task.headline)]
        for family, task in CORE.items()
    }


def test_every_ending_of_tagged_texts_that_is_named_is_read():
    named = {ending for cell, _ in rows("Named entities") for ending in re.findall(r"`(\.\w+)`", cell)}
    assert named
    assert named <= set(ENDINGS)
