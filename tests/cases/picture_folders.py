"""Folders of pictures, all drawn here: what lies where, and under which names."""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 60, 220), "green": (30, 200, 60), "red": (220, 40, 30)}
MAKERS: dict[str, Callable[[Path], None]] = {}


def inputs(function):
    """Register what writes the inputs of one situation."""
    MAKERS[function.__name__] = function
    return function


def drawn(colour, rng, size=None):
    """A noisy picture with a patch of one colour."""
    h, w = size or rng.integers(60, 100, 2)
    pixels = rng.normal(128, 30, (h, w, 3))
    top, left = rng.integers(0, max(1, h - 40)), rng.integers(0, max(1, w - 40))
    pixels[top : top + 40, left : left + 40] = rng.normal(colour, 20, (min(40, h - top), min(40, w - left), 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def classes(folder, each=12, labels=tuple(COLOURS), seed=0, ending=".png", **save):
    rng = np.random.default_rng(seed)
    for label in labels:
        (Path(folder) / label).mkdir(parents=True, exist_ok=True)
        for n in range(each):
            colour = COLOURS.get(label) or tuple(int(x) for x in rng.integers(0, 255, 3))
            drawn(colour, rng).save(Path(folder) / label / f"{n:03}{ending}", **save)
    return Path(folder)


@inputs
def unread_kinds(folder):
    """Half of a class has endings that are not on the list of those that are read."""
    classes(folder, each=8, labels=("blue", "red"))
    rng = np.random.default_rng(8)
    for n, ending in enumerate(
        (".HEIC", ".heif", ".jpe", ".jp2", ".jxl", ".pbm", ".pnm", ".tga", ".ico", "", ".jpg_large")
    ):
        buffer = io.BytesIO()
        drawn(COLOURS["red"], rng).save(buffer, "JPEG")
        (folder / "red" / f"phone{n}{ending}").write_bytes(buffer.getvalue())


@inputs
def linked(folder):
    """Class folders are links, and inside a real class a link to a folder of more pictures."""
    classes(folder / "store", each=6, labels=("blue", "green", "red"))
    classes(folder / "more", each=6, labels=("red",), seed=5)
    data = folder / "data"
    data.mkdir()
    for label in ("blue", "green"):
        (data / label).symlink_to((folder / "store" / label).resolve())
    shutil.copytree(folder / "store" / "red", data / "red")
    (data / "red" / "second_camera").symlink_to((folder / "more" / "red").resolve())


@inputs
def same_names(folder):
    """The same file name in every class, and in sub-folders of a class."""
    rng = np.random.default_rng(3)
    for label in ("blue", "red"):
        for day in ("monday", "tuesday", "friday"):
            (folder / label / day).mkdir(parents=True)
            for n in range(3):
                drawn(COLOURS[label], rng).save(folder / label / day / f"IMG_{n}.png")


@inputs
def endings_in_capitals(folder):
    rng = np.random.default_rng(4)
    for label in ("blue", "red"):
        (folder / label).mkdir(parents=True)
        for n, (ending, kind) in enumerate(
            (
                (".JPG", "JPEG"),
                (".JPEG", "JPEG"),
                (".Png", "PNG"),
                (".TIF", "TIFF"),
                (".tiff", "TIFF"),
                (".WEBP", "WEBP"),
                (".AVIF", "AVIF"),
                (".GIF", "GIF"),
                (".BMP", "BMP"),
                (".jfif", "JPEG"),
            )
        ):
            drawn(COLOURS[label], rng).save(folder / label / f"{n}{ending}", kind)


@inputs
def number_names(folder):
    """Classes called 0..11, which sort as 0, 1, 10, 11, 2."""
    rng = np.random.default_rng(6)
    for n in range(12):
        (folder / str(n)).mkdir(parents=True)
        colour = tuple(int(x) for x in (20 * n, 255 - 20 * n, (n * 97) % 255))
        for k in range(6):
            drawn(colour, rng).save(folder / str(n) / f"{k}.png")


@inputs
def odd_paths(folder):
    """Unicode, blanks, brackets, percent and hash signs, very long class names."""
    rng = np.random.default_rng(11)
    for label in ("猫 [1]", "perro #2 100%", "x" * 200, 'b;c,"d"', " lead", "new\nline"):
        (folder / label).mkdir(parents=True)
        colour = tuple(int(x) for x in rng.integers(0, 255, 3))
        for n in range(5):
            drawn(colour, rng).save(folder / label / f"{n} (копия).png")


@inputs
def duplicates(folder):
    """Each picture stands three times in its class under other names; labels mean nothing."""
    rng = np.random.default_rng(12)
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        for n in range(20):
            picture = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
            for copy in range(3):
                picture.save(folder / label / f"{n}_{copy}.png")


@inputs
def contradicting(folder):
    """The same bytes stand in both classes."""
    classes(folder, each=10, labels=("blue", "red"))
    for n in range(5):
        shutil.copy(folder / "red" / f"{n:03}.png", folder / "blue" / f"copy{n}.png")


@inputs
def train_test_overlap(folder):
    """test/ repeats files of train/."""
    classes(folder / "train", each=10, labels=("blue", "red"))
    for label in ("blue", "red"):
        (folder / "test" / label).mkdir(parents=True)
        for n in range(5):
            shutil.copy(folder / "train" / label / f"{n:03}.png", folder / "test" / label / f"t{n}.png")


@inputs
def capital_halves(folder):
    """The layout of many public sets: Training/ and Testing/ (or Train/ and Test/), each with a folder per class."""
    for half, seed, each in (("Training", 0, 8), ("Testing", 1, 4)):
        classes(folder / half, each=each, seed=seed)


@inputs
def few(folder):
    """Two pictures in a class."""
    classes(folder, each=8, labels=("blue", "green"))
    classes(folder, each=2, labels=("red",))


@inputs
def several_a_picture(folder):
    """A long table: one row per picture and label, as annotation tools write them."""
    rng = np.random.default_rng(13)
    folder.mkdir(parents=True)
    rows = []
    for n in range(30):
        drawn(COLOURS["red"], rng).save(folder / f"{n}.png")
        rows += [(f"{n}.png", "warm"), (f"{n}.png", "patch")]
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])


@inputs
def no_utf8_names(folder):
    """File and folder names that are no UTF-8, as old archives unpack to."""
    rng = np.random.default_rng(14)
    for label in (b"caf\xe9", b"the"):
        place = os.path.join(os.fsencode(folder), label)
        os.makedirs(place)
        for n in range(6):
            with open(os.path.join(place, b"photo\xff%d.png" % n), "wb") as file:
                drawn(COLOURS["red" if label == b"the" else "green"], rng).save(file, "PNG")


@inputs
def no_utf8_files(folder):
    """Only file names are no UTF-8."""
    rng = np.random.default_rng(15)
    for label in ("green", "red"):
        place = os.path.join(os.fsencode(folder), label.encode())
        os.makedirs(place)
        for n in range(6):
            with open(os.path.join(place, b"photo\xff%d.png" % n), "wb") as file:
                drawn(COLOURS[label], rng).save(file, "PNG")


@inputs
def slender(folder):
    """Pictures of 1 x 1, 3000 x 2 and 2 x 3000 pixels."""
    rng = np.random.default_rng(16)
    for label in ("blue", "red"):
        (folder / label).mkdir(parents=True)
        for n, size in enumerate(((1, 1), (2, 600), (600, 2), (40, 3000), (3000, 40), (5, 5), (64, 64), (100, 20))):
            pixels = rng.normal(COLOURS[label], 20, (*size, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{n}.png")


@inputs
def too_slender(folder):
    classes(folder, each=8, labels=("blue", "red"))
    Image.fromarray(np.zeros((2, 5000, 3), np.uint8)).save(folder / "red" / "strip.png")


@inputs
def one_broken(folder):
    """One JPEG of many is cut short."""
    classes(folder, each=10, labels=("blue", "red"), ending=".jpg")
    file = folder / "red" / "004.jpg"
    file.write_bytes(file.read_bytes()[:600])
    (folder / "red" / "005.jpg").write_text("<html><body>403 Forbidden</body></html>")


if __name__ == "__main__":
    from register import no_script

    sys.exit(no_script("picture_inputs.py"))
