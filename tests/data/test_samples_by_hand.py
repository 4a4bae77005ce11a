"""Digests of samples: of texts, files and several inputs, whatever they are called; and which samples are copies."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tlzoo.data.samples import Samples, content_digests, fingerprint
from tlzoo.errors import InputError


def sha(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def test_a_text_is_its_letters_and_a_file_its_bytes(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"picture")
    assert content_digests(["ä", "a\udcff"], "text") == [sha("ä".encode()), sha(b"a\xed\xb3\xbf")]
    assert content_digests([str(tmp_path / "a.png")], "image") == [sha(b"picture")]
    assert content_digests([("a", "b")], "text") == [sha(sha(b"a") + sha(b"b"))]
    assert content_digests([], "text") == []


def test_a_file_that_changes_has_another_digest(tmp_path: Path):
    path = tmp_path / "a.png"
    for content in (b"one", b"three"):
        path.write_bytes(content)
        assert content_digests([str(path)], "image") == [sha(content)]


def test_a_file_that_is_gone_is_named(tmp_path: Path):
    with pytest.raises(InputError) as error:
        content_digests([str(tmp_path / "none.png")], "image")
    assert error.value.message == f"File {tmp_path / 'none.png'} cannot be read: No such file or directory."
    assert error.value.hint == "Restore it or remove it from the data."


@pytest.mark.parametrize(
    ("targets", "head", "texts"),
    [
        (None, "text 2 False", ("", "")),
        (("x", "y"), "text 2 True", ("x", "y")),
        (([[0, 1, "é"]], {"b": 1, "a": 2}), "text 2 True", ('[[0, 1, "é"]]', '{"a": 2, "b": 1}')),
        (("\ud83d", ""), "text 2 True", ("\ud83d", "")),
    ],
)
def test_a_fingerprint_is_of_modality_targets_and_contents(targets: Any, head: str, texts: tuple[str, str]):
    whole = f"{head}\n".encode()
    for target, given in zip(texts, ("one", "two"), strict=True):
        whole += sha(target.encode("utf-8", "surrogatepass")) + sha(given.encode())
    assert fingerprint(Samples(("one", "two"), targets, "text")) == hashlib.sha256(whole).hexdigest()


def test_copies_are_counted_once_and_a_subset_keeps_what_belongs_together():
    samples = Samples(("a", "b", "a"), ("x", "y", "z"), "text")
    assert (len(samples), samples.distinct()) == (3, 2)
    assert samples.subset([2, 0]) == Samples(("a", "a"), ("z", "x"), "text")
    assert Samples(("a", "b"), None, "text").subset([1]) == Samples(("b",), None, "text")
