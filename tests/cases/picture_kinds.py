"""Pictures of unusual bits, sizes and numbers, all drawn here."""

from __future__ import annotations

import csv
import struct
import sys
import zlib

import numpy as np
from picture_folders import COLOURS, classes, drawn, inputs
from PIL import Image, ImageDraw


@inputs
def twelve_bits(folder):
    """Grey pictures of 12 bits in 16-bit PNG files: what tells the classes apart lies in 0..4095."""
    rng = np.random.default_rng(17)
    for label, spot in (("healthy", 0), ("lesion", 1)):
        (folder / label).mkdir(parents=True)
        for n in range(30):
            pixels = rng.normal(1480, 12, (96, 96))
            if spot:
                top, left = rng.integers(10, 50, 2)
                pixels[top : top + 30, left : left + 30] += 70
            Image.fromarray(pixels.clip(0, 4095).astype(np.uint16)).save(folder / label / f"{n:02}.png")


@inputs
def twelve_bits_scaled(folder):
    """The same, spread over 16 bits."""
    twelve_bits(folder)
    for file in folder.rglob("*.png"):
        pixels = np.asarray(Image.open(file)).astype(np.float64)
        Image.fromarray((pixels * 16).clip(0, 65535).astype(np.uint16)).save(file)


@inputs
def hounsfield(folder):
    """CT values as signed TIFF: lung (-800) against air (-1000); all lie below 0."""
    rng = np.random.default_rng(18)
    for label, value in (("air", -1000), ("lung", -800)):
        (folder / label).mkdir(parents=True)
        for n in range(20):
            pixels = rng.normal(value, 15, (80, 80)).astype(np.int32)
            Image.fromarray(pixels).save(folder / label / f"{n:02}.tif")


@inputs
def sixteen_in_tens(folder):
    """16-bit colour PNG (RGB), which Pillow reads as 8 bits."""
    rng = np.random.default_rng(20)
    for label in ("blue", "red"):
        (folder / label).mkdir(parents=True)
        for n in range(8):
            pixels = np.asarray(drawn(COLOURS[label], rng, (64, 64))).astype(np.uint16) * 257
            (folder / label / f"{n}.png").write_bytes(png16(pixels))


def png16(pixels):
    """RGB PNG of 16 bits per channel."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@inputs
def rare_class(folder):
    """95 pictures of one class, 5 of the other."""
    classes(folder, each=95, labels=("blue",))
    classes(folder, each=5, labels=("red",))


@inputs
def numbers_to_learn(folder):
    """Regression: how bright a picture is, as a price between 5,000 and 500,000."""
    rng = np.random.default_rng(21)
    folder.mkdir(parents=True)
    with (folder / "prices.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label"))
        for n in range(60):
            share = rng.uniform()
            pixels = rng.normal(30 + 190 * share, 15, (70, 70, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{n}.png")
            table.writerow((f"{n}.png", round(5000 + 495000 * share)))


@inputs
def several_labels(folder):
    """Any number of labels a picture: none, one, two, three; CRLF line ends and a byte order mark."""
    rng = np.random.default_rng(22)
    folder.mkdir(parents=True)
    rows = ["path,label"]
    for n in range(60):
        there = [label for label in COLOURS if rng.uniform() < 0.5]
        pixels = rng.normal(128, 30, (90, 90, 3))
        for k, label in enumerate(COLOURS):
            if label in there:
                pixels[:, 30 * k : 30 * k + 30] = rng.normal(COLOURS[label], 20, (90, 30, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{n}.png")
        rows.append(f"{n}.png,{';'.join(there)}")
    (folder / "labels.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode() + b"\r\n")


@inputs
def one_class_test(folder):
    classes(folder / "train", each=8)
    classes(folder / "test", each=6, labels=("red",), seed=4)


@inputs
def left_over(folder):
    """As many training pictures as a batch of 8 leaves one over: 25 a class of 2, a fifth and a fifth held out."""
    classes(folder, each=26, labels=("blue", "red"))


@inputs
def turned(folder):
    """Half of the pictures were taken with the camera held sideways: what is up is in EXIF only. Test: all sideways."""
    rng = np.random.default_rng(23)
    for half, each in (("train", 16), ("test", 8)):
        for label in ("sky_above", "sky_below"):
            place = folder / half / label
            place.mkdir(parents=True)
            for n in range(each):
                pixels = rng.normal(128, 25, (80, 120, 3))
                rows = slice(0, 40) if label == "sky_above" else slice(40, 80)
                pixels[rows] = rng.normal((120, 180, 250), 10, (40, 120, 3))
                picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
                exif = Image.Exif()
                if half == "test" or n % 2:
                    orientation, turn = [
                        (6, Image.Transpose.ROTATE_90),
                        (8, Image.Transpose.ROTATE_270),
                        (3, Image.Transpose.ROTATE_180),
                    ][n % 3]
                    picture, exif[0x0112] = picture.transpose(turn), orientation
                picture.save(place / f"{n}.jpg", exif=exif.tobytes(), quality=95)


@inputs
def many_classes(folder, number=1200, each=5):
    rng = np.random.default_rng(24)
    for n in range(number):
        place = folder / f"species {n:04} with a rather long Latin name"
        place.mkdir(parents=True)
        colour = rng.integers(0, 256, (2, 2, 3))
        for k in range(each):
            pixels = np.kron(colour, np.ones((16, 16, 1))) + rng.normal(0, 8, (32, 32, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(place / f"{k}.png")


@inputs
def icons(folder):
    """Black drawings on transparent black, as icons and signatures are stored."""
    rng = np.random.default_rng(25)
    for label in ("disc", "square"):
        (folder / label).mkdir(parents=True)
        for n in range(16):
            icon = Image.new("RGBA", (96, 96), (0, 0, 0, 0))
            x, y, r = rng.integers(20, 50), rng.integers(20, 50), rng.integers(12, 20)
            box = [int(x), int(y), int(x + 2 * r), int(y + 2 * r)]
            (ImageDraw.Draw(icon).ellipse if label == "disc" else ImageDraw.Draw(icon).rectangle)(
                box, fill=(0, 0, 0, 255)
            )
            icon.save(folder / label / f"{n}.png")


def tiff(pixels, bits=16, white=1, sample_format=1):
    """A little-endian grey TIFF: `bits` 8, 12 (packed) or 16; `white` is PhotometricInterpretation (0: white is zero)."""
    height, width = pixels.shape
    if bits == 12:
        flat = pixels.astype(np.uint16).reshape(height, -1)
        assert width % 2 == 0
        a, b = flat[:, ::2], flat[:, 1::2]
        data = np.stack([a >> 4, ((a & 15) << 4) | (b >> 8), b & 255], 2).astype(np.uint8).tobytes()
    else:
        data = pixels.astype("<u2" if bits == 16 else np.uint8).tobytes()
    tags = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, white),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(data)),
        (339, 3, sample_format),
    ]
    ifd = (
        struct.pack("<H", len(tags))
        + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in tags)
        + struct.pack("<I", 0)
    )
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + ifd


@inputs
def grey_map_12(folder):
    """PGM with a largest value of 4095."""
    folder.mkdir(parents=True)
    ramp = np.tile(np.linspace(0, 4095, 64).round().astype(">u2"), (64, 1))
    (folder / "ramp.pgm").write_bytes(b"P5 64 64 4095\n" + ramp.tobytes())


if __name__ == "__main__":
    from register import no_script

    sys.exit(no_script("picture_inputs.py"))
