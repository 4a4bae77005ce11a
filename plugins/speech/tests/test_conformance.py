"""The conformance suite on a tiny wav2vec 2.0."""

from tlzoo.registry.schema import Checkpoint, FileSource, LocalFile
from tlzoo.specs import AudioSpec
from tlzoo.testing import PluginSuite

WAV2VEC2 = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 37,
    "conv_dim": [16, 16, 16],
    "conv_stride": [5, 4, 4],
    "conv_kernel": [10, 3, 3],
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}


class TestSpeechConformance(PluginSuite):
    plugin = "speech"
    outputs = ("vector", "sequence")
    checkpoint = Checkpoint(
        id="speech/tiny-wav2vec2",
        architecture="wav2vec2",
        config=WAV2VEC2,
        source=FileSource(files=(LocalFile(path="none", sha256="0" * 64, size=1),)),
        license="Apache-2.0",
        tasks=("audio-classification",),
        parameters=24_186,
        feature_dim=32,
        preprocess=AudioSpec(sample_rate=16_000, seconds=0.5),
    )
