"""Small valid files of every kind that the loaders read, made on the spot."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import onnx
import soundfile
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from tlzoo.artifact.manifest import KEY

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
SOUND = (np.sin(np.arange(4000) / 9) * 0.5).astype(np.float32)


def pictures() -> list[bytes]:
    """Every format and the less common colour modes."""
    rgb = Image.fromarray(PIXELS)
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = [
        (rgb, "PNG", {"exif": exif}), (rgb.convert("RGBA"), "PNG", {}), (rgb.quantize(8), "PNG", {"transparency": 1}),
        (Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257), "PNG", {}), (rgb.convert("1"), "PNG", {}),
        (rgb, "JPEG", {"exif": exif}), (rgb, "JPEG", {"progressive": True}), (rgb.convert("CMYK"), "JPEG", {}),
        (rgb, "GIF", {"save_all": True, "append_images": [rgb.rotate(90)]}), (rgb, "BMP", {}), (rgb, "PPM", {}),
        (rgb, "TIFF", {}), (rgb, "TIFF", {"compression": "tiff_lzw"}), (rgb, "TIFF", {"compression": "jpeg"}),
        (rgb, "WEBP", {"lossless": True}), (rgb, "WEBP", {"quality": 40, "exif": exif}), (rgb, "AVIF", {}),
    ]  # fmt: skip
    found = []
    for image, kind, options in kinds:
        out = io.BytesIO()
        image.save(out, kind, **options)
        found.append(out.getvalue())
    return [*found, scan()]


def scan(**fields: object) -> bytes:
    """A DICOM file of 12 stored bits, uncompressed, with these elements set beside."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    stored = np.arange(120, dtype=np.uint16).reshape(12, 10) * 30
    values = {
        "Rows": 12, "Columns": 10, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0, "PixelData": stored.tobytes(),
    }  # fmt: skip
    for name, value in {**values, **fields}.items():
        setattr(dataset, name, value)
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def recordings() -> list[bytes]:
    """Every container, several widths and channels."""
    stereo = np.stack([SOUND, -SOUND], 1)
    kinds = [
        ("WAV", "PCM_16", SOUND), ("WAV", "PCM_24", stereo), ("WAV", "PCM_U8", SOUND), ("WAV", "DOUBLE", SOUND),
        ("WAVEX", "PCM_16", np.tile(stereo, 3)), ("AIFF", "PCM_16", SOUND), ("FLAC", "PCM_16", stereo),
        ("OGG", "VORBIS", SOUND), ("OGG", "OPUS", SOUND), ("MP3", "MPEG_LAYER_III", SOUND), ("RF64", "PCM_16", SOUND),
    ]  # fmt: skip
    found = []
    for kind, subtype, samples in kinds:
        out = io.BytesIO()
        soundfile.write(out, samples, 16_000, subtype=subtype, format=kind)
        found.append(out.getvalue())
    return found


def texts() -> list[bytes]:
    """Scripts, marks, controls."""
    return [text.encode() for text in ("a fine day", "مرحبا بالعالم", "e\u0301" * 20, "\0\x1b\ufeff", "漢字👩‍👩‍👧")]


def models() -> list[bytes]:
    """A graph that means what a manifest says, and one of several operators and a subgraph."""
    manifest = json.loads((Path(__file__).parent / "manifest.json").read_text())
    weight = numpy_helper.from_array(np.ones((3, 2), np.float32), "w")
    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "w"], ["logits"]),
    ]
    axes = numpy_helper.from_array(np.array([1, 2], np.int64), "axes")
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 8, 8, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])], [weight, axes],
    )  # fmt: skip
    proto = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    plain = proto.SerializeToString()
    proto.metadata_props.add(key=KEY, value=json.dumps(manifest))
    assert isinstance(onnx.load_from_string(plain), onnx.ModelProto)
    return [plain, proto.SerializeToString()]
