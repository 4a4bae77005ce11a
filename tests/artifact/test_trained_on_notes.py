"""What a file says of samples it was trained on, and the filter's bytes."""

from __future__ import annotations

import hashlib
import json

import pytest

from tlzoo.artifact.trained_on import KEY, TrainedOn, of_file, seen_note
from tlzoo.errors import ArtifactError

DIGESTS = [hashlib.sha256(str(at).encode()).digest() for at in range(4)]


def test_a_file_has_a_filter_or_none_or_a_broken_one():
    known = TrainedOn.of(DIGESTS)
    assert of_file({KEY: known.to_json()}, "m.onnx") == known
    assert of_file({"other": "x"}, "m.onnx") is None
    with pytest.raises(ArtifactError) as error:
        of_file({KEY: '{"version": 1, "bits": "AAAA", "hashes": 1, "count": 1}'}, "m.onnx")
    assert error.value.message == "m.onnx has a broken list of what it was trained on: version 1."
    assert error.value.hint == "Export it again."


def test_held_out_samples_that_were_trained_on_are_counted():
    known = TrainedOn.of(DIGESTS[:2])
    assert seen_note(known, DIGESTS[1:]) == (
        "1 of these 3 samples were trained on, so the figures are not those of new ones. "
        "Hold out others, or keep copies in one part."
    )
    assert seen_note(known, DIGESTS[2:]) == ""
    assert seen_note(known, []) == ""
    assert seen_note(None, DIGESTS) == ""


def test_the_filter_is_as_large_as_its_rate_asks():
    assert [len(TrainedOn.of(DIGESTS[:count]).bits) for count in (0, 4)] == [128, 128]
    many = [hashlib.sha256(str(at).encode()).digest() for at in range(1000)]
    found = TrainedOn.of([*many, *many])
    assert (len(found.bits), found.hashes, found.count) == (3595, 20, 1000)
    assert TrainedOn.of([]).hashes == 20
    assert DIGESTS[0] not in TrainedOn.of([])


@pytest.mark.parametrize("count", [1, 300])
def test_bits_are_set_where_the_hashes_say(count: int):
    digests = [hashlib.sha256(str(at).encode()).digest() for at in range(count)]
    bits = TrainedOn.of(digests).bits
    places = set()
    for each in digests:
        drawn = hashlib.shake_256(each).digest(160)
        places |= {int.from_bytes(drawn[at : at + 8], "little") % (8 * len(bits)) for at in range(0, 160, 8)}
    assert {place for place in range(8 * len(bits)) if bits[place // 8] >> place % 8 & 1} == places


@pytest.mark.parametrize(("hashes", "count", "right"), [(1, 0, True), (64, 0, True), (65, 0, False), (0, 0, False)])
def test_hashes_are_one_to_sixty_four(hashes: int, count: int, right: bool):
    text = json.dumps({"version": 2, "bits": "AAAA", "hashes": hashes, "count": count})
    if right:
        assert TrainedOn.from_json(text) == TrainedOn(bytes(3), hashes, count)
    else:
        with pytest.raises(ValueError, match=f"^3 bytes, {hashes} hashes$"):
            TrainedOn.from_json(text)
