"""Pictures of their own size for a graph that resizes them itself."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlzoo.errors import InputError
from tlzoo.preprocess.raw import RawImages
from tlzoo.specs import ImageSpec

RAW = RawImages(
    ImageSpec(size=(8, 6), crop=1.0, interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), kind="image")
)
PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def png(pixels: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "png")
    return held.getvalue()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_pictures_stay_as_they_are_however_they_are_given(count: int, tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(png(PIXELS))
    picture = Image.open(io.BytesIO(png(255 - PIXELS)))
    given = [path, picture, picture][:count]
    made = RAW(given)
    assert list(made) == ["image"]
    assert (made["image"].shape, made["image"].dtype) == ((count, 4, 5, 3), np.uint8)
    np.testing.assert_array_equal(made["image"], np.stack([PIXELS, 255 - PIXELS, 255 - PIXELS][:count]))


def test_no_pictures_are_none_of_the_networks_size():
    made = RAW([])["image"]
    assert (made.shape, made.dtype) == ((0, 8, 6, 3), np.uint8)


def test_pictures_of_one_batch_have_one_size(tmp_path: Path):
    path = tmp_path / "b.png"
    path.write_bytes(png(PIXELS[:, :3]))
    for other, size in ((path, "3 x 4"), (png(PIXELS.transpose(1, 0, 2).copy()), "4 x 5")):
        with pytest.raises(InputError) as caught:
            RAW([PIXELS, PIXELS, other])
        name = str(path) if other is path else "picture 3 of the batch"
        assert name in caught.value.message
        assert caught.value.message.endswith(f" has {size} pixels, picture 1 of the batch has 5 x 4.")
        assert caught.value.hint == (
            "Pictures of one batch must have the same size: pass other sizes in separate batches."
        )


@pytest.mark.parametrize("wrong", [b"no picture", np.zeros((1, 1000, 3), np.uint8)])
def test_what_cannot_be_read_or_would_be_blown_up_is_named(wrong: object):
    large = RawImages(RAW.spec.model_copy(update={"size": (4096, 4096)}))
    for given in ([wrong], [PIXELS, wrong]):
        with pytest.raises(InputError, match=f"^picture {len(given)} of the batch") as caught:
            large(given)
        assert " has 1000 x 1 pixels" not in caught.value.message
    assert large([PIXELS])["image"].shape == (1, 4, 5, 3)


def test_grey_values_of_more_than_8_bits_are_spread_by_the_range():
    pixels = np.tile(np.linspace(-1024, 3071, 6).round().astype(np.int32), (8, 1))
    spec = RAW.spec.model_copy(update={"value_range": (-1024, 3071)})
    made = RawImages(spec)([pixels])["image"]
    np.testing.assert_array_equal(made[0, 0, :, 1], [0, 51, 102, 153, 204, 255])
    with pytest.raises(InputError, match="was not trained on such"):
        RAW([pixels])
