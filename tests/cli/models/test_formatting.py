"""Counts, sources and preprocessing in words."""

from __future__ import annotations

from typing import Any

import pytest

from tlzoo import registry
from tlzoo.cli.models import _page, _why_none
from tlzoo.cli.models.formatting import (
    describe_preprocess,
    describe_source,
    format_count,
    parse_count,
    weights_bytes,
)
from tlzoo.cli.models.showing import _as_text, _rows, describe
from tlzoo.errors import UsageError
from tlzoo.registry.schema import Checkpoint
from tlzoo.specs import AudioSpec, ImageSpec, PluginSpec, TextSpec

SHA = "ab" * 32


def entry(source: dict[str, Any], **changes: Any) -> Checkpoint:
    """A checkpoint with this source."""
    fields = {
        "id": "my/net", "architecture": "net", "tasks": ["text-classification"], "parameters": 10, "feature_dim": 4,
        "preprocess": {"kind": "text", "max_length": 8}, "source": source, **changes,
    }  # fmt: skip
    return Checkpoint.model_validate(fields)


URL = {"kind": "url", "url": "https://example.org/w.safetensors", "sha256": SHA, "size": 2_345_678}
HUB = {"kind": "hub", "repo": "me/net", "files": [{"path": "w.safetensors"}]}
PINNED = {
    "kind": "hub", "repo": "me/net", "revision": "0123456789abcdef" + "0" * 24,
    "files": [{"path": "a", "sha256": SHA, "size": 1_000_000}, {"path": "b", "sha256": SHA, "size": 500_000}],
}  # fmt: skip
FILES = {
    "kind": "file",
    "files": [{"path": "/a/w", "sha256": SHA, "size": 7}, {"path": "/b/x", "sha256": SHA, "size": 5}],
}
PACKAGE = {"kind": "package", "package": "my.weights", "files": [{"path": "w", "sha256": SHA, "size": 7}]}
PYPI = {
    "kind": "pypi", "project": "my-weights", "version": "1.2", "archive": "my_weights-1.2-py3-none-any.whl",
    "members": [{"path": "w", "sha256": SHA, "size": 7}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0), ("7", 7), ("1.5", 2), ("2k", 2000), ("500K", 500_000), ("10M", 10**7), ("10m", 10**7),
        ("1.5B", 1_500_000_000), (" 10M ", 10**7), ("1_000", 1000), ("999999B", 999_999 * 10**9),
        ("999999999999999", 999_999_999_999_999),
    ],
)  # fmt: skip
def test_a_count_may_have_a_letter(text: str, count: int):
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["", "lots", "-1", "-0.1k", "K", "1T", "nan", "inf", "1000000B", "1e15"])
def test_what_is_no_count_is_refused(text: str):
    with pytest.raises(UsageError) as refused:
        parse_count(text)
    assert refused.value.message == f"{text!r} is not a number of parameters."
    assert refused.value.hint == "Write it like 500k, 10M or 1.5B."


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"), (999, "999"), (1000, "1K"), (1234, "1.23K"),
        (999_499, "999K"), (999_600, "1M"), (999_999, "1M"), (10**6, "1M"),
        (23_508_032, "23.5M"), (999_400_000, "999M"), (999_999_999, "1B"), (10**9, "1B"), (1_543_000_000, "1.54B"),
    ],
)  # fmt: skip
def test_a_count_is_written_with_three_digits(count: int, text: str):
    assert format_count(count) == text


@pytest.mark.parametrize(
    ("source", "size", "place"),
    [
        (URL, 2_345_678, "https://example.org/w.safetensors, 2.3 MB"),
        (HUB, None, "https://huggingface.co/me/net (pinned on first use)"),
        (PINNED, 1_500_000, "https://huggingface.co/me/net (at 0123456789ab), 1.5 MB"),
        (FILES, 12, "/a/w, /b/x, 0.0 MB"),
        (PACKAGE, 7, "inside the installed package my.weights, 0.0 MB"),
        (PYPI, 7, "package index: my-weights 1.2, 0.0 MB"),
    ],
)
def test_a_source_is_its_place_and_its_size(source: dict[str, Any], size: int | None, place: str):
    assert weights_bytes(entry(source)) == size
    assert describe_source(entry(source)) == place


def test_a_size_that_one_file_lacks_is_not_known():
    files = [{"path": "a", "sha256": SHA, "size": 3}, {"path": "b"}]
    assert weights_bytes(entry({**HUB, "files": files})) is None


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            ImageSpec(size=(224, 192), crop=0.875, mean=(0.5, 0.25, 0.123456), std=(1, 1, 1), interpolation="bicubic"),
            "image, 224 x 192 pixels, bicubic, center crop 0.875; mean 0.5 0.25 0.1235, std 1 1 1",
        ),
        (
            ImageSpec(size=(8, 8), crop=1, mean=(0, 0, 0), std=(1, 1, 2), interpolation="nearest"),
            "image, 8 x 8 pixels, nearest; mean 0 0 0, std 1 1 2",
        ),
        (TextSpec(max_length=128), "text, at most 128 tokens, with its own tokenizer"),
        (AudioSpec(sample_rate=16000, seconds=2.5), "audio, 16000 Hz, mono, cut or padded to 2.5 s"),
        (PluginSpec(plugin="cells", endings=(".a", ".b")), "by plugin cells, reads .a .b"),
        (PluginSpec(plugin="cells"), "by plugin cells"),
    ],
)
def test_preprocessing_in_words(spec: Any, words: str):
    assert describe_preprocess(spec) == words


@pytest.mark.parametrize(
    ("limit", "page", "offset", "found"),
    [
        (None, None, None, (0, None)),
        (5, None, None, (0, 5)),
        (0, None, 3, (3, 0)),
        (None, 1, None, (0, 50)),
        (None, 3, None, (100, 50)),
        (0, 2, None, (0, 0)),
        (7, 2, None, (7, 7)),
    ],
)
def test_where_a_page_starts_and_how_long_it_is(
    limit: int | None, page: int | None, offset: int | None, found: tuple[int, int | None]
):
    assert _page(limit, page, offset) == found


@pytest.mark.parametrize(("page", "offset"), [(0, None), (-1, None), (1, 0), (2, 3)])
def test_a_page_that_cannot_be_is_refused(page: int, offset: int | None):
    with pytest.raises(UsageError) as refused:
        _page(None, page, offset)
    assert refused.value.message == f"--page {page} is not possible."
    assert refused.value.hint == "Count pages from 1, and give either --page or --offset."


@pytest.mark.parametrize(
    ("license", "asked", "said"),
    [
        (None, {}, "No checkpoint matches. List all: tlzoo models"),
        (None, {"modality": None, "source": "hub"}, "No checkpoint matches. List all: tlzoo models"),
        (None, {"modality": "Imag"}, "No checkpoint has --modality imag. Did you mean image?"),
        (None, {"modality": "zzz"}, "No checkpoint has --modality zzz. There are: audio, image, text."),
        (
            None,
            {"language": "zz"},
            "No checkpoint has --language zz. Give an ISO 639-1 code, such as id for Indonesian.",
        ),
        (None, {"task": "text-tokens"}, "No checkpoint matches. List all: tlzoo models"),
        ("MIT", {}, "No checkpoint matches. List all: tlzoo models"),
        ("Permissive", {}, "No checkpoint matches. List all: tlzoo models"),
        (
            "mine",
            {},
            "mine is no SPDX expression such as Apache-2.0, nor one of permissive, copyleft, non-commercial.",
        ),
        ("mine", {"modality": "zzz"}, "No checkpoint has --modality zzz. There are: audio, image, text."),
    ],
)
def test_why_nothing_is_found(license: str | None, asked: dict[str, str | None], said: str):
    assert _why_none(license, **asked) == said


def test_a_word_with_a_dash_is_the_flag_of_its_argument():
    assert _why_none(None, pretrained_on="Imagenet-1").startswith(
        "No checkpoint has --pretrained-on imagenet-1. Did you mean imagenet-1k"
    )
    assert _why_none(None, pretrained_on="zzzzzz").endswith("zzzzzz. List all: tlzoo models")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"), ("a", "a"), ([], ""), (["a", 2], "a, 2"), ({"a": 1, "b": None, "c": ""}, "a 1"),
        ({"a": [1, 2], "b": [], "c": {}, "d": 0}, "a 1, 2, d 0"), ([{"a": 1}, {"b": 2}], "a 1, b 2"),
    ],
)  # fmt: skip
def test_a_fields_value_is_one_text(value: Any, text: str):
    assert _as_text(value) == text


@pytest.mark.parametrize(
    ("license", "origin", "shadows", "shown"),
    [
        ("MIT", "own", [], ("MIT (permissive)", "own")),
        ("CC-BY-ND-4.0", None, [], ("CC-BY-ND-4.0 (unknown licence group)", "none: resolved by plugin my")),
        (None, "own", ["a", "b"], ("unknown", "own; shadows the entry of a, b")),
    ],
)
def test_where_an_entry_is_from_and_its_licence(
    license: str | None, origin: str | None, shadows: list[str], shown: tuple[str, str]
):
    checkpoint = entry(PYPI, license=license, tags=["x", "y"])
    found = dict(_rows(checkpoint, {**describe(checkpoint), "origin": origin, "shadows": shadows}))
    assert (found["license"], found["registry"]) == shown
    assert (found["id"], found["tasks"], found["tags"], found["plugin"]) == (
        "my/net",
        "text-classification",
        "x, y",
        "my",
    )
    assert found["weights"] == describe_source(checkpoint)
    assert found["preprocess"] == "text, at most 8 tokens, with its own tokenizer"
    assert not {"paper", "languages", "source", "stages", "bytes", "license_group", "origin", "shadows"} & set(found)


def test_what_an_entry_is_as_json():
    document = describe(entry(PYPI, license="GPL-3.0-only"))
    assert {name: document[name] for name in ("plugin", "modality", "license_group", "bytes", "paper")} == {
        "plugin": "my", "modality": "text", "license_group": "copyleft", "bytes": 7, "paper": None,
    }  # fmt: skip
    assert registry.get("vision/resnet50").id == describe(registry.get("vision/resnet50"))["id"]
