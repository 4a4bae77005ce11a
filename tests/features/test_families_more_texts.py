"""The other half of the families of text models, so that two workers share them."""

from __future__ import annotations

import pytest
from shared_fixtures.families.again import assert_as_the_page_says, table

pytestmark = pytest.mark.release


@pytest.mark.parametrize("family", list(table("texts"))[1::2])
def test_the_frozen_part_is_what_the_page_says(family: str):
    assert_as_the_page_says("texts", family)
