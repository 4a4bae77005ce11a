"""The rows of the page, made anew one by one: what the tests of each table have in common."""

from __future__ import annotations

import importlib
from functools import cache

from shared_fixtures.families import page


@cache
def table(name: str) -> dict[str, page.Row]:
    """The rows of one table of the page that are made by trying: those not left out."""
    return {name: row for name, row in page.read()[name].items() if row.happens != "left out"}


def assert_as_the_page_says(of: str, family: str) -> None:
    """A family's row made anew is that of the page."""
    from shared_fixtures.families.verdicts import judge

    library = importlib.import_module(f"shared_fixtures.families.{of}")
    before = table(of)[family]
    assert family in library.names(), f"the library has no such family: {page.RENEW} --missing"
    after = judge(library.family(family, before.model))
    assert after == before, f"if that is right, renew it: {page.RENEW} {family}"
