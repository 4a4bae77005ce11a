"""Tags that cannot be read, each with how to write it; and labels alone that may look like them."""

from __future__ import annotations

import pytest

from tlzoo.tasks.tokens.tags import bad_tags, is_iob

HINT = "Write O outside of entities, B-LABEL and I-LABEL inside."
NAME = "Write B-NAME and I-NAME, where NAME is the label of the entity."


@pytest.mark.parametrize(
    ("label", "tag"), [("O", True), ("B-X", True), ("I-X", True), ("B-", False), ("E-X", False), ("X", False)]
)
def test_a_label_that_is_a_tag_is_known(label: str, tag: bool):
    assert is_iob(label) is tag


@pytest.mark.parametrize(
    "tags",
    [
        "",
        "O",
        "O B-X I-X O",
        "B-X E-X S-X U-X L-X M-X",
        "PER PER O",
        "A B C I",
        "E S O",
        "PER-B LOC",
        "PER-B PER-E",
        "BPER O BPER",
        "IPER BPER",
        "BPER ILOC",
        "B-X-Y",
        "a-b",
        "I O I",
        "E B",
        "B-Xo",
        "BX IX",
    ],
)
def test_these_can_be_read(tags: str):
    assert bad_tags([tags.split()]) == {}


@pytest.mark.parametrize(
    ("tags", "bad"),
    [
        ("o X", {"o": HINT}),
        ("0 B-X", {"0": HINT}),
        ("_", {"_": HINT}),
        ("B-", {"B-": HINT}),
        ("X-", {"X-": HINT}),
        ("B_X", {"B_X": "Write B-X."}),
        ("I:X", {"I:X": "Write I-X."}),
        ("b-X", {"b-X": "Write B-X."}),
        ("i_X", {"i_X": "Write I-X."}),
        ("B-O", {"B-O": HINT}),
        ("B-I-X", {"B-I-X": HINT}),
        ("B_X-", {"B_X-": HINT}),
        ("B I O", {"B": NAME, "I": NAME}),
        ("b i", {"b": NAME, "i": NAME}),
        ("B I PER", {"B": NAME, "I": NAME}),
        ("B E O S", {"B": NAME, "E": NAME, "S": NAME}),
        ("B L U", {"B": NAME, "L": NAME, "U": NAME}),
        ("E B-X", {"E": NAME}),
        ("PER-B PER-I", {"PER-B": "Write B-PER.", "PER-I": "Write I-PER."}),
        ("PER-B LOC_I O", {"PER-B": "Write B-PER.", "LOC_I": "Write I-LOC."}),
        ("PER:B", {"PER:B": "Write B-PER."}),
        ("PER-B PER-I LOC", {"PER-B": "Write B-PER.", "PER-I": "Write I-PER."}),
        ("PER-S B-X", {"PER-S": "Write S-PER."}),
        ("BPE IPE", {"BPE": "Write B-PE.", "IPE": "Write I-PE."}),
        ("BPER IPER O", {"BPER": "Write B-PER.", "IPER": "Write I-PER."}),
        ("BPER IPER IPER LOC", {"BPER": "Write B-PER.", "IPER": "Write I-PER."}),
    ],
)
def test_these_cannot_and_each_has_its_hint(tags: str, bad: dict[str, str]):
    assert bad_tags([tags.split()]) == bad


def test_the_whole_file_shows_what_a_tag_is():
    assert set(bad_tags([["BPER", "IPER"], ["O", "IPER"]])) == set()
    assert set(bad_tags([["BPER", "IPER"], ["BPER"]])) == {"BPER", "IPER"}
    assert set(bad_tags([["BPER"], ["IPER"]])) == set()
    assert set(bad_tags([["B", "E"], ["B"]])) == set()
    assert set(bad_tags([["B", "E"], ["S", "O"]])) == {"B", "E", "S"}
    assert set(bad_tags([["E"], ["B-X"]])) == {"E"}
    assert set(bad_tags([["PER-B"], ["PER-I"], ["LOC"]])) == {"PER-B", "PER-I"}
    assert bad_tags([]) == {}
