"""The families of picture models, each built, frozen, cut and compared with the whole."""

from __future__ import annotations

import pytest
from shared_fixtures.families.again import assert_as_the_page_says, table

pytestmark = pytest.mark.release


@pytest.mark.parametrize("family", table("pictures"))
def test_the_frozen_part_is_what_the_page_says(family: str):
    assert_as_the_page_says("pictures", family)
