"""The conformance suite on timm's smallest network with convolutions and BatchNorm."""

from tlzoo.registry.schema import Checkpoint, FileSource, LocalFile
from tlzoo.specs import ImageSpec
from tlzoo.testing import PluginSuite


class TestVisionConformance(PluginSuite):
    plugin = "vision"
    outputs = ("vector", "map")
    checkpoint = Checkpoint(
        id="vision/test-resnet",
        architecture="test_resnet",
        source=FileSource(files=(LocalFile(path="none", sha256="0" * 64, size=1),)),
        license="Apache-2.0",
        tasks=("image-classification",),
        parameters=372_688,
        feature_dim=96,
        preprocess=ImageSpec(size=(64, 64), crop=0.9, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3)),
    )
