"""Grey pictures of more than 8 bits, file by file: one table of rules, here as numbers."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shared_fixtures.odd_pictures import colour_png

from tlzoo.errors import InputError
from tlzoo.preprocess.image import ImagePreprocessor, load_image
from tlzoo.preprocess.value_range import learn_value_range
from tlzoo.specs import ImageSpec

RAMP = np.tile(np.linspace(0, 4095, 64).round().astype(np.uint16), (64, 1))
LEVELS = np.rint(RAMP / 4095 * 255).astype(np.uint8)
HOUNSFIELD = RAMP.astype(np.int16) - 1024


def tiff(pixels: np.ndarray, bits: int, white: int = 1, sample_format: int = 1) -> bytes:
    """A little-endian grey TIFF of one strip; `white` is its PhotometricInterpretation (0: white is zero)."""
    if bits == 12:
        left, right = pixels[:, ::2].astype(np.uint16), pixels[:, 1::2].astype(np.uint16)
        packed = np.stack([left >> 4, ((left & 15) << 4) | (right >> 8), right & 255], 2).astype(np.uint8)
        data = packed.tobytes()
    else:
        data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    height, width = pixels.shape
    fields = [
        (256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, white), (273, 4, 8), (277, 3, 1),
        (278, 4, height), (279, 4, len(data)), (339, 3, sample_format),
    ]  # fmt: skip
    directory = struct.pack("<H", len(fields)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in fields)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + directory + struct.pack("<I", 0)


def encoded(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def grey(source: object, value_range: tuple[float, float] | None = None) -> np.ndarray:
    rgb = np.asarray(load_image(source, "a picture", value_range))
    np.testing.assert_array_equal(rgb[..., 0], rgb[..., 1])
    np.testing.assert_array_equal(rgb[..., 0], rgb[..., 2])
    return rgb[..., 0]


KNOWN = {
    "12 bits, packed": tiff(RAMP, 12),
    "16 bits, TIFF": tiff(RAMP * 16, 16),
    "16 bits, PNG": encoded(RAMP * 16, "PNG"),
    "a map up to 4095": b"P5 64 64 4095\n" + RAMP.astype(">u2").tobytes(),
    "a map up to 65535": b"P5 64 64 65535\n" + (RAMP * 16).astype(">u2").tobytes(),
    "white is zero, 16 bits": tiff(65535 - RAMP * 16, 16, white=0),
    "16 bits, JPEG 2000": encoded(RAMP * 16, "JPEG2000", irreversible=False),
    "an array": RAMP * 16,
}


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_unsigned_bits_are_spread_over_what_they_can_hold(name: str):
    found = grey(KNOWN[name]).astype(int)
    assert np.abs(found - LEVELS).max() <= 1
    assert (found[0, 0], found[0, -1]) == (0, 255)


SPREAD = {
    "12 bits in 16, PNG": (encoded(RAMP, "PNG"), (0, 4095)),
    "12 bits in 16, TIFF": (tiff(RAMP, 16), (0, 4095)),
    "signed 16 bits": (tiff(HOUNSFIELD, 16, sample_format=2), (-1024, 3071)),
    "signed 32 bits": (tiff(HOUNSFIELD.astype(np.int32), 32, sample_format=2), (-1024, 3071)),
    "unsigned 32 bits": (tiff(RAMP.astype(np.uint32) * 2**20, 32), (0, 4095 * 2**20)),
    "floating point": (tiff(RAMP.astype(np.float32) / 4095, 32, sample_format=3), (0, 1)),
    "white is zero, floating point": (tiff(-RAMP.astype(np.float32), 32, white=0, sample_format=3), (0, 4095)),
    "an array of int16": (HOUNSFIELD, (-1024, 3071)),
    "an array of float64": (RAMP / 4095, (0, 1)),
}


@pytest.mark.parametrize("name", sorted(SPREAD))
def test_a_range_says_which_values_are_black_and_white(name: str):
    source, ends = SPREAD[name]
    np.testing.assert_array_equal(grey(source, ends), LEVELS)


@pytest.mark.parametrize("name", sorted(SPREAD))
def test_without_a_range_what_would_be_black_or_cut_off_is_refused(name: str):
    with pytest.raises(InputError, match=r"a picture has .*(no value above|values, and this model)") as caught:
        grey(SPREAD[name][0])
    assert "train on such pictures" in str(caught.value.hint)


def test_values_beyond_the_range_are_black_or_white_and_what_is_no_number_is_black():
    values = np.array([[np.nan, -np.inf, np.inf, -5, 0, 10, 20, 99]], np.float32)
    np.testing.assert_array_equal(grey(values, (0, 20)), [[0, 0, 0, 0, 0, 128, 255, 255]])


def test_what_gdal_marks_as_no_data_is_black_and_sets_no_range(tmp_path: Path):
    out, pixels = io.BytesIO(), HOUNSFIELD.astype(np.float32)
    pixels[:, :8] = -9999
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    tags[42113] = "-9999"
    Image.fromarray(pixels).save(out, "TIFF", tiffinfo=tags)
    (tmp_path / "a.tif").write_bytes(out.getvalue())
    learnt = learn_value_range([tmp_path / "a.tif"])
    assert learnt is not None
    assert learnt.ends[0] > -1024
    assert grey(tmp_path / "a.tif", (-12000, 3071))[:, :8].max() == 0


def test_a_black_picture_of_16_bits_is_black():
    assert grey(encoded(np.zeros((4, 4), np.uint16), "PNG")).max() == 0


def test_colours_of_16_bits_keep_their_upper_8_or_are_refused_where_these_are_empty():
    colours = np.stack([RAMP, RAMP[::-1], RAMP.T], 2)
    np.testing.assert_array_equal(np.asarray(load_image(colour_png(colours * 16), "")), colours * 16 >> 8)
    opaque = np.full((64, 64, 1), 65535, np.uint16)
    for dark in (colour_png(colours), colour_png(np.concatenate([colours, opaque], 2))):
        with pytest.raises(InputError, match="16 bits per colour and uses 12 or fewer"):
            load_image(dark, "scan.png")


def test_the_transparent_value_of_a_grey_png_lies_on_white():
    found = grey(encoded(RAMP * 16, "PNG", transparency=0))
    assert set(found[:, 0]) == {255}
    assert found[0, 1] == LEVELS[0, 1]


def test_a_turned_scan_is_turned_after_its_values_are_read():
    image, out = Image.fromarray(RAMP * 16), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(out, "PNG", exif=exif)
    np.testing.assert_array_equal(grey(out.getvalue()), np.rot90(grey(RAMP * 16), -1))


def written(folder: Path, *pictures: bytes) -> list[Path]:
    paths = [folder / f"{at:03}.png" for at in range(len(pictures))]
    for path, data in zip(paths, pictures, strict=True):
        path.write_bytes(data)
    return paths


def test_a_range_is_that_of_nearly_all_values(tmp_path: Path):
    rng = np.random.default_rng(0)
    scans = [rng.normal(1480, 12, (96, 96)).clip(0, 4095).astype(np.uint16) for _ in range(20)]
    scans[3][5, 5] = 4095  # a hot pixel
    found = learn_value_range(written(tmp_path, *(encoded(scan, "PNG") for scan in scans)))
    assert found is not None
    assert found.pictures == 20
    assert found.ends == pytest.approx((1480 - 37, 1480 + 37), abs=4)  # 3.1 standard deviations: all but 0.2 %


@pytest.mark.parametrize(
    "picture",
    [
        encoded(RAMP * 16, "PNG"),
        encoded((RAMP // 16).astype(np.uint8), "PNG"),
        tiff(RAMP, 12),
        b"broken",
        colour_png(np.stack([RAMP] * 3, 2)),
    ],
    ids=["16 bits in use", "8 bits", "12 bits packed", "broken", "colours"],
)
def test_no_range_is_learnt_where_the_file_says_it(picture: bytes, tmp_path: Path):
    assert learn_value_range(written(tmp_path, picture)) is None


def test_pictures_of_one_value_have_a_range_too(tmp_path: Path):
    found = learn_value_range(written(tmp_path, encoded(np.full((4, 4), 7, np.uint16), "PNG")))
    assert found is not None
    assert found.ends == (7, 8)


def test_the_range_is_stored_where_there_is_one_and_has_to_rise():
    plain = ImageSpec(size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1))
    assert "value_range" not in plain.model_dump(mode="json")
    spec = ImageSpec.model_validate({**plain.model_dump(), "value_range": [-1024, 3071]})
    assert ImageSpec.model_validate_json(spec.model_dump_json()) == spec
    np.testing.assert_array_equal(
        ImagePreprocessor(spec)([HOUNSFIELD])["image"], ImagePreprocessor(plain)([np.stack([LEVELS] * 3, 2)])["image"]
    )
    with pytest.raises(ValueError, match="value_range"):
        ImageSpec.model_validate({**plain.model_dump(), "value_range": [5, 5]})


def by_tifffile(pixels: np.ndarray, **options: object) -> bytes:
    import tifffile

    out = io.BytesIO()
    tifffile.imwrite(out, pixels, **options)
    return out.getvalue()


COLOURS = np.stack([RAMP * 16, RAMP[:, ::-1] * 16, RAMP.T * 16], 2)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_colours_of_16_bits_stored_channel_by_channel_are_refused(order: str, tile: object):
    options = {"photometric": "rgb", "byteorder": order, "tile": tile}
    together = by_tifffile(COLOURS, **options)
    np.testing.assert_array_equal(np.asarray(load_image(together, "")), COLOURS >> 8)
    apart = by_tifffile(np.moveaxis(COLOURS, 2, 0), planarconfig="separate", **options)
    with pytest.raises(InputError, match="16 bits, stored channel by channel"):
        load_image(apart, "a.tif")
    eight = (COLOURS >> 8).astype(np.uint8)
    planar = by_tifffile(np.moveaxis(eight, 2, 0), planarconfig="separate", **options)
    np.testing.assert_array_equal(np.asarray(load_image(planar, "")), eight)


def test_signed_values_of_8_bits_need_a_range_too(tmp_path: Path):
    values = np.tile(np.arange(-128, 128, dtype=np.int8), (4, 1))
    with pytest.raises(InputError, match="was not trained on such"):
        grey(by_tifffile(values))
    np.testing.assert_array_equal(grey(by_tifffile(values), (-128, 127))[0], np.arange(256))
    (tmp_path / "a.tif").write_bytes(by_tifffile(values))
    learnt = learn_value_range([tmp_path / "a.tif"])
    assert learnt is not None
    assert learnt.ends == pytest.approx((-128, 127), abs=1)
    with pytest.raises(InputError, match="a TIFF of a kind that is not read"):
        load_image(by_tifffile(np.stack([values] * 3, 2), photometric="rgb"), "a.tif")


def grey_with_alpha(values: np.ndarray) -> bytes:
    """A PNG of 16 bits of grey and 16 of transparency, opaque."""
    both = np.stack([values, np.full_like(values, 65535)], 2)
    head = struct.pack(">IIBBBBB", *values.shape[::-1], 16, 4, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in both))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    )


def test_grey_of_16_bits_with_transparency_is_read_where_it_uses_them_and_no_range_is_meant():
    assert np.abs(grey(grey_with_alpha(RAMP * 16)).astype(int) - LEVELS).max() <= 1
    for data, value_range in ((grey_with_alpha(RAMP * 2), None), (grey_with_alpha(RAMP * 16), (0, 30_000))):
        with pytest.raises(InputError, match="grey with transparency and has 16 bits"):
            grey(data, value_range)


@pytest.mark.parametrize("bits", [2, 4])
def test_the_transparent_value_of_few_bits_lies_on_white(bits: int):
    most = 2**bits - 1
    values = np.tile(np.arange(16, dtype=np.uint8) % (most + 1), (4, 1))
    packed = np.packbits(np.unpackbits(values[..., None], axis=2)[..., 8 - bits :].reshape(4, -1), axis=1)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 16, 4, bits, 0, 0, 0, 0)),
        (b"tRNS", struct.pack(">H", 1)),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in packed))),
        (b"IEND", b""),
    )
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    np.testing.assert_array_equal(grey(data), np.where(values == 1, 255, values.astype(int) * 255 // most))


def test_no_data_of_8_bits_is_black_where_all_channels_have_it():
    tag = [(42113, "s", 0, "255", True)]
    values = np.tile(np.array([0, 100, 255], np.uint8), (3, 1))
    np.testing.assert_array_equal(grey(by_tifffile(values, extratags=tag))[0], [0, 100, 0])
    colours = np.array([[[255, 255, 255], [255, 0, 255]]], np.uint8)
    shown = np.asarray(load_image(by_tifffile(colours, photometric="rgb", extratags=tag), ""))
    np.testing.assert_array_equal(shown[0], [[0, 0, 0], [255, 0, 255]])


def test_a_tiff_of_a_kind_that_is_not_read_says_which_are():
    with pytest.raises(InputError, match="a picture is a TIFF of a kind that is not read") as caught:
        grey(by_tifffile(RAMP / 4095))
    assert "floating-point ones of 32" in str(caught.value.hint)
