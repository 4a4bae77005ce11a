"""DICOM pictures come out as a viewer shows them, and the rest is refused by name."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import DataElement

from tlzoo.errors import InputError
from tlzoo.preprocess import make_preprocessor
from tlzoo.preprocess.image import load_image
from tlzoo.specs import ImageSpec

BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
STORED = np.arange(64, dtype=np.uint16).reshape(8, 8) * 60

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def scan(pixels: np.ndarray = STORED, **fields: object) -> bytes:
    """A file of these stored values, 12 bits unsigned unless the fields say otherwise."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        "Rows": pixels.shape[-2], "Columns": pixels.shape[-1], "SamplesPerPixel": 1, "PixelRepresentation": 0,
        "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11,
        "PixelData": pixels.tobytes(),
    }  # fmt: skip
    for name, value in {**values, **fields}.items():
        if isinstance(value, DataElement):
            dataset.add(value)
        else:
            setattr(dataset, name, value)
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def grey(data: bytes) -> np.ndarray:
    rgb = np.asarray(load_image(data, "a scan"))
    np.testing.assert_array_equal(rgb[..., 0], rgb[..., 2])
    return rgb[..., 0]


def test_the_window_is_applied_to_rescaled_values():
    shown = grey(scan(RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=[1000, 5], WindowWidth=[801, 9]))
    expected = ((STORED * 2.0 - 1024 - 999.5) / 800 + 0.5).clip(0, 1) * 255
    np.testing.assert_array_equal(np.round(expected).astype(np.uint8), shown)
    assert len(np.unique(shown)) == 9


@pytest.mark.parametrize(
    ("function", "share"),
    [
        ("LINEAR_EXACT", lambda x: (x - 2000) / 1000 + 0.5),
        ("SIGMOID", lambda x: 1 / (1 + np.exp(-4 * (x - 2000) / 1000))),
    ],
)
def test_windows_of_other_shapes_follow_their_formula(function, share):
    shown = grey(scan(WindowCenter=2000, WindowWidth=1000, VOILUTFunction=function))
    np.testing.assert_array_equal(np.round(share(STORED.astype(float)).clip(0, 1) * 255).astype(np.uint8), shown)


def test_an_enhanced_file_is_rescaled_and_windowed_by_what_its_frame_says():
    from pydicom.dataset import Dataset

    scale, window, frame = Dataset(), Dataset(), Dataset()
    scale.RescaleSlope, scale.RescaleIntercept = 2, -1024
    window.WindowCenter, window.WindowWidth, window.VOILUTFunction = [1000, 5], [801, 9], "LINEAR_EXACT"
    frame.PixelValueTransformationSequence, frame.FrameVOILUTSequence = [scale], [window]
    expected = ((STORED * 2.0 - 1024 - 1000) / 801 + 0.5).clip(0, 1) * 255
    np.testing.assert_array_equal(
        np.round(expected).astype(np.uint8), grey(scan(SharedFunctionalGroupsSequence=[frame]))
    )


@pytest.mark.parametrize("window", [{"WindowWidth": 900}, {"WindowCenter": 9, "WindowWidth": 0}])
def test_a_window_that_is_none_is_passed_over(window):
    np.testing.assert_array_equal(grey(scan()), grey(scan(**window)))


def test_without_a_window_a_wide_frame_is_spread_over_its_own_range():
    assert (grey(scan()).min(), grey(scan()).max()) == (0, 255)


BODY = np.tile(np.arange(1000, 2024, dtype=np.int16), (64, 1))


def padded(value: int, hot: int | None = None) -> np.ndarray:
    """A slice whose corners were not scanned, and perhaps one hot pixel."""
    pixels = BODY.copy()
    pixels[:, :200] = value
    if hot is not None:
        pixels[0, 500] = hot
    return pixels


@pytest.mark.parametrize(
    ("pixels", "fields"),
    [
        (padded(-2000), {"PixelPaddingValue": -2000}),
        (padded(-2000), {"PixelPaddingValue": DataElement("PixelPaddingValue", "US", 63536)}),
        (padded(-1900), {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1800}),
        (padded(-2000), {"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": 0}),
        (padded(-2000, hot=30000), {"PixelPaddingValue": -2000}),
    ],
    ids=["value", "value written as unsigned", "range", "below a vacuum", "a hot pixel"],
)
def test_padding_and_a_hot_pixel_set_no_range(pixels: np.ndarray, fields: dict[str, object]):
    shown = grey(scan(pixels, PixelRepresentation=1, BitsStored=16, HighBit=15, **fields))
    expected = ((pixels[1] - 1201.0) / (2022 - 1201)).clip(0, 1) * 255
    np.testing.assert_allclose(shown[1], expected, atol=1.01)
    assert shown[:, :200].max() == 0
    assert len(np.unique(shown)) == 256


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_beside_a_window_too(kind: str):
    shown = grey(
        scan(
            padded(3000), PixelRepresentation=1, BitsStored=16, HighBit=15, PixelPaddingValue=3000,
            WindowCenter=1500, WindowWidth=1000, PhotometricInterpretation=kind,
        )
    )  # fmt: skip
    assert shown[:, :200].max() == 0
    assert shown[:, 200:].max() > 200


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"PhotometricInterpretation": "HSV"}, "colours of the kind 'HSV'"),
        ({"HighBit": 15}, "12 bits at a place"),
        ({"RescaleSlope": 0, "RescaleIntercept": 5}, "slope of 0"),
    ],
)
def test_what_no_viewer_shows_alike_is_refused(fields: dict[str, object], said: str):
    with pytest.raises(InputError, match=said):
        grey(scan(**fields))


def test_a_frame_of_padding_alone_is_shown_as_it_is():
    pixels = np.full((8, 8), -2000, np.int16)
    shown = grey(scan(pixels, PixelRepresentation=1, BitsStored=16, HighBit=15, PixelPaddingValue=-2000))
    assert len(np.unique(shown)) == 1


def test_eight_bits_without_a_window_are_taken_as_they_are():
    pixels = np.arange(50, 114, dtype=np.uint8).reshape(8, 8)
    np.testing.assert_array_equal(pixels, grey(scan(pixels, BitsAllocated=8, BitsStored=8, HighBit=7)))


def test_monochrome1_is_inverted():
    np.testing.assert_array_equal(255 - grey(scan()), grey(scan(PhotometricInterpretation="MONOCHROME1")))


def test_signed_values_keep_their_order():
    pixels = np.arange(-32, 32, dtype=np.int16).reshape(8, 8)
    shown = grey(scan(pixels, PixelRepresentation=1, BitsStored=16, HighBit=15))
    assert (np.diff(shown.ravel().astype(int)) > 0).all()


def test_of_several_frames_the_first_counts():
    frames = np.stack([STORED, STORED[::-1]])
    np.testing.assert_array_equal(grey(scan()), grey(scan(frames, NumberOfFrames=2, Rows=8, Columns=8)))


@pytest.mark.parametrize(
    "name", ["ExplVR_BigEnd", "SC_rgb_rle_16bit", "SC_ybr_full_422_uncompressed", "SC_rgb_jpeg_dcmtk"]
)
def test_colours_are_rgb_whatever_they_were_stored_as(name: str):
    pixels = np.asarray(load_image(BUNDLED / f"{name}.dcm", ""))
    assert np.abs(pixels[5, 40].astype(int) - (255, 0, 0)).max() < 8 or pixels.std() > 40


def test_one_scan_in_five_encodings_is_one_picture():
    names = ["MR_small", "MR_small_RLE", "MR_small_bigendian", "MR_small_implicit", "MR_small_padded"]
    first, *others = [np.asarray(load_image(BUNDLED / f"{name}.dcm", "")) for name in names]
    for other in others:
        np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("JPEGLSNearLossless_16", "decoder"),
        ("MR_truncated", "less than expected"),
        ("rtplan", "without a picture"),
        ("badVR", "1A"),
        ("no_meta", "as a DICOM"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_cause(name: str, word: str):
    with pytest.raises(InputError, match=f"{name}.*{word}") as caught:
        load_image(BUNDLED / f"{name}.dcm", "")
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_every_file_that_pydicom_brings_gives_a_picture_or_an_input_error():
    read = 0
    for file in sorted(BUNDLED.glob("*.dcm")):
        with contextlib.suppress(InputError):
            read += load_image(file, "").mode == "RGB"
    assert read > 40


def test_too_many_pixels_are_refused_from_the_header():
    with pytest.raises(InputError, match="million pixels"):
        load_image(scan(Rows=60_000, Columns=60_000), "a scan")


def test_a_deflated_bomb_is_refused_before_it_is_inflated():
    data = bytearray((BUNDLED / "image_dfl.dcm").read_bytes())
    start = 144 + int.from_bytes(data[140:144], "little")
    squeeze = zlib.compressobj(9, wbits=-15)
    body = b"".join(squeeze.compress(bytes(2**24)) for _ in range(20)) + squeeze.flush()
    with pytest.raises(InputError, match="too large"):
        load_image(bytes(data[:start]) + body, "a scan")


def test_a_run_length_bomb_is_refused():
    from pydicom.encaps import encapsulate
    from pydicom.uid import RLELossless

    dataset = pydicom.dcmread(BUNDLED / "MR_small_RLE.dcm")
    assert dataset.file_meta.TransferSyntaxUID == RLELossless
    dataset.PixelData = encapsulate([dataset.PixelData[:64] + b"\x81\0" * 100_000])
    out = io.BytesIO()
    dataset.save_as(out)
    with pytest.raises(InputError, match="more data"):
        load_image(out.getvalue(), "a scan")


def test_scans_stand_in_a_batch_with_pictures():
    spec = ImageSpec(size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1))
    batch = make_preprocessor(spec)([scan(), np.zeros((8, 8), np.uint8), BUNDLED / "CT_small.dcm"])["image"]
    assert batch.shape == (3, 8, 8, 3)


def test_without_pydicom_the_error_says_how_to_install_it():
    code = (
        "import sys; sys.modules['pydicom'] = None\nfrom tlzoo.errors import InputError\n"
        "from tlzoo.preprocess.image import load_image\n"
        "try: load_image(bytes(128) + b'DICM', 'a scan')\nexcept InputError as error: print(error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'tlzoo[dicom]'" in done.stdout
