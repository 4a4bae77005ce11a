"""The folders of the cache that the documentation lists are those that the code names."""

from __future__ import annotations

import re
from pathlib import Path

from tlzoo.workflows import storage

ROOT = Path(__file__).parents[2]


def test_the_documented_folders_are_those_of_the_code():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tlzoo").rglob("*.py"))
    named = set(re.findall(r'\b(?:cache_folder|root)\(\) / "([^"]+)"', code))
    page = (ROOT / "docs" / "reference" / "cache.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert named == {path.split("/")[0] for cell in cells for path in re.findall(r"`([^`]+)`", cell)}


def test_every_kind_that_tlzoo_cache_lists_has_its_folder_in_the_page():
    page = (ROOT / "docs" / "reference" / "cache.md").read_text(encoding="utf-8")
    assert {kind for kind, folder in storage.KINDS.items() if f"`{folder}/" not in page} == set()
