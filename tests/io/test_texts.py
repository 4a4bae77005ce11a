"""What inputs are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tlzoo.io.texts import input_name, is_blank


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


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b", "\ufeff\u00a0", "\u3164", "\u2060\u200d", "\x07"])
def test_what_nobody_sees_is_blank(text: str):
    assert is_blank(text)
    assert not is_blank(text + ".")
    assert not is_blank("\U0001f469\u200d\U0001f680" + text)
