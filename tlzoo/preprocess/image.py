"""Pictures to arrays: decoding, orientation, colour and the geometry of timm's and torchvision's evaluation."""

from __future__ import annotations

import importlib
import io
import math
import os
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from tlzoo.errors import InputError
from tlzoo.io.cores import available_cores
from tlzoo.io.inputs.kinds import HEAD, extra_format, kind_of
from tlzoo.io.regular import read_regular
from tlzoo.preprocess.dicom import is_dicom, read_dicom
from tlzoo.preprocess.extra_formats import open_extra
from tlzoo.preprocess.levels import (
    ValueRange,
    check_deep_channels,
    check_layout,
    deep_channels,
    is_wide,
    settle_transparency,
    strips,
    to_grey,
    without_missing,
)
from tlzoo.specs import ImageSpec

# Just under the size at which Pillow itself starts to warn.
MAX_PIXELS = 89_000_000
MAX_BYTES = 256 * 2**20
# Progressive JPEGs are decoded once per scan, of which a small file can hold thousands.
_MAX_SCANNED = 3_000_000_000
_HEAVY = 16 * 2**20
# The formats of tlzoo.data.reading, and not EPS or PDF, for which Pillow starts other programs.
_CORE_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
Image.preinit()
for _plugin in ("Avif", "Jpeg2K", "Tiff", "WebP"):  # Image.init() would import all of Pillow's forty-odd, for 0.4 s
    importlib.import_module(f"PIL.{_plugin}ImagePlugin")
# Memory in blocks this large goes back to the system, in whatever thread it was freed.
importlib.import_module("PIL._imaging").set_block_size(2**26)
_FORMATS = tuple(kind for kind in _CORE_FORMATS if kind in Image.OPEN)
_READABLE = (
    f"Supported formats: {', '.join(_FORMATS)}, and with extras DICOM (tlzoo[dicom]), HEIC (tlzoo[heic]) and JPEG XL "
    "(tlzoo[jxl])"
)
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TIFF_KINDS = (
    "Save it with 8 bits a channel; of grey, up to 16 unsigned bits, signed ones of 16 or 32 and floating-point ones "
    "of 32 are read too"
)
_UNSUPPORTED = (
    ("SVG", 0, (b"<svg", b"<?xml", b"\xef\xbb\xbf<svg", b"\xef\xbb\xbf<?xml")),
    ("PDF", 0, (b"%PDF",)),
    ("EPS", 0, (b"%!PS",)),
)
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BROKEN_EXIF = (
    AttributeError, EOFError, LookupError, OSError, OverflowError, RuntimeError, SyntaxError, TypeError, ValueError,
    ZeroDivisionError, struct.error,
)  # fmt: skip
_ARRAYS = {np.dtype(given): np.dtype(kept) for given, kept in (("u1", "u1"), ("u2", "u2"), ("i2", "i4"), ("i4", "i4"))}
_ARRAYS |= {np.dtype(given): np.dtype("f4") for given in ("f4", "f8")}
"""Arrays that are pictures, by the type in which Pillow holds them."""
_memory = threading.Condition()
_in_progress: list[int] = []
Result = TypeVar("Result")


class ImagePreprocessor:
    """Pictures to `image` uint8 [N, H, W, 3] (RGB), bit for bit the same however many threads decode."""

    def __init__(self, spec: ImageSpec) -> None:
        self.spec = spec

    def __call__(self, inputs: Sequence[Any]) -> dict[str, np.ndarray]:
        """Paths, encoded bytes, Pillow images or uint8 arrays [H, W], [H, W, 3] or [H, W, 4], to one batch.

        Grey values of more than 8 bits, as arrays [H, W] too, go by `tlzoo.preprocess.levels`. Turned by EXIF,
        transparency laid on white, shorter side resized to floor(size / crop), centre cropped. Raises InputError naming
        the picture that is missing, empty, broken, too large or of an unknown kind.
        """
        batch = np.zeros((len(inputs), *self.spec.size, 3), dtype=np.uint8)

        def fill(position: int) -> None:
            batch[position] = self._picture(inputs[position], f"picture {position + 1} of the batch")

        for shared in inputs:
            if isinstance(shared, Image.Image):
                _check_pixels(shared.size, "a Pillow image")
                _decode(shared, "a Pillow image")
        threads = min(available_cores(), len(inputs))
        if threads <= 1:
            for position in range(len(inputs)):
                fill(position)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(fill, range(len(inputs))))
        return {"image": batch}

    def _picture(self, source: Any, name: str) -> np.ndarray:
        name = name_of(source, name)
        return _with_image(
            source, name, self.spec.value_range, lambda image: np.asarray(resize_and_crop(image, self.spec, name))
        )


def load_image(source: Any, name: str, value_range: ValueRange | None = None) -> Image.Image:
    """One decoded picture, upright, RGB, of its own size; raises InputError as ImagePreprocessor does."""
    return _with_image(source, name_of(source, name), value_range, lambda image: image)


def _with_image(source: Any, name: str, value_range: ValueRange | None, use: Callable[[Image.Image], Result]) -> Result:
    """What `use` makes of the decoded picture, while no more of them are in memory than there is room for."""
    heavy = _bytes_on_disk(source) > _HEAVY  # takes all the room, before it is read
    with _room_for(MAX_PIXELS if heavy else 0):
        if isinstance(source, np.ndarray):
            image = _from_array(source, name)
        elif isinstance(source, Image.Image):
            image = source
        else:
            data = bytes(source) if isinstance(source, bytes | bytearray | memoryview) else _bytes_of(source, name)
            if is_dicom(data, source):
                with _room_for(0 if heavy else MAX_PIXELS):  # fewer are allowed, but each takes more on the way
                    return use(read_dicom(data, name))
            image = _open_header(data, name)
            del data
        _check_pixels(image.size, name)
        with _room_for(0 if heavy else math.prod(image.size)):
            check_layout(image, name)
            settle_transparency(image)
            deep = deep_channels(image)
            image = _decode(image, name)
            if deep:
                check_deep_channels(image, name, deep, value_range)
            turn = _turn(image)
            image = without_missing(image, _rgb(image, name, value_range))
            return use(image if turn is None else image.transpose(turn))


def name_of(source: Any, otherwise: str) -> str:
    """What errors call a picture: its path, where it has one."""
    return str(source) or "A path without a name" if isinstance(source, str | os.PathLike) else otherwise


def _bytes_on_disk(source: Any) -> int:
    try:
        return os.stat(source).st_size if isinstance(source, str | os.PathLike) else 0
    except (OSError, ValueError):
        return 0


@contextmanager
def _room_for(pixels: int) -> Iterator[None]:
    """Wait until the pictures that all threads decode have no more pixels together than one may have alone."""
    with _memory:
        _memory.wait_for(lambda: not _in_progress or sum(_in_progress) + pixels <= MAX_PIXELS)
        _in_progress.append(pixels)
    try:
        yield
    finally:
        with _memory:
            _in_progress.remove(pixels)
            _memory.notify_all()


def resize_and_crop(image: Image.Image, spec: ImageSpec, name: str = "the picture") -> Image.Image:
    """Resize the shorter side to floor(size / crop), keeping proportions, and cut `spec.size` from the centre."""
    height, width = spec.size
    resized = resized_size(image.size, spec, name)
    left, top = round((resized[0] - width) / 2), round((resized[1] - height) / 2)
    if resized != image.size:
        kind = Image.Resampling[spec.interpolation.upper()]
        # Pillow resizes across, then down (high pictures may go the other way): what is cut off needs no second pass.
        if left > 0 and image.width >= image.height:
            image = image.resize((resized[0], image.height), kind).crop((left, 0, left + width, image.height))
            left, resized = 0, (width, resized[1])
        image = image.resize(resized, kind)
    return image.crop((left, top, left + width, top + height))


def resized_size(size: tuple[int, int], spec: ImageSpec, name: str = "the picture") -> tuple[int, int]:
    """Width and height to which `fit` resizes a picture of this size; raises InputError where they are too large."""
    height, width = spec.size
    resized = _covering(size, (math.floor(width / spec.crop), math.floor(height / spec.crop)))
    _check_pixels(resized, f"{name}, once resized,")
    return resized


def _covering(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """Width and height that just cover `target`, rounded as torchvision does for squares and timm for the rest."""
    width, height = size
    if target[0] != target[1]:
        ratio = min(width / target[0], height / target[1])
        return round(width / ratio), round(height / ratio)
    if width <= height:
        return target[0], int(target[0] * height / width)
    return int(target[0] * width / height), target[0]


def open_picture(path: str | os.PathLike[str]) -> Image.Image:
    """The header of a picture file, whose pixels `load` decodes; raises InputError where it is none or is too large."""
    image = _open_header(_bytes_of(path, str(path)), str(path))
    _check_pixels(image.size, str(path))
    return image


def _open_header(data: bytes, name: str) -> Image.Image:
    """The header only: pixels are decoded once their number is known."""
    if not data:
        raise InputError(f"{name} is empty (zero bytes).", hint="Restore it or remove it from the data.")
    for other, at, marks in _UNSUPPORTED:
        if data.startswith(marks, at):
            raise InputError(f"{name} is {other}, which is not supported.", hint=_READABLE)
    if (kind := extra_format(data)) is not None:
        return open_extra(data, kind, name, lambda size: _check_pixels(size, name))
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as cause:
        raise _too_large(name) from cause
    except Exception as cause:
        if data.startswith(_TIFF):
            raise InputError(f"{name} is a TIFF of a kind that is not read.", hint=_TIFF_KINDS) from cause
        if kind_of(data[:HEAD]) == "image":
            raise InputError(
                f"{name} is truncated or broken.", hint="Restore it or remove it from the data."
            ) from cause
        raise InputError(f"{name} cannot be read as a picture.", hint=_READABLE) from cause
    if image.format in ("JPEG", "MPO") and data.count(b"\xff\xda") * math.prod(image.size) > _MAX_SCANNED:
        raise InputError(f"{name} is a JPEG with too many scans.", hint="Save it as a non-progressive JPEG.")
    return image


def _bytes_of(source: Any, name: str) -> bytes:
    if not isinstance(source, str | os.PathLike):
        kind = type(source).__name__
        raise InputError(
            f"{name} is of type {kind}, not a picture.", hint="Give a path, bytes, a Pillow image or a uint8 array."
        )
    try:
        return read_regular(source, MAX_BYTES)
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise InputError(f"{name} cannot be read: {reason}.", hint="Check the path.") from cause


def _decode(image: Image.Image, name: str) -> Image.Image:
    try:
        image.load()
    except Exception as cause:
        raise InputError(
            f"{name} is truncated or broken: {cause}.", hint="Restore it or remove it from the data."
        ) from cause
    return image


def _check_pixels(size: tuple[int, int], name: str) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise _too_large(name)
    if not all(size):
        raise InputError(f"{name} has no pixels.", hint="Remove it from the data.")


def _too_large(name: str) -> InputError:
    return InputError(f"{name} has more than {MAX_PIXELS // 10**6} million pixels.", hint="Resize or crop it first.")


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What EXIF says has to be done to set it upright."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except _BROKEN_EXIF:
        return None


def _rgb(image: Image.Image, name: str, value_range: ValueRange | None) -> Image.Image:
    """In strips where it is large: copies in other modes would take several times its memory."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if is_wide(image):
        return to_grey(image, name, value_range).convert("RGB")
    whole = Image.new("RGB", image.size)
    for rows, part in strips(image):
        whole.paste(_converted(part, name), (0, rows.start))
    return whole


def _converted(image: Image.Image, name: str) -> Image.Image:
    try:
        if image.has_transparency_data:
            front = image.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", front.size, "white"), front).convert("RGB")
        return image.convert("RGB")
    except ValueError as cause:
        raise InputError(
            f"{name} has the colour mode {image.mode!r}, which cannot be converted to RGB.",
            hint="Save it as an 8-bit or 16-bit picture.",
        ) from cause
    except Exception as cause:  # Pillow asserts that a picture of palette has one
        raise InputError(f"{name} has broken colours.", hint="Restore it or remove it from the data.") from cause


def _from_array(pixels: np.ndarray, name: str) -> Image.Image:
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    shape_fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4) and pixels.dtype == np.uint8)
    kept = _ARRAYS.get(pixels.dtype)
    if not shape_fits or kept is None:
        raise InputError(
            f"{name} is an unsupported array, {pixels.dtype} {list(pixels.shape)}.",
            hint="Give uint8 [H, W], [H, W, 3] (RGB) or [H, W, 4] (RGBA), or grey values [H, W] of uint16, int16, "
            "int32, float32 or float64.",
        )
    if not pixels.size:
        raise InputError(f"{name} has no pixels.", hint="Remove it from the data.")
    if np.ma.is_masked(pixels):
        raise InputError(f"{name} is an array with masked pixels.", hint="Fill them: array.filled(0).")
    return Image.fromarray(np.ascontiguousarray(pixels, dtype=kept))
