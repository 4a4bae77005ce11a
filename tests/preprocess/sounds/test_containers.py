"""The sound of MP4, WebM and their kin is read through PyAV, and named where that is not there."""

from __future__ import annotations

import contextlib
import functools
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shared_fixtures.sound_files import RATE, chirp, encoded

from tlzoo.data import read
from tlzoo.errors import DataError, InputError
from tlzoo.io.inputs.kinds import HEAD, is_container, kind_of
from tlzoo.io.inputs.report import NEEDS_EXTRA, ReadReport
from tlzoo.preprocess.audio import AudioPreprocessor
from tlzoo.specs import AudioSpec
from tlzoo.tasks import make_task

PREPARE = AudioPreprocessor(AudioSpec(sample_rate=RATE, seconds=8))
FORMATS = {"WAV": "PCM_16", "FLAC": "PCM_16", "OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}
KINDS = {
    "mp4": "aac",
    "ipod": "aac",
    "mov": "alac",
    "webm": "libopus",
    "matroska": "flac",
    "adts": "aac",
    "asf": "wmav2",
}


def muxed(kind: str, codec: str, seconds: float = 3, video: bool = False, **options: str) -> bytes:
    """A chirp in a container, made by PyAV."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=kind, options=options) as container:
        if video:
            picture = container.add_stream("mpeg4", rate=5)
            picture.width = picture.height = 32
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        if codec == "wmav2":
            stream.bit_rate = 96_000
        resampler = av.AudioResampler(stream.codec_context.format, "mono", 48_000, stream.codec_context.frame_size)
        samples = chirp(seconds, 48_000)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        for given in (frame, None):
            for made in resampler.resample(given):
                container.mux(stream.encode(made))
        container.mux(stream.encode(None))
        if video:
            for _ in range(5):
                container.mux(picture.encode(av.VideoFrame(32, 32, "yuv420p")))
            container.mux(picture.encode(None))
    return file.getvalue()


def heard(data: bytes) -> np.ndarray:
    return PREPARE([data])["audio"][0]


class TestWithPyAV:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("av")

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_sound_is_heard_and_nothing_else_is(self, kind: str):
        data = muxed(kind, KINDS[kind])
        assert kind_of(data[:HEAD]) == "audio"
        assert is_container(data[:HEAD])
        audio = heard(data)
        assert np.sqrt(np.mean(audio[: 3 * RATE] ** 2)) == pytest.approx(0.354, abs=0.01)
        assert not np.abs(audio[int(3.1 * RATE) :]).max() > 1e-3

    def test_a_video_gives_its_sound(self):
        assert np.abs(heard(muxed("mp4", "aac", video=True))).max() > 0.4

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_is_cut_is_refused(self, kind: str):
        data = muxed(kind, KINDS[kind])
        with pytest.raises(InputError, match=r"truncated|cannot be read"):
            heard(data[: len(data) * 2 // 3])

    def test_a_recording_of_a_browser_that_is_cut_is_refused(self):
        data = muxed("webm", "libopus", live="1")  # which knows neither its length nor how long its parts are
        assert np.abs(heard(data))[: 3 * RATE].max() > 0.4
        with pytest.raises(InputError, match="truncated"):
            heard(data[: len(data) * 2 // 3])

    def test_a_tag_before_it_changes_nothing(self):
        data = muxed("adts", "aac")
        np.testing.assert_array_equal(heard(b"ID3\4\0\0\0\0\1\0" + bytes(128) + data), heard(data))

    @pytest.mark.parametrize("kind", KINDS)
    def test_two_joined_are_heard_one_after_the_other(self, kind: str):
        data = muxed(kind, KINDS[kind])
        one = heard(data)
        length = int(np.flatnonzero(np.abs(one) > 1e-3)[-1] + 1)
        both = heard(data + data)
        assert np.abs(both[length + RATE // 5 : 2 * length - RATE // 5]).max() > 0.4
        assert (np.flatnonzero(np.abs(both) > 1e-3)[-1] + 1) == pytest.approx(2 * length, abs=RATE / 5)

    @pytest.mark.parametrize(("first", "second"), [("webm", "matroska"), ("mp4", "mov")])
    def test_two_of_other_codecs_are_heard_too(self, first: str, second: str):
        data = muxed(first, KINDS[first]) + muxed(second, KINDS[second])
        assert np.abs(heard(data)[int(3.2 * RATE) : int(5.8 * RATE)]).max() > 0.4

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("behind", ["WAV", "MP3", "OGG", "FLAC", "text", "noise", "other"])
    def test_bytes_behind_it_that_are_none_of_it_are_refused(self, kind: str, behind: str):
        other = "mp4" if kind in ("webm", "matroska") else "webm"
        made = {
            "text": b"Recorded on the road, then sent by mail. " * 20,
            "noise": np.random.default_rng(3).bytes(3000),
            "other": _short(other),
        }
        rest = made[behind] if behind in made else encoded(chirp(1), behind, FORMATS[behind])
        with pytest.raises(InputError, match="behind its sound"):
            heard(muxed(kind, KINDS[kind]) + rest)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("rest", [bytes(3000), b"TAG" + b"title".ljust(125, b"\0")], ids=["zeros", "tag"])
    def test_zeros_and_a_title_behind_it_change_nothing(self, kind: str, rest: bytes):
        data = muxed(kind, KINDS[kind])
        np.testing.assert_array_equal(heard(data + rest), heard(data))

    def test_a_window_is_filled_and_no_more(self):
        assert np.abs(heard(muxed("webm", "libopus", 20))[-RATE:]).max() > 0.4

    def test_those_that_are_cut_are_found_before_work_starts(self, tmp_path: Path):
        for label in "ab":
            (tmp_path / label).mkdir()
            (tmp_path / label / "cut.m4a").write_bytes(muxed("ipod", "aac")[:9000])
            (tmp_path / label / "whole.webm").write_bytes(muxed("webm", "libopus"))
        report = ReadReport()
        with pytest.raises(DataError, match="truncated"):
            read(tmp_path, make_task("audio-classification"), report=report)
        assert {Path(name).name for name in report.broken} == {"cut.m4a"}

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.sampled_from(sorted(KINDS)), st.data())
    def test_damage_raises_nothing_but_input_errors(self, kind: str, data: st.DataObject):
        whole = _short(kind)
        at, length = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, 40))
        with contextlib.suppress(InputError):
            heard(whole[:at] + data.draw(st.binary(max_size=40)) + whole[at + length :])


@functools.cache
def _short(kind: str) -> bytes:
    return muxed(kind, KINDS[kind], 0.3)


class TestWithoutPyAV:
    @pytest.fixture(autouse=True)
    def _missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tlzoo.io.inputs.kinds.find_spec", lambda name: None)

    @pytest.mark.parametrize(
        "head", [b"\0\0\0 ftypM4A ", b"\x1aE\xdf\xa3", b"\xff\xf1\x50\x80", b"0&\xb2u\x8ef\xcf\x11"]
    )
    def test_the_extra_is_named(self, head: bytes):
        with pytest.raises(InputError, match="PyAV") as caught:
            heard(head + bytes(200))
        assert "tlzoo[containers]" in (caught.value.hint or "")

    def test_they_are_among_what_cannot_be_read_of_a_data_set(self, tmp_path: Path):
        for label in "ab":
            (tmp_path / label).mkdir()
            (tmp_path / label / "noted.m4a").write_bytes(b"\0\0\0 ftypM4A " + bytes(99))
            (tmp_path / label / "called.dat").write_bytes(b"\x1aE\xdf\xa3" + bytes(99))
        report = ReadReport()
        with pytest.raises(DataError):
            read(tmp_path, make_task("audio-classification"), report=report)
        assert {Path(name).name for name in report.broken} == {"noted.m4a"}
        assert all("tlzoo[containers]" in (error.hint or "") for error in report.broken.values())
        assert (report.extras, report.left_out[NEEDS_EXTRA]) == ({"containers"}, {".dat": 2})
