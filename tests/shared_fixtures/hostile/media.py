"""Pictures and recordings that are odd, broken or made to fill the memory; each a name and what writes it."""

from __future__ import annotations

import functools
import io
import os
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

Write = Callable[[Path], object]
Odd = tuple[str, str, Write]
"""What is odd, the file's name, and what writes it there."""


def _picture(kind: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: Any) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    image = Image.effect_noise(size, 60).convert(mode)
    if frames := options.pop("frames", 0):
        options |= {"save_all": True, "append_images": [image.rotate(at) for at in range(1, frames)]}
    image.save(out, kind, **options)
    return out.getvalue()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(width: int, height: int, rows: int = 0, depth: int = 8, colour: int = 2, *more: bytes) -> bytes:
    """A PNG that says it has this size, with so many rows of zeros."""
    squeeze = zlib.compressobj(1)
    row = bytes(1 + (width * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] * depth + 7) // 8) if rows else b""
    body = b"".join(squeeze.compress(row) for _ in range(rows)) + squeeze.flush()
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _tiff(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries))
    return head + b"".join(struct.pack("<HHII", *each) for each in entries) + struct.pack("<I", following) + bytes(5000)


def _flipped(content: bytes, seed: int) -> bytes:
    source, changed = random.Random(seed), bytearray(content)
    for _ in range(source.choice((1, 3, 20))):
        changed[source.randrange(len(changed))] = source.randrange(256)
    return bytes(changed)


def _cut(content: bytes, share: float) -> bytes:
    return content[: int(share * len(content))]


ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif", "WEBP": ".webp", "PPM": ".ppm"}


def pictures() -> Iterator[Odd]:
    """Odd pictures, and what is none."""
    for kind, ending in ENDINGS.items():
        whole = functools.cache(partial(_picture, kind))
        for share in (0.0, 0.02, 0.5, 0.97):
            yield _odd(f"{kind} {share:.0%}", ending, lambda whole=whole, share=share: _cut(whole(), share))
        yield _odd(f"{kind} 1x1", ending, partial(_picture, kind, (1, 1)))
        yield _odd(f"{kind} 1x9000", ending, partial(_picture, kind, (1, 9000)))
        yield _odd(f"{kind} as .wav.gif", ".gif" if kind != "GIF" else ".png", whole)
        yield _odd(f"{kind} with noise behind", ending, lambda whole=whole: whole() + os.urandom(999))
        for seed in range(3):
            yield _odd(f"{kind} flipped {seed}", ending, lambda whole=whole, seed=seed: _flipped(whole(), seed))
    for width, height in ((2**31 - 1, 2**31 - 1), (65_535, 65_535), (0, 5), (2**31 - 1, 1), (90_000, 1000)):
        yield _odd(f"PNG of {width}x{height}", ".png", partial(_png, width, height))
    yield _odd("PNG of 6,000x6,000, transparent", ".png", partial(_png, 6_000, 6_000, 6_000, 8, 6))
    yield _odd("PNG of 16 bits", ".png", partial(_png, 3_000, 3_000, 3_000, 16, 6))
    yield _odd("PNG without palette", ".png", partial(_png, 9, 9, 9, 8, 3))
    bomb = zlib.compress(bytes(2**28), 1)
    for kind, start in {b"zTXt": b"a\0\0", b"iCCP": b"a\0\0", b"iTXt": b"a\0\1\0\0\0"}.items():
        yield _odd(
            f"PNG with a bomb in {kind.decode()}", ".png", partial(_png, 9, 9, 9, 8, 2, _chunk(kind, start + bomb))
        )
    yield _odd("PNG of 50,000 chunks", ".png", partial(_png, 9, 9, 9, 8, 2, *[_chunk(b"teXt", b"a\0b")] * 50_000))
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        yield _odd(f"{kind} of 300 frames", ENDINGS[kind], partial(_picture, kind, frames=300))
    yield _odd("JPEG of CMYK", ".jpg", partial(_picture, "JPEG", mode="CMYK"))
    yield _odd("JPEG of 65,500x100", ".jpg", partial(_picture, "JPEG", (65_500, 100)))
    yield _odd("JPEG of many scans", ".jpg", _many_scans)
    yield _odd("JPEG that says 65,535x65,535", ".jpg", _large_jpeg)
    yield _odd("TIFF of CMYK", ".tif", partial(_picture, "TIFF", mode="CMYK"))
    yield _odd("TIFF of floats", ".tif", partial(_picture, "TIFF", mode="F"))
    yield _odd("TIFF of 32 bits", ".tif", partial(_picture, "TIFF", mode="I"))
    yield _odd("TIFF that follows itself", ".tif", partial(_tiff, (256, 4, 1, 9), (257, 4, 1, 9), following=8))
    yield _odd("TIFF of many values", ".tif", partial(_tiff, (256, 4, 2**31, 9), (257, 4, 1, 9), (273, 4, 2**30, 9)))
    yield _odd("TIFF of 2^32 pixels", ".tif", partial(_tiff, (256, 4, 1, 65_536), (257, 4, 1, 65_536), (258, 3, 1, 8)))
    yield _odd("BMP of negative size", ".bmp", lambda: _picture("BMP")[:18] + struct.pack("<ii", -5, -9) + bytes(900))
    yield _odd("PPM of 10^10 pixels", ".ppm", lambda: b"P6 100000 100000 255\n" + bytes(99))
    yield _odd("PPM of a long comment", ".ppm", lambda: b"P6 #" + b"a" * 10**7 + b"\n2 2 255\n" + bytes(12))
    yield _odd("PPM in digits", ".ppm", lambda: b"P3 2 2 255\n" + b"9" * 10**6)
    for label, data in {
        "SVG": b"<svg/>",
        "PDF": b"%PDF-1.7",
        "page": b"<html>",
        "EPS": b"%!PS-Adobe",
        "DICOM": bytes(128) + b"DICM" + b"\xff" * 99,
    }.items():
        yield _odd(label, ".png", partial(bytes, data))


def _many_scans() -> bytes:
    data = _picture("JPEG", (1500, 1500), "L", progressive=True)
    scan = data.index(b"\xff\xda")
    return data[:scan] + data[scan:-2] * 300 + data[-2:]


def _large_jpeg() -> bytes:
    data = bytearray(_picture("JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = b"\xff\xff\xff\xff"
    return bytes(data)


def _wav(
    rate: int = 16_000, channels: int = 1, bits: int = 16, code: int = 1, body: bytes = bytes(8000), **said: int
) -> bytes:
    """A WAV whose header says what is given."""
    frame = said.get("frame", max(1, channels * bits // 8) & 0xFFFF)
    form = struct.pack("<HHIIHH", code, channels, rate, (rate * frame) & 0xFFFFFFFF, frame, bits)
    data = b"data" + struct.pack("<I", said.get("data", len(body))) + body
    inside = b"WAVEfmt " + struct.pack("<I", said.get("form", 16)) + form + data
    return b"RIFF" + struct.pack("<I", said.get("riff", len(inside))) + inside


def _sound(kind: str, subtype: str | None = None, count: int = 8000, channels: int = 1, rate: int = 16_000) -> bytes:
    import numpy as np
    import soundfile

    out = io.BytesIO()
    samples = np.random.default_rng(0).normal(0, 0.1, (count, channels)).astype(np.float32)
    soundfile.write(out, samples, rate, subtype=subtype, format=kind)
    return out.getvalue()


def sounds() -> Iterator[Odd]:
    """Odd recordings, and what is none."""
    for kind, ending in {"WAV": ".wav", "FLAC": ".flac", "OGG": ".ogg", "AIFF": ".aiff", "MP3": ".mp3"}.items():
        whole = functools.cache(partial(_sound, kind))
        for share in (0.0, 0.02, 0.5, 0.97):
            yield _odd(f"{kind} {share:.0%}", ending, lambda whole=whole, share=share: _cut(whole(), share))
        yield _odd(f"{kind} of one sample", ending, partial(_sound, kind, None, 1))
        yield _odd(f"{kind} of another kind", ".wav" if kind != "WAV" else ".mp3", whole)
        for seed in range(3):
            yield _odd(f"{kind} flipped {seed}", ending, lambda whole=whole, seed=seed: _flipped(whole(), seed))
    for rate in (0, 1, 7, 768_000, 768_001, 2**31, 2**32 - 1):
        yield _odd(f"WAV of {rate} Hz", ".wav", partial(_wav, rate))
    for channels in (0, 2, 255, 1024, 65_535):
        yield _odd(f"WAV of {channels} channels", ".wav", partial(_wav, channels=channels))
    for bits in (0, 1, 7, 24, 64, 65_535):
        yield _odd(f"WAV of {bits} bits", ".wav", partial(_wav, bits=bits))
    for value in ("nan", "inf", "-inf", "3e38"):
        body = struct.pack("<2000f", *[float(value)] * 2000)
        yield _odd(f"WAV of {value}", ".wav", partial(_wav, bits=32, code=3, body=body))
    for code in (0, 2, 6, 17, 49, 85, 0xFFFE, 0xFFFF):
        yield _odd(f"WAV of code {code}", ".wav", partial(_wav, code=code))
    for said in (
        {"data": 0},
        {"data": 2**32 - 1},
        {"data": 2**31},
        {"riff": 0},
        {"form": 0},
        {"form": 2**31},
        {"frame": 0},
    ):
        yield _odd(f"WAV that says {said}", ".wav", partial(_wav, **said))
    yield _odd("WAV without sound", ".wav", partial(_wav, body=b""))
    yield _odd("WAV of chunks without end", ".wav", lambda: b"RIFF\xff\xff\xff\x7fWAVE" + b"junk\0\0\0\0" * 100_000)
    yield _odd("MP3 of a large tag", ".mp3", lambda: b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(5_000_000))
    yield _odd("noise", ".ogg", lambda: random.Random(0).randbytes(100_000))
    yield ("an hour of six channels", "x.wav", _hour)


def _hour(path: Path) -> None:
    head = _wav(96_000, 6, 24, body=b"", data=2**31 - 2**20)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + 2**31 - 2**20)


def _odd(label: str, ending: str, make: Callable[[], bytes]) -> Odd:
    return label, f"x{ending}", lambda path: path.write_bytes(make())


NAMES = (
    "a\nError: b{}",
    "\x1b[2J{}",
    "a\u202eb{}",
    " {}",
    "{}".rjust(200, "n"),
    "a\udcff{}",
    "'{}",
    "[red]a{}",
    "%s{}",
    "~{}",
)


def files(ending: str, good: Callable[[], bytes]) -> Iterator[Odd]:
    """What is no plain file, and plain files of odd names."""
    yield "pipe", f"x{ending}", os.mkfifo
    for target in ("/dev/zero", "/dev/null", "/dev/stdin", "x" + ending, "nowhere", "/proc/self/mem", "/etc"):
        yield f"link to {target}", f"x{ending}", partial(_link, target)
    yield "folder", f"x{ending}", os.mkdir
    yield "terabyte", f"x{ending}", _sparse
    for name in NAMES:
        yield f"name {name!r}", name.format(ending), lambda path: path.write_bytes(good())


def _link(target: str, path: Path) -> None:
    path.symlink_to(target)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)
