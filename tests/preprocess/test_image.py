import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tlzoo.errors import InputError
from tlzoo.preprocess import image as module
from tlzoo.preprocess import make_preprocessor
from tlzoo.preprocess.image import ImagePreprocessor
from tlzoo.specs import ImageSpec

CORNERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], dtype=np.uint8).repeat(8, 0).repeat(8, 1)


def spec(height=16, width=16, crop=1.0, interpolation="bilinear") -> ImageSpec:
    return ImageSpec(size=(height, width), crop=crop, interpolation=interpolation, mean=(0, 0, 0), std=(1, 1, 1))


def one(source, wanted=None) -> np.ndarray:
    return ImagePreprocessor(wanted or spec())([source])["image"][0]


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (max(height // 9, 1), max(width // 9, 1), 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def test_paths_bytes_images_and_arrays_give_the_same_array(tmp_path):
    picture = Image.fromarray(CORNERS)
    file = tmp_path / "a.png"
    picture.save(file)
    batch = make_preprocessor(spec())([str(file), file, file.read_bytes(), picture, CORNERS])["image"]
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch, np.stack([CORNERS] * 5))


@pytest.mark.parametrize("size", [(224, 224), (160, 160), (96, 128), (128, 96)])
@pytest.mark.parametrize("crop", [0.875, 0.95, 1.0])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_geometry_is_that_of_timms_evaluation(size, crop, interpolation):
    import timm.data as timm_data

    timms = timm_data.create_transform((3, *size), interpolation=interpolation, crop_pct=crop, normalize=False)
    for shape in [(300, 451), (97, 133), (301, 41), (200, 200)]:
        pixels = noise(*shape)
        expected = timms(Image.fromarray(pixels)).permute(1, 2, 0).numpy()
        found = one(pixels, spec(*size, crop, interpolation))
        assert np.abs(expected.astype(int) - found).max() <= 1


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos", "nearest"])
@pytest.mark.parametrize("shape", [(30, 40), (40, 40), (40, 30), (25, 190), (400, 601), (601, 400), (97, 800)])
def test_not_resizing_what_is_cut_off_changes_no_bit(shape, interpolation):
    spec = ImageSpec(size=(56, 56), crop=0.875, interpolation=interpolation, mean=(0.5,) * 3, std=(0.5,) * 3)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
    width, height = module.resized_size(picture.size, spec)
    left, top = round((width - 56) / 2), round((height - 56) / 2)
    whole = picture.resize((width, height), Image.Resampling[interpolation.upper()])
    expected = np.asarray(whole.crop((left, top, left + 56, top + 56)))
    np.testing.assert_array_equal(expected, np.asarray(module.resize_and_crop(picture, spec)))


def test_every_exif_orientation_comes_out_upright():
    upright = Image.fromarray(CORNERS)
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for orientation, turn in undo.items():
        stored = upright if turn is None else upright.transpose(turn)
        exif = Image.Exif()
        exif[0x0112] = orientation
        for kind, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})):
            np.testing.assert_array_equal(one(encoded(stored, kind, exif=exif, **options)), CORNERS, f"{kind} {turn}")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_not_stop_a_good_picture():
    data = encoded(Image.fromarray(CORNERS), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    np.testing.assert_array_equal(one(data), CORNERS)


def test_transparency_is_laid_on_white():
    clear = np.zeros((16, 16, 4), dtype=np.uint8)
    half = clear.copy()
    half[..., 3] = 128
    assert one(clear).min() == 255
    assert set(one(half).ravel().tolist()) == {127}
    assert one(encoded(Image.fromarray(clear), "PNG")).min() == 255


def test_a_palette_with_a_transparent_colour_is_laid_on_white():
    picture = Image.new("P", (16, 16), 1)
    picture.putpalette([0, 0, 0, 200, 10, 20])
    assert one(encoded(picture, "GIF")).tolist() == [[[200, 10, 20]] * 16] * 16
    assert one(encoded(picture, "PNG", transparency=1)).min() == 255


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGBA", "CMYK", "YCbCr", "HSV", "RGBX", "PA"])
def test_white_is_white_in_every_colour_mode(mode):
    white = Image.new("RGB", (16, 16), "white").convert("L" if mode in ("LA", "1", "PA") else mode).convert(mode)
    assert one(white).min() >= 254


def test_cmyk_in_a_jpeg_becomes_rgb():
    data = encoded(Image.new("RGB", (16, 16), (250, 30, 30)).convert("CMYK"), "JPEG", quality=95)
    assert np.abs(one(data).astype(int) - (250, 30, 30)).max() < 12


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_and_not_clipped(kind):
    wide = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    found = one(encoded(Image.fromarray(wide), kind))
    np.testing.assert_array_equal(found, np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2))


def test_of_an_animation_the_first_frame_counts():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert one(data).tolist() == [[[255, 0, 0]] * 16] * 16


def test_floating_point_pixels_are_refused():
    with pytest.raises(InputError, match="floating-point values"):
        one(Image.fromarray(np.zeros((16, 16), dtype=np.float32)))


def test_threads_change_neither_order_nor_bits(monkeypatch, tmp_path):
    for number in range(24):
        Image.fromarray(noise(60 + number, 90, number)).save(tmp_path / f"{number:02}.jpg")
    files = sorted(tmp_path.iterdir())
    wanted = spec(48, 48, 0.9, "bicubic")
    serial = np.stack([one(file, wanted) for file in files])
    monkeypatch.setattr(module, "available_cores", lambda: 8)
    np.testing.assert_array_equal(ImagePreprocessor(wanted)(files)["image"], serial)


def test_one_image_object_may_stand_in_a_batch_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "available_cores", lambda: 8)
    Image.fromarray(noise(300, 300)).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as shared:
        batch = ImagePreprocessor(spec())([shared] * 8)["image"]
    np.testing.assert_array_equal(batch, np.stack([batch[0]] * 8))


def test_a_picture_that_was_given_is_not_changed():
    picture = Image.fromarray(np.full((40, 30, 4), 100, dtype=np.uint8))
    one(picture)
    assert (picture.size, picture.mode) == ((30, 40), "RGBA")


def test_no_pictures_give_an_empty_batch():
    assert ImagePreprocessor(spec(8, 4))([])["image"].shape == (0, 8, 4, 3)


def huge_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9_500, 12_000, 60_000])
def test_too_many_pixels_are_refused_from_the_header(side):
    with pytest.raises(InputError, match="million pixels"):
        one(huge_png(side, side))


def test_a_thin_picture_that_would_be_huge_once_resized_is_refused():
    with pytest.raises(InputError, match="once resized"):
        one(np.zeros((1, 50_000), dtype=np.uint8), spec(224, 224))


def bad_files() -> dict[str, tuple[bytes, str]]:
    jpeg = encoded(Image.fromarray(noise(200, 200)), "JPEG")
    png = encoded(Image.fromarray(noise(200, 200)), "PNG")
    return {
        "empty.jpg": (b"", "zero bytes"),
        "words.jpg": (b"these are words", "as a picture"),
        "page.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not supported"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        "cut.png": (png[: len(png) // 2], "truncated"),
        "header.png": (png[:20], "as a picture|truncated"),
        "flat.png": (huge_png(0, 5), "no pixels|truncated or broken"),
    }


@pytest.mark.parametrize("name", sorted(bad_files()))
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path, name):
    data, wrong = bad_files()[name]
    Image.fromarray(CORNERS).save(tmp_path / "good.png")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=f"{name}.*({wrong})") as caught:
        ImagePreprocessor(spec())([tmp_path / "good.png", tmp_path / name])
    assert caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["nowhere.png", ".", "nul\0.png"])
def test_a_path_without_a_file_is_named(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        one(source)


@pytest.mark.parametrize(
    "source", [None, 3, np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4, 3), np.uint8), [[1]]]
)
def test_what_is_no_picture_at_all_is_named_by_its_position(source):
    with pytest.raises(InputError, match="picture 2 of the batch"):
        ImagePreprocessor(spec())([CORNERS, source])
