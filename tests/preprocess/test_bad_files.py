"""Files made to hang, to fill the memory or to lie, and round trips of those that do not."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from tlzoo.errors import InputError
from tlzoo.preprocess import make_preprocessor
from tlzoo.preprocess.image import load_image
from tlzoo.specs import AudioSpec, ImageSpec

PREPARE = {
    "image": make_preprocessor(ImageSpec(size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1))),
    "audio": make_preprocessor(AudioSpec(sample_rate=16_000, seconds=0.5)),
}
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
TONE = (np.sin(np.arange(8000) / 9) / 2).astype(np.float32)
pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning"), pytest.mark.filterwarnings("ignore::RuntimeWarning")]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def sound(samples: np.ndarray, rate: int = 16_000, subtype: str = "PCM_16", kind: str = "WAV") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, subtype=subtype, format=kind)
    return out.getvalue()


def refused(modality: str, source: object, word: str) -> None:
    with pytest.raises(InputError, match=word) as caught:
        PREPARE[modality]([source])
    assert caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.needs("mkfifo")
@pytest.mark.parametrize("modality", ["image", "audio"])
def test_pipes_devices_folders_and_loops_are_no_files_and_nothing_waits_for_them(tmp_path: Path, modality: str):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(modality, tmp_path / "pipe", "named pipe")
    refused(modality, Path("/dev/zero"), "device")
    refused(modality, tmp_path, "folder")
    refused(modality, tmp_path / "loop", "(read|opened): .*(symbolic links|symlink)")


def test_a_file_too_large_to_be_read_whole_is_refused_unread(tmp_path: Path):
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(2**40)
    refused("image", tmp_path / "large.png", "larger than 256 MiB")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("PDF", b"%PDF-1.7"),
        ("EPS", b"%!PS-Adobe-3.0 EPSF-3.0"),
    ],
)
def test_kinds_that_are_not_read_are_called_by_their_name(kind: str, data: bytes):
    refused("image", data, f"is {kind}")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt"])
def test_a_text_or_a_profile_that_inflates_without_end_does_not(kind: bytes):
    png = encoded(Image.fromarray(PIXELS), "PNG")
    bomb = zlib.compress(bytes(2**28), 1)
    body = {b"zTXt": b"a\0\0", b"iCCP": b"a\0\0", b"iTXt": b"a\0\1\0\0\0"}[kind] + bomb
    with contextlib.suppress(InputError):
        PREPARE["image"]([png[:33] + chunk(kind, body) + png[33:]])


def test_a_jpeg_of_thousands_of_scans_is_refused():
    data = encoded(Image.new("L", (3000, 3000)), "JPEG", progressive=True)
    scan = data.index(b"\xff\xda")
    again = data[scan:-2]
    refused("image", data[:scan] + again * 2000 + data[-2:], "scans")


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_per_colour_are_read_as_8(kind: str):
    height, width, _ = PIXELS.shape
    wide = (PIXELS.astype(np.uint16) * 257).astype(">u2")
    if kind == "PNG":
        rows = b"".join(b"\0" + row.tobytes() for row in wide)
        head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
        body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        data = b"\x89PNG\r\n\x1a\n" + body
    else:
        import tifffile

        out = io.BytesIO()
        tifffile.imwrite(out, wide.astype(np.uint16), photometric="rgb")
        data = out.getvalue()
    np.testing.assert_array_equal(PIXELS, np.asarray(load_image(data, "")))


def test_a_picture_of_a_palette_that_is_not_there_is_refused():
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 3, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(90))) + chunk(b"IEND", b"")
    refused("image", b"\x89PNG\r\n\x1a\n" + head + body, "broken colours")


def test_of_many_pages_and_of_any_animation_the_first_counts():
    first, second = Image.new("RGB", (9, 9), "red"), Image.new("RGB", (9, 9), "blue")
    for kind, options in (("TIFF", {}), ("WEBP", {"lossless": True}), ("PNG", {})):
        data = encoded(first, kind, save_all=True, append_images=[second], **options)
        assert np.asarray(load_image(data, "")).reshape(-1, 3).tolist() == [[255, 0, 0]] * 81


def test_a_file_is_what_its_bytes_are_and_not_what_its_name_says(tmp_path: Path):
    (tmp_path / "a.gif").write_bytes(encoded(Image.fromarray(PIXELS), "PNG"))
    np.testing.assert_array_equal(PIXELS, np.asarray(load_image(tmp_path / "a.gif", "")))
    (tmp_path / "picture.wav").write_bytes(encoded(Image.fromarray(PIXELS), "PNG"))
    refused("audio", tmp_path / "picture.wav", "as audio")


@pytest.mark.parametrize(
    ("kind", "subtype", "channels", "rate"),
    [
        ("WAV", "PCM_24", 6, 96_000), ("WAV", "PCM_U8", 1, 8_000), ("WAV", "DOUBLE", 2, 44_100),
        ("WAVEX", "FLOAT", 2, 48_000), ("RF64", "PCM_16", 1, 16_000), ("MP3", "MPEG_LAYER_III", 1, 16_000),
        ("OGG", "OPUS", 1, 48_000), ("AIFF", "PCM_16", 2, 22_050),
    ],
)  # fmt: skip
def test_every_container_width_rate_and_number_of_channels_is_the_same_tone(kind, subtype, channels, rate):
    time_ = np.arange(rate) / rate
    tone = np.sin(2 * np.pi * 440 * time_)[:, None].repeat(channels, 1) / 2
    audio = PREPARE["audio"]([sound(tone, rate, subtype, kind)])["audio"][0]
    spectrum = np.abs(np.fft.rfft(audio))
    assert abs(int(spectrum.argmax()) * 2 - 440) <= 2
    assert 0.45 < np.abs(audio[2000:6000]).max() < 0.55


def test_a_silent_recording_is_a_recording():
    assert not PREPARE["audio"]([sound(np.zeros(8000))])["audio"].any()


def test_a_header_that_claims_four_gigabytes_gives_what_is_there():
    data = bytearray(sound(TONE))
    data[40:44] = struct.pack("<I", 0xFFFFFFF0)
    np.testing.assert_allclose(TONE, PREPARE["audio"]([bytes(data)])["audio"][0], atol=1e-4)
    data[40:44] = struct.pack("<I", 0x70000000)
    refused("audio", bytes(data), "truncated")


def test_a_wav_of_chunks_without_end_is_refused():
    refused("audio", b"RIFF\xff\xff\xff\x7fWAVE" + b"junk\0\0\0\0" * 100_000, "chunks")


@pytest.mark.parametrize("rate", [0.5, 1e-9, 10**7])
def test_a_rate_that_nothing_is_recorded_at_is_refused(rate: float):
    refused("audio", (TONE, rate), "sample rate")


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3))),
    st.sampled_from(["PNG", "BMP", "TIFF", "PPM"]),
)
def test_any_picture_encoded_without_loss_decodes_to_itself(pixels: np.ndarray, kind: str):
    np.testing.assert_array_equal(pixels, np.asarray(load_image(encoded(Image.fromarray(pixels), kind), "")))


@settings(max_examples=60, deadline=None)
@given(arrays(np.int16, st.integers(1, 8000)), st.sampled_from(["WAV", "FLAC", "AIFF"]))
def test_any_recording_encoded_without_loss_decodes_to_itself(samples: np.ndarray, kind: str):
    audio = PREPARE["audio"]([sound(samples, kind=kind)])["audio"][0]
    np.testing.assert_array_equal(samples / np.float32(32768), audio[: len(samples)])
    assert not audio[len(samples) :].any()


WHOLE = {
    "image": [encoded(Image.fromarray(PIXELS), kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM")],
    "audio": [sound(TONE[:900]), sound(TONE[:900], kind="FLAC"), sound(TONE[:900], subtype="VORBIS", kind="OGG")],
}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_arbitrary_bytes_and_damaged_files_raise_nothing_but_input_errors(data: st.DataObject):
    modality = data.draw(st.sampled_from(sorted(WHOLE)))
    raw = data.draw(st.sampled_from([b"", *WHOLE[modality]]))
    at, length = data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 40))
    broken = raw[:at] + data.draw(st.binary(max_size=40)) + raw[at + length :]
    with contextlib.suppress(InputError):
        PREPARE[modality]([broken])


PEAK = """
import resource, sys, tempfile, threading
import numpy as np
from PIL import Image
from tlzoo.preprocess import make_preprocessor
from tlzoo.specs import AudioSpec, ImageSpec
IMAGE = make_preprocessor(ImageSpec(size=(224, 224), mean=(0, 0, 0), std=(1, 1, 1)))
AUDIO = make_preprocessor(AudioSpec(sample_rate=16_000, seconds=30))
file = sys.argv[1]
"""


def peak(code: str, file: Path) -> int:
    """Bytes above what the interpreter and its imports take."""
    script = PEAK + textwrap.dedent(code)
    measured = "\nkilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nprint((kilobytes - before) * 1024)"
    script = script.replace("file =", "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nfile =") + measured
    done = subprocess.run([sys.executable, "-c", script, str(file)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def transparent(file: Path, side: int) -> None:
    """A PNG of `side` x `side` half transparent pixels, a few kilobytes."""
    squeeze = zlib.compressobj(1)
    row = b"\0" + b"\x10\x20\x30\x80" * side
    body = b"".join(squeeze.compress(row) for _ in range(side)) + squeeze.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))


@pytest.mark.needs("linux")
@pytest.mark.release
def test_two_of_the_largest_transparent_pictures_side_by_side_take_less_than_a_gigabyte(tmp_path: Path):
    transparent(tmp_path / "large.png", 9_400)
    assert peak("IMAGE([file, file])", tmp_path / "large.png") < 10**9


@pytest.mark.needs("linux")
def test_an_hour_of_six_channels_takes_no_more_than_what_is_read_of_it(tmp_path: Path):
    head = sound(np.zeros((1, 6)), 96_000, "PCM_24")
    body = 3600 * 96_000 * 18 // 2  # half an hour: a plain WAV holds no more
    with (tmp_path / "hour.wav").open("wb") as file:
        at = head.index(b"data")
        file.write(head[: at + 4] + struct.pack("<I", body))
        file.truncate(at + 8 + body)
    assert peak("AUDIO([file])", tmp_path / "hour.wav") < 3 * 10**8


def test_a_flac_whose_header_claims_more_than_is_there_is_refused():
    data = bytearray(sound(TONE, kind="FLAC"))
    data[22:26] = struct.pack(">I", 2 * len(TONE))
    refused("audio", bytes(data), "truncated|cannot be read as audio")


def test_a_sound_that_ends_before_the_frame_that_its_last_page_names_is_refused():
    pages = sound(np.random.default_rng(0).normal(0, 0.1, 48_000), subtype="OPUS", kind="OGG").split(b"OggS")
    with pytest.raises(InputError, match="truncated"):
        make_preprocessor(AudioSpec(sample_rate=16_000, seconds=3))([b"OggS".join([*pages[:-2], pages[-1]])])
