"""Files are known by their first bytes: of pictures and sounds that libraries write, and of what is neither."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from PIL import Image

from tlzoo.io.inputs.kinds import HEAD, kind_of


def picture(kind: str, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (9, 5)).save(file, kind)
    return file.getvalue()


def sound(kind: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(1600), 16_000, format=kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"])
def test_pictures(kind: str):
    assert kind_of(picture(kind)[:HEAD]) == "image"


@pytest.mark.parametrize("mode", ["1", "L"])
def test_pictures_of_one_channel(mode: str):
    assert kind_of(picture("PPM", mode)[:HEAD]) == kind_of(picture("BMP", mode)[:HEAD]) == "image"


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "AIFF", "RF64"])
def test_sounds(kind: str):
    assert kind_of(sound(kind)[:HEAD]) == "audio"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (bytes(128) + b"DICM", "image"),
        (b"ID3\x04", "audio"),
        (b"MM\0*", "image"),
        (b"", None),
        (b"P7 is a text", None),
        (b"Plain text", None),
        (b"BM is how this text begins, and it goes on", None),
        (b"RIFF\0\0\0\0AVI LIST", None),
        (b"FORM\0\0\0\0ILBM", None),
        (b"\0\0\0\x18ftypisom", "audio"),
        (b"\0\0\0\x18ftypM4A ", "audio"),
        (b"\0\0\0\x18ftypheic", "image"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81", "audio"),
        (b"0&\xb2u\x8ef\xcf\x11", "audio"),
        (b"\xff\xf1\x50\x80", "audio"),
        (b"\xff\xfb\x90\x64", "audio"),
        (b"\xff\xfeh\0i\0", None),
        (b"\xff\xfb", None),
        (b"%PDF-1.7", None),
        (b"<svg xmlns=", None),
        (b"PK\x03\x04", None),
    ],
)
def test_other_beginnings(head: bytes, kind: str | None):
    assert kind_of(head) == kind
