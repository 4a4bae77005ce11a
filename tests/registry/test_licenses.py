"""Groups of licences, and what SPDX expressions meet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlzoo.registry.licenses import GROUPS, group, meets, options, spdx


@pytest.mark.parametrize(
    ("license", "expected"),
    [
        ("MIT", "permissive"),
        ("apache-2.0", "permissive"),
        ("GPL-3.0-only", "copyleft"),
        ("CC-BY-NC-SA-4.0", "non-commercial"),
        ("CC-BY-ND-4.0", None),
        ("LicenseRef-own", None),
        (None, None),
        ("MIT OR GPL-3.0-only", "permissive"),
        ("MIT AND GPL-3.0-only", "copyleft"),
        ("MIT AND CC-BY-NC-4.0 OR GPL-2.0-only", "copyleft"),
        ("MIT AND LicenseRef-own", None),
        ("MIT OR LicenseRef-own", "permissive"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "copyleft"),
        ("(MIT or Apache-2.0) and CC-BY-4.0", "permissive"),
        ("GPL-3.0+", "copyleft"),
        ("(MIT", None),
        ("MIT AND", None),
        ("", None),
    ],
)
def test_the_user_takes_the_freer_of_or_and_the_stricter_of_and_binds(license: str | None, expected: str) -> None:
    assert group(license) == expected


@pytest.mark.parametrize(
    ("license", "wanted", "expected"),
    [
        ("MIT", "mit", True),
        ("MIT OR Apache-2.0", "Apache-2.0", True),
        ("MIT AND GPL-3.0-only", "MIT", False),
        ("GPL-3.0-only AND MIT", "MIT AND GPL-3.0-only", True),
        ("ISC", "MIT OR ISC", True),
        ("MIT", "permissive", True),
        ("MIT", "Copyleft", False),
        ("LicenseRef-own", "licenseref-OWN", True),
        (None, "MIT", False),
        (None, "permissive", False),
    ],
)
def test_a_licence_meets_what_it_lets_a_thing_be_used_under(license: str, wanted: str, expected: bool) -> None:
    assert meets(license, wanted) == expected


@given(st.text(alphabet="()M and or with A", max_size=60))
def test_every_text_has_options_and_meets_itself(text: str) -> None:
    assert options(text)
    assert meets(text, text)


def test_an_expression_made_to_take_all_day_is_one_licence() -> None:
    assert len(options(" AND ".join(f"(A{i} OR B{i})" for i in range(40)))) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("apache-2.0", "Apache-2.0"), ("mit OR isc", "MIT OR ISC"), ("mine", None), ("", None), (None, None),
        ("licenseref-mine", "LicenseRef-mine"),
    ],
)  # fmt: skip
def test_an_spdx_expression_has_its_own_spelling(name: str | None, expected: str | None) -> None:
    assert spdx(name) == expected


@pytest.mark.parametrize(
    ("expression", "ways"),
    [
        ("MIT", [{"mit"}]),
        ("MIT OR ISC AND Zlib", [{"mit"}, {"isc", "zlib"}]),
        ("(MIT OR ISC) AND Zlib", [{"mit", "zlib"}, {"isc", "zlib"}]),
        ("A WITH  E and B", [{"a with e", "b"}]),
        ("MIT ISC", [{"mit isc"}]),
        ("(MIT", [{"( mit"}]),
        ("MIT OR", [{"mit or"}]),
        ("()", [{"( )"}]),
    ],
)
def test_the_ways_to_comply(expression: str, ways: list[set[str]]) -> None:
    assert options(expression) == frozenset(map(frozenset, ways))


@pytest.mark.parametrize(("count", "one"), [(30, False), (31, True)])
def test_sixty_words_are_read_and_more_are_one_licence(count: int, one: bool) -> None:
    expression = " AND ".join(f"A{i}" for i in range(count))
    words = 2 * count - 1
    assert (words > 60) == one
    (way,) = options(expression)
    assert len(way) == (1 if one else count)


def test_every_group_has_licences_of_its_own() -> None:
    assert GROUPS == ("permissive", "copyleft", "non-commercial")
    assert [group(name) for name in ("0BSD", "OSL-3.0", "PolyForm-Noncommercial-1.0.0")] == list(GROUPS)
    assert [meets("CC-BY-NC-4.0", each) for each in ("PERMISSIVE", "copyleft", "Non-Commercial")] == [
        False,
        False,
        True,
    ]
