"""HEIC and JPEG XL: what their extras read, and what is said without them."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from shared_fixtures.odd_pictures import encoded, scene

from tlzoo.data import announce, read
from tlzoo.errors import DataError, InputError
from tlzoo.io.inputs import kinds
from tlzoo.io.inputs.report import ReadReport
from tlzoo.preprocess.extra_formats import jpeg_xl_size
from tlzoo.preprocess.image import load_image
from tlzoo.tasks import make_task

# 64 x 32: the left half red (220, 40, 30), the right half blue (30, 60, 220)
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
    "ACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAAGkAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRt"
    "AAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMA"
    "AAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5j"
    "bHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAIAAAAAEAAAAAAAAAAv///+AAAAACAAAAEHBp"
    "eGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAHFtZGF0AAAAZSgBrwngOSMkv//31z//+UAuQ/eJpcF//YA99/iU"
    "6f/73rdRGNYssf52zR/VtcpYqxGOWMzR9R2mzkqsyTWAk9huRxfjJP0QY2wg1XLaz2EQBxH8SIpfqgTOyZ+/VowlK26+8tgO"
)


def jxl(pixels: np.ndarray, **options: object) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, **options))


def test_a_heic_is_read():
    pixels = np.asarray(load_image(HEIC, "a.heic")).astype(int)
    assert pixels.shape == (32, 64, 3)
    assert np.abs(pixels[:, :24] - (220, 40, 30)).max() < 12
    assert np.abs(pixels[:, 40:] - (30, 60, 220)).max() < 12


@pytest.mark.parametrize("boxes", [False, True])
@pytest.mark.parametrize(
    "size",
    [
        (1, 1),
        (8, 8),
        (8, 16),
        (20, 30),
        (264, 256),
        (300, 400),
        (37, 5000),
        (600, 20),
        (9, 16),
        pytest.param((1080, 1920), marks=pytest.mark.release),
    ],
)
def test_the_size_of_a_jpeg_xl_is_known_before_it_is_decoded(size: tuple[int, int], boxes: bool):
    assert jpeg_xl_size(jxl(np.zeros((*size, 3), np.uint8), usecontainer=boxes)) == size[::-1]


def test_a_jpeg_xl_is_read_to_the_bit():
    np.testing.assert_array_equal(np.asarray(load_image(jxl(scene()), "a.jxl")), scene())


def test_a_jpeg_xl_lies_on_white_and_keeps_the_rules_of_16_bits():
    see_through = np.concatenate([scene(), np.zeros((40, 64, 1), np.uint8)], 2)
    assert np.asarray(load_image(jxl(see_through), "a.jxl")).min() == 255
    ramp = np.tile(np.linspace(0, 4095, 64).round().astype(np.uint16), (40, 1))
    levels = np.rint(ramp / 4095 * 255)
    np.testing.assert_array_equal(np.asarray(load_image(jxl(ramp), "", (0, 4095)))[..., 0], levels)
    with pytest.raises(InputError, match="no value above 4095"):
        load_image(jxl(ramp), "a.jxl")
    colours = np.stack([ramp] * 3, 2)
    np.testing.assert_array_equal(np.asarray(load_image(jxl(colours * 16), "")), colours * 16 >> 8)
    with pytest.raises(InputError, match="12 or fewer"):
        load_image(jxl(colours), "a.jxl")


def huge() -> bytes:
    """A codestream whose header claims 2**30 pixels a side."""
    side = (3 << 0) | ((2**30 - 1) << 2)  # the longest form of a side
    return b"\xff\x0a" + ((side << 1) | (1 << (1 + 32))).to_bytes(12, "little") + bytes(40)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (HEIC[:30], "as HEIC"),
        (HEIC[:-10], "as HEIC"),
        (jxl(scene())[:-5], "as JPEG XL"),
        (b"\xff\x0a", "as JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\0jxlc" + bytes(30), "no codestream"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x01jxlp" + bytes(30), "no codestream"),
        (huge(), "million pixels"),
    ],
)
def test_what_is_broken_or_too_large_is_refused(data: bytes, said: str):
    with pytest.raises(InputError, match=f"^a picture .*{said}") as caught:
        load_image(data, "a picture")
    assert caught.value.hint


@pytest.fixture
def phone(tmp_path: Path) -> Path:
    """Two classes, half of one in formats of extras."""
    for label in ("blue", "red"):
        (tmp_path / label).mkdir()
        for at in range(4):
            (tmp_path / label / f"{at}.png").write_bytes(encoded(Image.fromarray(scene()[:, at:]), "PNG"))
    (tmp_path / "red" / "IMG_1.HEIC").write_bytes(HEIC)
    (tmp_path / "red" / "scan").write_bytes(jxl(scene()))
    return tmp_path


def counted(folder: Path, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    report = ReadReport()
    found = read(folder, make_task("image-classification"), report=report)
    announce(report, folder)
    return len(found.train), capfd.readouterr().err


def test_they_are_found_by_content(phone: Path, capfd: pytest.CaptureFixture[str]):
    assert counted(phone, capfd)[0] == 10


def test_without_the_extras_they_are_counted_and_it_is_said_what_to_install(
    phone: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kinds, "find_spec", lambda name: None)
    number, said = counted(phone, capfd)
    assert number == 8
    assert "Left out: 2 files that an extra of tlzoo reads (1 .heic, 1 without an ending)" in said
    assert "pip install 'tlzoo[heic,jxl]'" in said
    with pytest.raises(InputError, match="is HEIC, which needs pi-heif") as caught:
        load_image(phone / "red" / "IMG_1.HEIC", "")
    assert caught.value.hint == "Install it: pip install 'tlzoo[heic]'"
    shutil.rmtree(phone / "blue")
    (phone / "blue").mkdir()
    (phone / "blue" / "a.heic").write_bytes(HEIC)
    with pytest.raises(DataError, match=r"Class folder .*blue has no image files") as refused:
        counted(phone, capfd)
    assert "pip install 'tlzoo[heic,jxl]'" in refused.value.hint


def test_what_is_wrong_with_a_picture_is_said_by_its_kind():
    with pytest.raises(InputError, match="has colours in floating point"):
        load_image(jxl(scene().astype(np.float32) / 255), "a.jxl")
    whole = jxl(scene())
    with pytest.raises(InputError, match="cannot be read as JPEG XL: it is truncated"):
        load_image(whole[: len(whole) // 2], "a.jxl")
    avif = encoded(Image.fromarray(scene()), "AVIF")
    with pytest.raises(InputError, match="is truncated or broken"):
        load_image(avif[: len(avif) // 2], "a.avif")
