"""DICOM pictures (PS3.3, PS3.5) to 8 bits, as a viewer shows them. Reads through pydicom, the extra `tlzoo[dicom]`."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tlzoo.errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

SUFFIXES = (".dcm", ".dicom")
MAX_PIXELS = 40_000_000
_MAX_INFLATED = 2**28
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_STRIP = 2**20
_KINDS = (
    "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420",
    "YBR_PARTIAL_422", "YBR_ICT", "YBR_RCT",
)  # fmt: skip
_SHARE = 0.001
_VACUUM = -1024


def is_dicom(data: bytes, path: Any = None) -> bool:
    """Whether it has DICOM's mark behind the preamble, or a path that ends as DICOM files do."""
    return data[128:132] == b"DICM" or (
        isinstance(path, str | os.PathLike) and os.fspath(path).lower().endswith(SUFFIXES)
    )


def read_dicom(data: bytes, name: str) -> Image.Image:
    """The first frame, RGB: grey values rescaled, windowed by the file's first window or VOI LUT, MONOCHROME1 inverted.

    Without a window, up to 8 unsigned bits are taken as they are, and of more the frame's own range, without padding
    and but for a thousandth of its values at either end, is spread over 0..255. Palettes are applied, YBR becomes RGB.
    Raises InputError for what is not DICOM, has no picture, more than 40 million pixels, or is compressed in a way that
    no installed decoder reads.
    """
    try:
        from pydicom import dcmread
        from pydicom.pixels.utils import pixel_array
    except ImportError as cause:
        raise InputError(
            f"{name} is a DICOM file; reading it needs pydicom.", hint="Install it: pip install 'tlzoo[dicom]'"
        ) from cause
    _check_inflated(data, name)
    try:
        dataset = dcmread(io.BytesIO(data))
        _check_picture(dataset, name)
        pixels = pixel_array(dataset, index=0)
        return Image.fromarray(_to_display(dataset, pixels)).convert("RGB")
    except InputError:
        raise
    except Exception as cause:
        raise _unreadable(name, cause) from cause


def _unreadable(name: str, cause: Exception) -> InputError:
    said = " ".join(str(cause).split()).partition(". ")[0].rstrip(".")
    if "plugin" in said or "missing dependencies" in said or isinstance(cause, NotImplementedError):
        return InputError(
            f"{name} uses a compression that no installed decoder supports: {said[:150]}.",
            hint="Install decoders: pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg",
        )
    return InputError(
        f"{name} cannot be read as a DICOM picture: {said[:150] or type(cause).__name__}.",
        hint="Restore it or remove it from the data.",
    )


def _check_inflated(data: bytes, name: str) -> None:
    """pydicom inflates a deflated file whole, however small it was: see first how large it becomes."""
    if _DEFLATED not in data[132:4096]:
        return
    start = 144 + int.from_bytes(data[140:144], "little")  # where the group of meta elements ends, by its first one
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    size = 0
    try:
        rest = data[start:]
        while rest and not stream.eof and size <= _MAX_INFLATED:
            size += len(stream.decompress(rest, 2**20))
            rest = stream.unconsumed_tail
    except zlib.error as cause:
        raise _unreadable(name, cause) from cause
    if data[132:140] != b"\x02\0\0\0UL\x04\0" or size > _MAX_INFLATED:
        raise InputError(f"{name} is deflated and too large.", hint="Save it without deflation.")


def _check_picture(dataset: Dataset, name: str) -> None:
    if "PixelData" not in dataset:
        raise InputError(f"{name} is a DICOM file without a picture.", hint="Remove it from the data.")
    samples, bits = int(dataset.get("SamplesPerPixel") or 1), int(dataset.BitsAllocated)
    if int(dataset.Rows) * int(dataset.Columns) > MAX_PIXELS:
        raise InputError(f"{name} has more than {MAX_PIXELS // 10**6} million pixels.", hint="Resize or crop it first.")
    _check_runs(dataset, name)
    kind, stored, high = str(dataset.PhotometricInterpretation), int(dataset.BitsStored), int(dataset.HighBit)
    if kind not in _KINDS:
        raise InputError(f"{name} has colours of the kind {kind[:20]!r}.", hint=f"Supported: {', '.join(_KINDS)}.")
    if high != stored - 1:
        raise InputError(
            f"{name} has its {stored} bits at a place that DICOM no longer has.", hint="Convert it with a DICOM tool."
        )
    if _value(dataset, "RescaleSlope", "PixelValueTransformation") == 0:
        raise InputError(f"{name} has a rescale slope of 0.", hint="Restore it or remove it from the data.")
    if samples not in (1, 3) or bits > 32:
        raise InputError(f"{name} has {samples} samples of {bits} bits per pixel.", hint="Supported: 1 or 3, up to 32.")


def _check_runs(dataset: Dataset, name: str) -> None:
    """A run-length code of few bytes becomes many: refuse a frame whose code is longer than its pixels."""
    from pydicom.encaps import get_frame
    from pydicom.uid import RLELossless

    if dataset.file_meta.get("TransferSyntaxUID") != RLELossless:
        return
    pixels = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("SamplesPerPixel") or 1)
    frame = get_frame(dataset.PixelData, 0, number_of_frames=int(dataset.get("NumberOfFrames") or 1))
    if len(frame) > 2 * pixels * int(dataset.BitsAllocated) // 8 + 4096:
        raise InputError(f"{name} has more data than its picture needs.", hint="Restore it or remove it from the data.")


def _to_display(dataset: Dataset, pixels: np.ndarray) -> np.ndarray:
    """Grey [H, W] or RGB [H, W, 3], uint8, of one frame's stored values."""
    from pydicom.pixels.processing import apply_color_lut

    kind = str(dataset.PhotometricInterpretation)
    if kind == "PALETTE COLOR":
        coloured = apply_color_lut(pixels, dataset)
        return _to_uint8(coloured, coloured.dtype.itemsize * 8)
    if pixels.ndim == 3:
        return _to_uint8(pixels, int(dataset.BitsStored))
    _normalise_header(dataset)
    padding = _padding(dataset, pixels)
    low, high = _range(dataset, pixels if padding.all() else pixels[~padding])
    shown = np.empty(pixels.shape, np.uint8)
    for rows in _strips(pixels):
        share = np.nan_to_num(_windowed(dataset, pixels[rows], low, high), nan=0.0, posinf=1.0, neginf=0.0)
        shown[rows] = np.round(share.clip(0, 1) * 255).astype(np.uint8)
    shown = 255 - shown if kind == "MONOCHROME1" else shown
    if not padding.all():
        shown[padding] = 0
    return shown


def _to_uint8(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned values of that many bits, on 8."""
    if bits == 8:
        return pixels.astype(np.uint8, copy=False)
    shown = np.empty(pixels.shape, np.uint8)
    for rows in _strips(pixels):
        shown[rows] = np.round(pixels[rows].astype(np.float64).clip(0, 2**bits - 1) * (255 / (2**bits - 1)))
    return shown


def _strips(pixels: np.ndarray) -> Iterator[slice]:
    """Slices of rows, about a million values each: float copies of a whole picture would take too much memory."""
    height = max(1, _STRIP * len(pixels) // max(pixels.size, 1))
    return (slice(top, top + height) for top in range(0, len(pixels), height))


def _range(dataset: Dataset, pixels: np.ndarray) -> tuple[float, float]:
    """The rescaled values that become black and white where the file names no window; `pixels` are without padding."""
    from pydicom.pixels.processing import apply_rescale

    if not int(dataset.get("PixelRepresentation") or 0) and int(dataset.BitsStored) <= 8:
        ends = np.array([0, 2 ** int(dataset.BitsStored) - 1], pixels.dtype)
    else:
        ends = np.quantile(pixels, (_SHARE, 1 - _SHARE), method="nearest")
    low, high = sorted(apply_rescale(ends, dataset).tolist())
    return low, high


def _padding(dataset: Dataset, pixels: np.ndarray) -> np.ndarray:
    """Where padding stands in place of the picture, by a value or a range of them (PS3.3 C.7.5.1.1.2).

    What fills a CT beyond what was scanned is padding too where nothing says so: its values lie below that of a vacuum,
    -1024 HU.
    """
    first = _stored_number(dataset, "PixelPaddingValue")
    padding = np.zeros(pixels.shape, bool)
    if first is not None:
        last = _stored_number(dataset, "PixelPaddingRangeLimit")
        low, high = sorted((first, first if last is None else last))
        padding = (pixels >= low) & (pixels <= high)
    if dataset.get("Modality") == "CT" and not padding.any():
        slope = float(dataset.RescaleSlope)
        vacuum = (_VACUUM - float(dataset.RescaleIntercept)) / slope
        padding = pixels < vacuum if slope > 0 else pixels > vacuum
    return padding


def _stored_number(dataset: Dataset, keyword: str) -> int | None:
    """A number that stands for pixels: of signed ones the same bits may be written as unsigned, or the other way."""
    value = _value(dataset, keyword, "PixelValueTransformation")
    if value is None:
        return None
    bits = int(dataset.BitsAllocated)
    number = int(value) % (1 << bits)
    return (
        number - (1 << bits) if int(dataset.get("PixelRepresentation") or 0) and number >= 1 << (bits - 1) else number
    )


def _windowed(dataset: Dataset, stored: np.ndarray, low: float, high: float) -> np.ndarray:
    """Shares of white, 0..1 where they lie inside the window (PS3.3 C.11.2.1)."""
    from pydicom.pixels.processing import apply_rescale, apply_voi, apply_windowing

    values = apply_rescale(stored, dataset)
    if "WindowCenter" in dataset:
        low, high = apply_windowing(np.array([-np.inf, np.inf]), dataset).tolist()
        values = apply_windowing(values, dataset)
    elif dataset.get("VOILUTSequence"):
        low, high = 0, 2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1
        values = apply_voi(np.round(values).astype(np.int64), dataset)
    return (values.astype(np.float64, copy=False) - low) / ((high - low) or 1)


def _normalise_header(dataset: Dataset) -> None:
    """Put scale and window where pydicom looks for them, the first of several; a window that is none is taken out."""
    slope, intercept = (_value(dataset, f"Rescale{end}", "PixelValueTransformation") for end in ("Slope", "Intercept"))
    dataset.RescaleSlope, dataset.RescaleIntercept = 1 if slope is None else slope, intercept or 0
    centre, width = (_value(dataset, f"Window{end}", "FrameVOILUT") for end in ("Center", "Width"))
    if centre is None or width is None or width < 1:
        dataset.pop("WindowCenter", None)
    else:
        dataset.WindowCenter, dataset.WindowWidth = centre, width
    function = _value(dataset, "VOILUTFunction", "FrameVOILUT")
    dataset.VOILUTFunction = function if function in ("LINEAR_EXACT", "SIGMOID") else "LINEAR"


def _value(dataset: Dataset, keyword: str, group: str) -> Any:
    """A value, the first where there are several; in enhanced files it stands with the frame or with all frames."""
    places = [dataset]
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        for frame in (dataset.get(groups) or [])[:1]:
            places += (frame.get(f"{group}Sequence") or [])[:1]
    for place in places:
        value = place.get(keyword)
        if value is not None and value != "":
            return value if isinstance(value, str | float | int) else value[0]
    return None
