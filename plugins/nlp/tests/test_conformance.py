"""The conformance suite on a tiny BERT: its vectors classified, its sequences tagged."""

import json
from pathlib import Path

import pytest

from tlzoo.registry.schema import Checkpoint, FileSource, LocalFile
from tlzoo.specs import TextSpec
from tlzoo.testing import PluginSuite

BERT = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 16,
}


class TestNlpConformance(PluginSuite):
    plugin = "nlp"
    outputs = ("vector", "sequence")
    checkpoint = Checkpoint(
        id="nlp/tiny-bert",
        architecture="bert",
        config=BERT,
        source=FileSource(files=(LocalFile(path="none", sha256="0" * 64, size=1),)),
        license="Apache-2.0",
        tasks=("text-classification",),
        parameters=17_568,
        feature_dim=32,
        preprocess=TextSpec(max_length=16),
    )


@pytest.mark.release
class TestTokens(TestNlpConformance):
    task_name = "tokens"

    def samples(self, folder: Path) -> Path:
        """Texts in which some words are named."""
        rows = []
        for number in range(24):
            text = f"a film of {('great', 'poor')[number % 2]} {('anna', 'ben')[number % 3 % 2]}"
            rows.append({"text": text, "entities": [[10, len(text), ("good", "bad")[number % 2]]]})
        (folder / "tagged.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
        return folder / "tagged.jsonl"
