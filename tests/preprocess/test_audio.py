"""Recordings become arrays of one length at one rate, and what cannot is named with its cause."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tlzoo.errors import InputError
from tlzoo.preprocess.audio import AudioPreprocessor
from tlzoo.specs import AudioSpec

SPEC = AudioSpec(sample_rate=16_000, seconds=0.5)
PREPARE = AudioPreprocessor(SPEC)


def tone(seconds: float, rate: int, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def wav(samples: np.ndarray, rate: int, subtype: str = "FLOAT", form: str = "WAV") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, subtype=subtype, format=form)
    return out.getvalue()


def test_a_file_its_bytes_and_its_array_give_the_same_samples(tmp_path: Path) -> None:
    path = tmp_path / "ton é.wav"
    samples = tone(0.5, 16_000)
    path.write_bytes(wav(samples, 16_000))
    audio = PREPARE([path, str(path), path.read_bytes(), samples, (samples, 16_000)])["audio"]
    assert audio.shape == (5, 8_000)
    assert np.float32 == audio.dtype
    for row in audio:
        np.testing.assert_array_equal(samples, row)


def test_short_recordings_are_padded_with_zeros_and_long_ones_cut_at_the_end() -> None:
    short, long = tone(0.1, 16_000), tone(2, 16_000)
    audio = PREPARE([short, long])["audio"]
    np.testing.assert_array_equal(np.pad(short, (0, 6_400)), audio[0])
    np.testing.assert_array_equal(long[:8_000], audio[1])


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_a_tone_at_another_rate_is_the_same_tone_at_the_models_rate(rate: int) -> None:
    audio = PREPARE([(tone(2, rate), rate)])["audio"][0]
    np.testing.assert_allclose(tone(0.5, 16_000)[200:], audio[200:], atol=2e-3)


@pytest.mark.parametrize(
    ("form", "subtype"), [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")]
)
def test_the_common_formats_are_read(form: str, subtype: str) -> None:
    audio = PREPARE([wav(tone(0.5, 16_000), 16_000, subtype, form)])["audio"][0]
    assert np.abs(audio - tone(0.5, 16_000)).mean() < 0.01


def test_channels_are_averaged_whichever_axis_they_lie_on() -> None:
    left, right = tone(0.5, 16_000), tone(0.5, 16_000, 1_000)
    stereo = np.stack([left, right], axis=1)
    audio = PREPARE([stereo, stereo.T, wav(stereo, 16_000)])["audio"]
    for row in audio:
        np.testing.assert_allclose((left + right) / 2, row, atol=1e-7)


@given(st.sampled_from(["int8", "int16", "int32", "uint8", "uint16"]))
def test_integers_of_any_width_span_minus_one_to_one(name: str) -> None:
    info = np.iinfo(name)
    audio = PREPARE([np.array([info.min, info.max], name)])["audio"][0]
    assert audio[0] == -1.0
    assert 0.99 < audio[1] <= 1.0


def test_a_long_file_is_read_no_further_than_needed(tmp_path: Path) -> None:
    path = tmp_path / "hour.wav"
    head = wav(tone(1, 16_000), 16_000, "PCM_16")
    body = 3600 * 32_000
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", body + 36) + head[8:40] + struct.pack("<I", body) + head[44:])
        file.truncate(body + 44)
    taken: list[int] = []
    original = soundfile.SoundFile.read

    def counted(self: soundfile.SoundFile, frames: int, **options: object) -> np.ndarray:
        taken.append(frames)
        return original(self, frames, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soundfile.SoundFile, "read", counted)
        audio = PREPARE([path])["audio"][0]
    assert sum(taken) <= 16_000
    np.testing.assert_allclose(tone(0.5, 16_000), audio, atol=1e-4)


def test_a_stream_whose_header_does_not_know_its_length_is_read() -> None:
    data = bytearray(wav(tone(0.5, 16_000), 16_000, "PCM_16"))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    np.testing.assert_allclose(tone(0.5, 16_000), PREPARE([bytes(data)])["audio"][0], atol=1e-4)


BAD = [
    "complex", "cut.flac", "cut.wav", "empty.wav", "folder", "header.wav", "inf.wav", "missing.wav", "nan.wav",
    "no array", "nothing", "number", "overflow", "rate", "rate nan", "silent.wav", "text.wav", "three axes",
    "zero byte in path",
]  # fmt: skip


def bad_inputs(folder: Path) -> dict[str, tuple[object, str]]:
    """By name: an input that cannot be read, and a word its error must say."""
    good = wav(tone(1, 16_000), 16_000, "PCM_16")
    flac = wav(tone(1, 16_000), 16_000, "PCM_16", "FLAC")
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("hello, I am a text that claims to be sound")
    (folder / "cut.wav").write_bytes(good[: len(good) // 4])
    (folder / "cut.flac").write_bytes(flac[: len(flac) // 3])
    (folder / "header.wav").write_bytes(good[:30])
    (folder / "silent.wav").write_bytes(wav(np.zeros(0, np.float32), 16_000))
    (folder / "nan.wav").write_bytes(wav(np.array([0.0, np.nan], np.float32), 16_000))
    (folder / "inf.wav").write_bytes(wav(np.array([0.0, np.inf], np.float32), 16_000))
    files = {
        "missing.wav": "exist",
        "empty.wav": "empty",
        "text.wav": "as audio",
        "cut.wav": "truncated",
        "cut.flac": "",
        "header.wav": "",
        "silent.wav": "no samples",
        "nan.wav": "NaN",
        "inf.wav": "infinite",
    }
    return {name: (folder / name, word) for name, word in files.items()} | {
        "folder": (folder, "opened"),
        "zero byte in path": ("a\0b", "opened"),
        "number": (7, "int"),
        "no array": (np.array(["a"]), "<U1"),
        "complex": (np.array([1j]), "complex"),
        "three axes": (np.zeros((2, 2, 2)), "axes"),
        "nothing": (np.zeros(0), "no samples"),
        "overflow": (np.array([1e300]), "infinite"),
        "rate": ((tone(1, 16_000), 0), "rate"),
        "rate nan": ((tone(1, 16_000), float("nan")), "rate"),
    }


@pytest.mark.parametrize("name", BAD)
def test_a_bad_recording_is_named_with_its_cause_and_a_way_out(name: str, tmp_path: Path) -> None:
    raw, word = bad_inputs(tmp_path)[name]
    with pytest.raises(InputError) as caught:
        PREPARE([tone(0.5, 16_000), raw])
    named = repr(str(raw)) if isinstance(raw, str | Path) else "number 2"
    assert named in caught.value.message
    assert word in caught.value.message
    assert "\n" not in str(caught.value)
    assert caught.value.hint


@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_samples_or_an_input_error(data: bytes) -> None:
    for raw in (data, b"RIFF\x00\x00\x00\x00WAVE" + data):
        with contextlib.suppress(InputError):
            assert PREPARE([raw])["audio"].shape == (1, 8_000)


def test_no_input_gives_an_empty_batch() -> None:
    assert PREPARE([])["audio"].shape == (0, 8_000)


def test_neither_torch_nor_soundfile_is_imported_with_the_module() -> None:
    code = "import sys, tlzoo.preprocess.audio; print({'torch', 'soundfile', 'soxr'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
