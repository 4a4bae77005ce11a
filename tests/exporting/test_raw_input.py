"""Resizing inside the graph against Pillow, and what stays of the graph."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import ModelProto, parser
from PIL import Image

from tlzoo.errors import ExportError, InputError
from tlzoo.exporting.raw_input import add_resize_and_crop
from tlzoo.preprocess import make_preprocessor
from tlzoo.preprocess.image import resize_and_crop
from tlzoo.preprocess.raw import RawImages
from tlzoo.runtime.session import open_session
from tlzoo.specs import ImageSpec

SPECS = [((224, 224), 0.875), ((64, 64), 1.0), ((60, 80), 0.95), ((97, 60), 0.777)]
SIZES = [(1, 1), (1, 90), (90, 1), (31, 400), (131, 97), (64, 64), (300, 200), (255, 256)]


def spec_of(size: tuple[int, int], crop: float = 1.0, interpolation: str = "bilinear") -> ImageSpec:
    return ImageSpec(size=size, crop=crop, interpolation=interpolation, mean=(0, 0, 0), std=(1, 1, 1))


def identity(height: int, width: int, opset: int = 20) -> ModelProto:
    shape = f"uint8[batch, {height}, {width}, 3]"
    graph = f"g ({shape} image) => ({shape} same) {{ same = Identity(image) }}"
    return parser.parse_model(f'<ir_version: 10, opset_import: ["": {opset}]> {graph}')


def fitted(pictures: np.ndarray, spec: ImageSpec) -> np.ndarray:
    raw = add_resize_and_crop(identity(*spec.size), spec)
    onnx.checker.check_model(raw, full_check=True)
    return np.asarray(session(raw).run(None, {"image": pictures})[0])


def session(proto: ModelProto) -> ort.InferenceSession:
    return open_session(proto.SerializeToString(), threads=1)


def noise(height: int, width: int, count: int = 1) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def photographs() -> list[np.ndarray]:
    from skimage import data

    large, small = data.astronaut(), data.chelsea()[100:200, 100:250]
    return [large[None], small[None]]


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize(("interpolation", "levels", "mean"), [("bilinear", 2, 0.02), ("bicubic", 2, 0.005)])
def test_a_picture_of_any_size_is_fitted_as_by_pillow(
    spec: tuple[tuple[int, int], float], interpolation: str, levels: int, mean: float
):
    given = spec_of(*spec, interpolation)
    raw = session(add_resize_and_crop(identity(*given.size), given))
    differences = []
    for pictures in (*photographs(), *(noise(*size) for size in SIZES)):
        expected = np.asarray(resize_and_crop(Image.fromarray(pictures[0]), given)).astype(int)
        actual = raw.run(None, {"image": pictures})[0][0]
        assert expected.shape == actual.shape
        differences.append(np.abs(expected - actual))
    assert max(d.max() for d in differences) <= levels
    assert np.mean([d.mean() for d in differences]) <= mean


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_nearest_picks_the_very_pixels_that_pillow_picks(spec: tuple[tuple[int, int], float]):
    given = spec_of(*spec, "nearest")
    raw = session(add_resize_and_crop(identity(*given.size), given))
    for pictures in (*photographs(), *(noise(*size) for size in SIZES)):
        expected = np.asarray(resize_and_crop(Image.fromarray(pictures[0]), given))
        np.testing.assert_array_equal(expected, raw.run(None, {"image": pictures})[0][0])


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize(("size", "crop", "given"), [((56, 56), 0.875, (64, 101)), ((60, 80), 1.0, (60, 95))])
def test_a_picture_that_only_needs_cropping_comes_out_bit_for_bit(
    interpolation: str, size: tuple[int, int], crop: float, given: tuple[int, int]
):
    spec = spec_of(size, crop, interpolation)
    pictures = noise(*given, count=2)
    expected = make_preprocessor(spec)(list(pictures))["image"]
    np.testing.assert_array_equal(expected, fitted(pictures, spec))


def test_pictures_of_a_batch_are_fitted_each_by_itself():
    spec = spec_of((32, 32), 0.9, "bicubic")
    pictures = noise(50, 70, count=5)
    apart = np.concatenate([fitted(picture[None], spec) for picture in pictures])
    np.testing.assert_array_equal(apart, fitted(pictures, spec))


def test_a_trained_model_gives_the_same_logits_for_raw_and_for_fitted_pictures(picture_file: Any):
    predictor, proto = picture_file.load(), onnx.load(picture_file.path)
    before = proto.SerializeToString()
    spec = predictor.manifest.preprocess
    raw = add_resize_and_crop(proto, spec)
    assert before == proto.SerializeToString()
    pictures = noise(100, 80, count=3)
    expected = predictor.logits(list(pictures))
    arrays = RawImages(spec)(list(pictures))
    actual = session(raw).run(["logits"], arrays)[0]
    np.testing.assert_allclose(expected, actual, atol=0.02 * np.abs(expected).max())
    assert [o.SerializeToString() for o in proto.graph.output] == [o.SerializeToString() for o in raw.graph.output]
    assert proto.graph.initializer == raw.graph.initializer
    assert {node.output[0] for node in proto.graph.node} <= {node.output[0] for node in raw.graph.node}
    dims = [d.dim_param or d.dim_value for d in raw.graph.input[0].type.tensor_type.shape.dim]
    assert (dims, raw.graph.input[0].name) == (["batch", "height", "width", 3], "image")


def test_a_branch_that_reads_the_picture_reads_the_fitted_one():
    text = """<ir_version: 10, opset_import: ["": 20]>
    g (uint8[batch, 8, 8, 3] image, bool always) => (uint8[batch, 8, 8, 3] same) {
        same = If (always) <
            then_branch = t () => (uint8[batch, 8, 8, 3] a) { a = Identity(image) },
            else_branch = e () => (uint8[batch, 8, 8, 3] b) { b = Identity(image) }
        >
    }"""
    raw = session(add_resize_and_crop(parser.parse_model(text), spec_of((8, 8))))
    made = raw.run(None, {"image": noise(20, 30), "always": np.array(True)})[0]
    assert made.shape == (1, 8, 8, 3)


@pytest.mark.parametrize(
    ("proto", "spec", "named"),
    [
        (identity(8, 8), spec_of((8, 8), interpolation="lanczos"), "lanczos"),
        (identity(8, 8, opset=17), spec_of((8, 8)), "opset 17|has 17"),
        (
            parser.parse_model(
                '<ir_version: 10, opset_import: ["": 20]> g (float[n] x) => (float[n] y) { y = Relu(x) }'
            ),
            spec_of((8, 8)),
            "inputs x",
        ),
    ],
    ids=["lanczos", "opset", "input"],
)
def test_what_onnx_cannot_do_is_refused(proto: ModelProto, spec: ImageSpec, named: str):
    with pytest.raises(ExportError, match=named):
        add_resize_and_crop(proto, spec)


def test_raw_pictures_are_decoded_upright_and_rgb_of_their_own_size():
    turned, exif = Image.fromarray(noise(20, 30)[0]), Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    turned.save(file, "PNG", exif=exif)
    pixels = RawImages(spec_of((8, 8)))([file.getvalue(), noise(30, 20)[0]])["image"]
    assert (np.uint8, (2, 30, 20, 3)) == (pixels.dtype, pixels.shape)
    np.testing.assert_array_equal(np.asarray(turned.transpose(Image.Transpose.ROTATE_270)), pixels[0])
    np.testing.assert_array_equal(noise(30, 20)[0], pixels[1])


def test_raw_pictures_of_two_sizes_are_refused_by_name():
    with pytest.raises(InputError, match="picture 2 of the batch has 30 x 20 pixels, picture 1"):
        RawImages(spec_of((8, 8)))([noise(20, 20)[0], noise(20, 30)[0]])


def test_a_raw_picture_that_the_graph_would_blow_up_is_refused():
    with pytest.raises(InputError, match="once resized"):
        RawImages(spec_of((224, 224)))([noise(2, 4000)[0]])
