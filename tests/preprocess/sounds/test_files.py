"""Every byte of sound in a file is heard, or the file is refused."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from shared_fixtures.sound_files import RATE, chirp, encoded

from tlzoo.errors import InputError
from tlzoo.preprocess.audio import AudioPreprocessor
from tlzoo.preprocess.sounds import mpeg
from tlzoo.specs import AudioSpec

PREPARE = AudioPreprocessor(AudioSpec(sample_rate=RATE, seconds=8))
SECOND, FIRST = chirp(2, falling=True), chirp(3)
TITLE = b"TAG" + b"title".ljust(125, b"\0")
ID3 = b"ID3\x04\0\0\0\0\0\x10" + b"\xff\xfb\x90\x64" * 4  # whose picture looks like a frame
APE = b"APETAGEX" + struct.pack("<IIII", 2000, 32 + 8, 1, 0xA0000000) + bytes(8) + b"\xff\xf3\x88\xc4" * 2
FORMATS = {"FLAC": "PCM_16", "OGG": "VORBIS", "WAV": "PCM_16", "AIFF": "PCM_16", "MP3": "MPEG_LAYER_III"}


def heard(data: bytes) -> float:
    """Seconds up to the last sample that is no silence."""
    audio = PREPARE([data])["audio"][0]
    return (np.flatnonzero(np.abs(audio) > 1e-3)[-1] + 1) / RATE


def refused(data: bytes, word: str) -> None:
    with pytest.raises(InputError, match=word) as caught:
        PREPARE([data])
    assert caught.value.hint


def without_tag(data: bytes) -> bytes:
    """An MP3 without the frame that says how many there are."""
    header = mpeg.header_at(data, 0)
    assert header is not None
    return data[header.size :]


def patched(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


@pytest.mark.parametrize("kind", [*FORMATS, "OPUS"])
def test_two_files_joined_are_heard_one_after_the_other(kind: str):
    form, subtype = ("OGG", "OPUS") if kind == "OPUS" else (kind, FORMATS[kind])
    data = encoded(FIRST, form, subtype) + encoded(SECOND, form, subtype)
    audio = PREPARE([data])["audio"][0]
    expected = np.concatenate([FIRST, SECOND])
    assert np.abs(audio[: len(expected)] - expected).mean() < 0.02
    assert not np.abs(audio[len(expected) :]).max() > 1e-3


@pytest.mark.parametrize("kind", FORMATS)
def test_joined_files_of_two_rates_are_each_resampled(kind: str):
    data = encoded(FIRST, kind, FORMATS[kind]) + encoded(chirp(2, 44_100), kind, FORMATS[kind], 44_100)
    assert heard(data) == pytest.approx(5, abs=0.01)


def test_empty_files_among_joined_ones_are_passed_over_up_to_a_thousand():
    empty = encoded(np.zeros(0), "WAV", "PCM_16", 44_100)
    assert heard(empty + encoded(FIRST, "WAV", "PCM_16") + empty) == pytest.approx(3, abs=0.01)
    refused(empty * 1001, "in a row")


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_cut_is_refused(kind: str):
    data = encoded(np.random.default_rng(0).normal(0, 0.2, 3 * RATE), kind, FORMATS[kind])
    for share in (0.4, 0.7):
        refused(data[: int(len(data) * share) // 7 * 7 + 1], "truncated")


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_cut_behind_the_window_is_heard_all_the_same(kind: str):
    data = encoded(np.random.default_rng(0).normal(0, 0.2, 30 * RATE), kind, FORMATS[kind])
    if kind not in ("WAV", "AIFF"):  # those are refused by their header alone
        assert heard(data[: len(data) * 2 // 3]) == 8


@pytest.mark.parametrize("kind", FORMATS)
def test_tags_before_and_behind_are_no_sound(kind: str):
    data = encoded(FIRST, kind, FORMATS[kind])
    assert heard(data + TITLE) == pytest.approx(3, abs=0.01)
    if kind in ("FLAC", "MP3"):
        assert heard(ID3 + data) == pytest.approx(3, abs=0.01)
    if kind == "MP3":
        assert heard(ID3 + data + APE + TITLE + ID3 + data + TITLE) == pytest.approx(6, abs=0.01)


class TestMp3:
    @pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
    @pytest.mark.parametrize("rate", [16_000, 44_100])
    def test_without_a_count_is_heard_to_its_end(self, mode: str, rate: int):
        loud_first = chirp(3, rate) * np.repeat([1, 0, 0.1], rate).astype(np.float32)
        for samples in (chirp(3, rate), loud_first, np.stack([loud_first, chirp(3, rate)], axis=1)):
            data = encoded(samples, "MP3", None, rate, bitrate_mode=mode, compression_level=0.5)
            assert 2.95 < heard(without_tag(data)) < 3.2
            assert 5.95 < heard(without_tag(data) + without_tag(data)) < 6.4

    def test_with_the_count_of_another_file_is_heard_to_its_end_or_refused(self):
        data = encoded(FIRST, "MP3")
        at = data.index(b"Xing" if b"Xing" in data else b"Info") + 8
        assert 3 <= heard(patched(data, at, struct.pack(">I", 5))) < 3.2
        refused(patched(data, at, struct.pack(">I", 5000)), "truncated")

    def test_that_is_longer_than_the_window_is_read_no_further(self):
        data = encoded(chirp(60), "MP3")
        assert heard(data) == heard(without_tag(data)) == 8

    def test_behind_junk_between_two_is_heard(self):
        data = encoded(FIRST, "MP3")
        assert heard(data + b"junk" * 99 + data) == pytest.approx(6, abs=0.01)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda sound: sound[:2000] + bytes(1000) + sound[3000:],
            lambda sound: sound[:2000] + b"some text " * 100 + sound[3000:],
            lambda sound: sound[:2000] + bytes(255 - byte for byte in sound[2000:3000]) + sound[3000:],
            lambda sound: sound[:2000] + sound[2500:],
            lambda sound: sound[:-3000] + b"some text " * 300,
        ],
        ids=["zeros", "text", "flipped", "cut out", "text at its end"],
    )
    def test_without_a_count_is_refused_where_something_is_lost_in_the_middle(self, damage: Any):
        data = encoded(np.random.default_rng(0).normal(0, 0.2, 3 * RATE), "MP3")
        first = mpeg.header_at(data, 0)
        assert first is not None
        refused(damage(data[first.size :]), "is damaged: .* bytes (between its frames|behind its last frame)")

    def test_lyrics_behind_are_no_sound(self):
        data = encoded(FIRST, "MP3") + b"LYRICSBEGIN" + b"la " * 2000 + b"006011LYRICS200" + TITLE
        assert heard(data) == pytest.approx(3, abs=0.01)


class TestFlac:
    def count(self, samples: int, data: bytes) -> bytes:
        return patched(data, 21, bytes([data[21] & 0xF0]))[:22] + samples.to_bytes(4, "big") + data[26:]

    @pytest.mark.parametrize("count", [0, 1, RATE])
    def test_of_unknown_or_too_small_a_length_is_heard_to_its_end(self, count: int):
        data = self.count(count, encoded(FIRST, "FLAC"))
        np.testing.assert_allclose(PREPARE([data])["audio"][0][: len(FIRST)], FIRST, atol=1e-4)
        assert heard(data + data) == pytest.approx(6, abs=0.01)

    def test_of_unknown_length_that_is_cut_is_refused(self):
        data = self.count(0, encoded(FIRST, "FLAC"))
        for size in (len(data) * 2 // 3, len(data) - 9):
            refused(data[:size], "truncated or damaged|truncated")

    def test_of_more_samples_than_are_there_is_refused(self):
        refused(self.count(9 * RATE, encoded(FIRST, "FLAC")), "truncated")

    def test_of_noise_whose_bytes_look_like_headers_keeps_its_length(self):
        noise = np.random.default_rng(1).normal(0, 0.3, 7 * RATE).clip(-1, 1)
        assert heard(encoded(noise, "FLAC", "PCM_24")) == pytest.approx(7, abs=0.01)


class TestOgg:
    @pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
    def test_without_a_page_is_refused(self, subtype: str):
        data = encoded(np.random.default_rng(0).normal(0, 0.1, 5 * RATE), "OGG", subtype)
        pages = data.split(b"OggS")
        assert len(pages) > 6
        refused(b"OggS".join(pages[:-3] + pages[-2:]), "truncated")

    @pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
    def test_with_a_damaged_page_is_refused_where_it_would_be_heard(self, subtype: str):
        data = bytearray(encoded(np.random.default_rng(0).normal(0, 0.1, 20 * RATE), "OGG", subtype))
        data[len(data) // 5] ^= 255
        refused(bytes(data), "damaged")
        data[len(data) // 5] ^= 255
        data[-100] ^= 255
        assert heard(bytes(data)) == pytest.approx(8, abs=0.01)

    def test_with_bytes_that_are_no_page_is_refused(self):
        refused(encoded(FIRST, "OGG") + b"junk" * 99, "no Ogg page")

    def test_three_chained_streams_are_heard(self):
        parts = [encoded(chirp(1), "OGG", subtype) for subtype in ("VORBIS", "OPUS", "VORBIS")]
        assert heard(b"".join(parts)) == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize(("kind", "name", "order"), [("WAV", b"data", "<"), ("AIFF", b"SSND", ">")])
class TestChunks:
    def sized(self, data: bytes, name: bytes, order: str, size: int) -> bytes:
        return patched(data, data.index(name) + 4, struct.pack(f"{order}I", size))

    @pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
    def test_a_header_that_was_never_finished_is_read_to_the_end(self, kind: str, name: bytes, order: str, size: int):
        data = self.sized(encoded(FIRST, kind, "PCM_16"), name, order, size)
        for given in (data, patched(data, 4, bytes(4))):
            np.testing.assert_allclose(PREPARE([given])["audio"][0][: len(FIRST)], FIRST, atol=1e-4)

    @pytest.mark.parametrize("size", [1000, 31_999])
    def test_bytes_that_no_chunk_has_are_refused(self, kind: str, name: bytes, order: str, size: int):
        refused(self.sized(encoded(FIRST, kind, "PCM_16"), name, order, size), "belong to nothing")

    def test_more_than_is_there_is_refused(self, kind: str, name: bytes, order: str):
        refused(self.sized(encoded(FIRST, kind, "PCM_16"), name, order, 200_000), "truncated")

    def test_chunks_of_any_length_and_zeros_behind_the_sound_are_left(self, kind: str, name: bytes, order: str):
        data = encoded(FIRST, kind, "PCM_16")
        for rest in (b"LIST" + struct.pack(f"{order}I", 3) + b"abc\0", bytes(512), b"\n"):
            assert heard(data + rest) == pytest.approx(3, abs=0.01)

    def test_an_empty_sound_before_another_chunk_is_empty(self, kind: str, name: bytes, order: str):
        data = encoded(np.zeros(0), kind, "PCM_16")
        data = self.sized(data, name, order, 0 if kind == "WAV" else 8)
        refused(data + b"LIST" + struct.pack(f"{order}I", 4) + b"abcd", "no samples")


def test_rf64_is_read_by_its_long_size_or_to_the_end():
    data = encoded(FIRST, "RF64", "PCM_16")
    at = data.index(b"ds64") + 16
    for size in (len(FIRST) * 2, 0, 2**64 - 1):
        assert heard(patched(data, at, struct.pack("<Q", size))) == pytest.approx(3, abs=0.01)
    refused(data[: len(data) // 2], "truncated")


@pytest.mark.parametrize("kind", ["AU", "CAF"])
def test_other_formats_that_are_read_are_checked_too(kind: str):
    data = encoded(FIRST, kind, "PCM_16")
    assert heard(data) == pytest.approx(3, abs=0.01)
    refused(data[: len(data) // 2], "truncated")
    refused(data + data, "behind its sound")


@pytest.mark.parametrize("kind", ["W64", "VOC", "NIST"])
def test_formats_whose_length_is_not_checked_are_refused(kind: str):
    refused(encoded(FIRST, kind, "PCM_16"), f"format {kind}")


@pytest.mark.parametrize("first", [*FORMATS, "OPUS"])
@pytest.mark.parametrize("behind", [*FORMATS, "noise", "text"])
def test_what_follows_it_is_heard_or_refused(first: str, behind: str):
    made = {"noise": np.random.default_rng(5).bytes(5000), "text": b"Recorded on the road, sent by mail. " * 90}
    rest = made[behind] if behind in made else encoded(SECOND, behind, FORMATS[behind])
    form, subtype = ("OGG", "OPUS") if first == "OPUS" else (first, FORMATS[first])
    data = encoded(FIRST, form, subtype) + rest
    if behind == form or {first, behind} == {"WAV", "AIFF"}:
        assert heard(data) == pytest.approx(5, abs=0.2)
    else:
        refused(data, "behind|no Ogg page")


@pytest.mark.parametrize("rest", [bytes(3000), TITLE, ID3], ids=["zeros", "title", "tag"])
@pytest.mark.parametrize("header", ["right", "none"])
def test_filling_behind_a_flac_changes_nothing(header: str, rest: bytes):
    data = encoded(FIRST, "FLAC", "PCM_16")
    if header == "none":
        data = patched(data, 21, bytes([data[21] & 0xF0, 0, 0, 0, 0]))
    np.testing.assert_array_equal(PREPARE([data + rest])["audio"], PREPARE([data])["audio"])
