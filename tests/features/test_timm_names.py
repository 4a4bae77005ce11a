"""Every name that timm has weights of builds, or is refused with the reason that the page of families gives."""

from __future__ import annotations

import pytest
from shared_fixtures import timm_names

pytestmark = pytest.mark.release


def test_the_page_has_every_module_of_timm_and_no_other():
    assert set(timm_names.read()) == set(timm_names.modules()), f"renew it: {timm_names.RENEW}"


@pytest.mark.parametrize("module", timm_names.read())
def test_the_names_of_a_module_come_out_as_the_page_says(module: str):
    found = timm_names.rows(module)
    assert found == timm_names.read()[module], f"if that is right, renew it: {timm_names.RENEW} {module}"
    assert all(row.reason for row in found if row.outcome == "refused")
