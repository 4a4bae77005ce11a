"""Every environment variable that the code knows stands in the documentation, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def names(*paths: Path) -> set[str]:
    return {name for path in paths for name in re.findall(r"TLZOO_[A-Z_]+", path.read_text(encoding="utf-8"))}


def test_the_documented_variables_are_those_of_the_code():
    documented = names(ROOT / "docs" / "reference" / "environment.md")
    assert names(*(ROOT / "tlzoo").rglob("*.py")) == documented


def test_no_page_speaks_of_a_variable_that_there_is_not():
    known = names(ROOT / "docs" / "reference" / "environment.md")
    pages = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("README*.md")]
    assert {name for name in names(*pages) if name not in known} == set()
