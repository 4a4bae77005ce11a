"""Every relative link in the documentation leads to a file, and where it names a heading, to that heading."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("*.md", "docs/**/*.md", "examples/*/README.md", "plugins/*/README.md")
PAGES = sorted(path.relative_to(ROOT) for place in PLACES for path in ROOT.glob(place))
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
GENERATED = re.compile(r"^<!-- generated: \w+ -->$", re.MULTILINE)


def prose(page: Path) -> str:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return re.sub(r"`[^`\n]*`", lambda code: code[0] if "](" not in code[0] else "", text)


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub and MyST make anchors of them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-") for heading in headings}


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether the file is there, and its heading; a generated page's headings are sphinx's to check."""
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not target.exists() or not anchor:
        return target.exists()
    return anchor in anchors(target) or GENERATED.search(target.read_text(encoding="utf-8")) is not None


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_relative_link_leads_somewhere(page: Path):
    links = [link for link in LINK.findall(prose(ROOT / page)) if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if not leads_somewhere(ROOT / page, link)] == []


@pytest.mark.parametrize("page", [page for page in PAGES if "docs" not in page.parts], ids=str)
def test_every_page_that_is_named_in_passing_is_there(page: Path):
    named = set(re.findall(r"`(docs/[\w/-]+\.md)`", (ROOT / page).read_text(encoding="utf-8")))
    assert {path for path in named if not (ROOT / path).is_file()} == set()


def test_every_page_can_be_reached_from_the_index():
    listed = set(re.findall(r"^([\w/-]+)$", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"), re.MULTILINE))
    pages = {str(path.relative_to(ROOT / "docs").with_suffix("")) for path in (ROOT / "docs").rglob("*.md")}
    assert pages - {"index"} == listed & pages
