"""What inputs are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tlzoo.io.texts import input_name


@pytest.mark.parametrize(
    ("given", "longest", "name"),
    [
        ("great film", None, "great film"),
        ("great film", 5, "great"),
        (Path("a.png"), None, "a.png"),
        (("great film", "it's awful"), None, "great film | it's awful"),
        (("great film", "it's awful"), 10, "great | it's "),
        (("a.png", Path("b.png")), None, "a.png | b.png"),
    ],
)
def test_several_inputs_have_a_bar_between_them_and_each_its_share_of_the_room(
    given: Any, longest: int | None, name: str
):
    assert input_name(given, longest) == name
