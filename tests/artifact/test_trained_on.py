"""The filter of what a model was trained on knows all of it and hardly anything else."""

from __future__ import annotations

import hashlib
import json

import pytest

from tlzoo.artifact.trained_on import TrainedOn


def digests(count: int, name: str) -> list[bytes]:
    return [hashlib.sha256(f"{name} {at}".encode()).digest() for at in range(count)]


@pytest.mark.parametrize("count", [0, 1, 7, 5000])
def test_all_that_was_put_in_is_known_and_survives_json(count: int):
    seen = digests(count, "seen")
    known = TrainedOn.from_json(TrainedOn.of([*seen, *seen[:3]]).to_json())
    assert all(each in known for each in seen)
    assert known.count == count
    assert len(known.bits) <= max(128, 3.7 * count)


@pytest.mark.parametrize("count", [3, *(pytest.param(count, marks=pytest.mark.release) for count in (40, 2000))])
def test_others_are_known_about_once_in_a_million(count: int):
    known = TrainedOn.of(digests(count, "seen"))
    assert sum(each in known for each in digests(200_000, "other")) <= 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"count": 1, "hashes": 2, "bits": "AAAA"}',
        '{"version": 1, "count": 1, "hashes": 2, "bits": "AAAA"}',
        '{"version": 2, "count": 1, "hashes": 2, "bits": "?"}',
        '{"version": 2, "count": 1, "hashes": 0, "bits": "AAAA"}',
        '{"version": 2, "count": 1, "hashes": 1000000000, "bits": "AAAA"}',
        '{"version": 2, "count": -1, "hashes": 2, "bits": "AAAA"}',
        '{"version": 2, "count": 1, "hashes": 2, "bits": ""}',
        "[" * 100_000,
    ],
)
def test_anything_else_is_no_filter(text: str):
    with pytest.raises(ValueError, match=r"\S"):
        TrainedOn.from_json(text)


def test_it_holds_no_digest():
    seen = digests(50, "seen")
    bits = bytes.fromhex(json.dumps(TrainedOn.of(seen).to_json()).encode().hex())
    assert not any(each[:8] in bits or each[:8].hex().encode() in bits for each in seen)
