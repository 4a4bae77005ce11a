"""README.id.md says what README.md says: the same sections, the same code, the same commands and files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
INDONESIAN = (ROOT / "README.id.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```[^\n]*\n.*?^```$", re.DOTALL | re.MULTILINE)
TABLE = re.compile(r"<!-- \[\[\[cog.*?\[\[\[end\]\]\] -->", re.DOTALL)


def sections(text: str) -> list[str]:
    """The page cut before each heading, the generated table left out."""
    return re.split(r"^(?=#+ )", FENCE.sub("", TABLE.sub("", text)), flags=re.MULTILINE)


def test_both_have_the_same_headings_at_the_same_depth():
    depths = [[section.split(" ")[0] for section in sections(text)] for text in (ENGLISH, INDONESIAN)]
    assert depths[0] == depths[1]


def test_both_have_the_same_code_to_the_byte():
    assert FENCE.findall(INDONESIAN) == FENCE.findall(ENGLISH)


@pytest.mark.parametrize(
    ("english", "indonesian"),
    list(zip(sections(ENGLISH), sections(INDONESIAN), strict=False)),
    ids=lambda section: section.splitlines()[0] if section else "before",
)
def test_a_section_names_the_same_commands_options_and_files(english: str, indonesian: str):
    assert set(re.findall(r"`[^`]+`", english)) == set(re.findall(r"`[^`]+`", indonesian))


def test_a_section_has_as_many_items():
    items = [[len(re.findall(r"^- ", each, re.MULTILINE)) for each in sections(text)] for text in (ENGLISH, INDONESIAN)]
    assert items[0] == items[1]


def test_each_leads_to_the_other():
    assert "(README.id.md)" in ENGLISH.split("## ")[0]
    assert "(README.md)" in INDONESIAN.split("## ")[0]
