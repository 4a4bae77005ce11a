"""The page of promises names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`((?:tests/[\w/]+\.py)?)::(\*|\w+)`")


def test_every_promise_has_a_test_that_is_there():
    rows = [line for line in (ROOT / "docs" / "reliability.md").read_text().splitlines() if line.startswith("|")]
    promises = [row for row in rows if not row.startswith(("|---", "| promise"))]
    assert len(promises) > 15
    for row in promises:
        found = NAMED.findall(row)
        assert found, row
        file = ""
        for path, name in found:
            file = path or file
            source = (ROOT / file).read_text()
            assert name == "*" or f"def {name}(" in source, f"{file} has no {name}"
