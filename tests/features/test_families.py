"""The page of families names every family of the installed libraries; the rows themselves are made anew elsewhere."""

from __future__ import annotations

import importlib

import pytest
from shared_fixtures.families import page

pytestmark = pytest.mark.release


@pytest.mark.parametrize("table", page.TABLES)
def test_the_page_has_every_family_and_no_other(table: str):
    library = importlib.import_module(f"shared_fixtures.families.{table}")
    assert set(page.read()[table]) == {*library.names(), *library.LEFT_OUT}, f"renew it: {page.RENEW} --missing"
