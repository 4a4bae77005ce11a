"""Tokenizers with all that their repositories say: the ids are those that transformers gives for the same folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from tlzoo_nlp.resolving import resolve
from tlzoo_nlp.tokenizer import with_tokenizer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, AutoTokenizer

from tlzoo import Repository, Weights
from tlzoo.errors import RegistryError
from tlzoo.preprocess import make_preprocessor
from tlzoo.specs import TextSpec

LENGTH = 12
ODD = [
    "A LOVELY Hotel in Oslo",
    "Café déjà vu, naïve Ångström",
    "İstanbul ΑΣ ὈΔΥΣΣΕΎΣ ẞ ǅ",
    "東京 hotel 京都ホテル 한국어",
    "[MASK] <mask> [SEP]</s> [CLS] <s> <pad>",
    "a lovely<ent>hotel <ent> x [NEW]y NEW new",
    "hotels\u200bhotel a\u0301\u0308 \u00a0\u3000 tab\tend\r\n",
    "👨‍👩‍👧 emoji 🇳🇴 ½ ² ① Ⅷ ﬁ",
    "  leading and trailing  ",
    "",
    "x" * 150,
    "word " * 40 + "LAST",
    "don't can't we'll I'm  12345 3.14",
]
WORDS = (
    "a lovely hotel in oslo cafe café deja vu naive x y new last word leading and trailing do n t i m 東 京 都".split()
)
SIGNS = [
    *"abcdefghijklmnopqrstuvwxyz0123456789.,'",
    *"ABHLNOéàïå",
    "##s",
    *(f"##{sign}" for sign in "abcdefghilnorstvw"),
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def wordpiece(**rules: Any) -> Tokenizer:
    known = dict.fromkeys([*SPECIAL, *WORDS, *SIGNS, "Hotel", "LAST"])
    made = Tokenizer(models.WordPiece({word: at for at, word in enumerate(known)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(**rules)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    made.decoder = decoders.WordPiece()
    made.add_special_tokens(SPECIAL)
    return made


def bytelevel() -> Tokenizer:
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("h", "o"), ("t", "e"), ("ho", "te"), ("hote", "l"), ("Ġ", "hotel"), ("Ġ", "a"), ("Ã", "©")]
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    known = [*special, *signs, *("".join(pair) for pair in merges)]
    made = Tokenizer(models.BPE({word: at for at, word in enumerate(known)}, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(special)
    return made


def wordlevel() -> Tokenizer:
    made = Tokenizer(models.WordLevel({word: at for at, word in enumerate(["[UNK]", *WORDS])}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


def write_tokenizer(make: Callable[[], Tokenizer]) -> Callable[[Path], None]:
    return lambda folder: make().save(str(folder / "tokenizer.json"))


def write_vocabulary(folder: Path) -> None:
    vocabulary = wordpiece().get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)) + "\n")  # type: ignore[arg-type]


def write_merges(folder: Path) -> None:
    model = json.loads(bytelevel().to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(map(" ".join, model["merges"])) + "\n")


def write_sentencepiece(name: str, **options: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "text").write_text("\n".join(f"{a} hotel {b} in oslo" for a in WORDS for b in WORDS[:8]))
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "text"), model_prefix=str(folder / "m"), vocab_size=120,
            hard_vocab_limit=False, minloglevel=2, **options,
        )  # fmt: skip
        (folder / "m.model").rename(folder / name)
        for beside in ("text", "m.vocab"):
            (folder / beside).unlink()

    return write


def added(content: str, **rules: bool) -> dict[str, Any]:
    plain = {"lstrip": False, "rstrip": False, "normalized": True, "single_word": False, "special": False}
    return {"content": content, **plain, **rules}


BERT, FAST = {"tokenizer_class": "BertTokenizer"}, {"tokenizer_class": "PreTrainedTokenizerFast"}
ENT = {"99": added("<ent>", lstrip=True, normalized=False, special=True), "100": added("NEW", single_word=True)}
CONFIG, MAP, TOKENS = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"
lowered, kept = write_tokenizer(wordpiece), write_tokenizer(lambda: wordpiece(lowercase=False))
REPOSITORIES: dict[str, tuple[str, Callable[[Path], None], dict[str, Any]]] = {
    "lower-cased": ("bert", lowered, {CONFIG: BERT}),
    "its file lowers, its configuration does not": ("bert", lowered, {CONFIG: {**BERT, "do_lower_case": False}}),
    "its configuration lowers, its file does not": ("bert", kept, {CONFIG: {**BERT, "do_lower_case": True}}),
    "accents": ("bert", kept, {CONFIG: {**BERT, "do_lower_case": False, "strip_accents": True}}),
    "no accents": ("bert", lowered, {CONFIG: {**BERT, "strip_accents": False}}),
    "Chinese": ("bert", lowered, {CONFIG: {**BERT, "tokenize_chinese_chars": False}}),
    "a vocabulary": ("bert", write_vocabulary, {CONFIG: {"do_lower_case": False}}),
    "a vocabulary of another class": ("roberta", write_vocabulary, {CONFIG: BERT}),
    "from the left": ("bert", lowered, {CONFIG: {**BERT, "truncation_side": "left"}}),
    "padded on the left": ("bert", lowered, {CONFIG: {**BERT, "padding_side": "left"}}),
    "added tokens": ("bert", lowered, {CONFIG: {**BERT, "added_tokens_decoder": ENT}}),
    "added tokens of any class": ("bert", lowered, {CONFIG: {**FAST, "added_tokens_decoder": ENT}}),
    "tokens added apart": ("bert", write_vocabulary, {CONFIG: BERT, TOKENS: {"<ent>": 99, "NEW": 100}}),
    "special tokens": (
        "bert",
        lowered,
        {CONFIG: FAST, MAP: {"mask_token": "<mask>", "additional_special_tokens": ["<ent>", "[NEW]"]}},
    ),
    "byte-level": ("roberta", write_tokenizer(bytelevel), {CONFIG: {"tokenizer_class": "RobertaTokenizer"}}),
    "byte-level with a blank before": (
        "roberta",
        write_tokenizer(bytelevel),
        {CONFIG: {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True}},
    ),
    "merges": ("gpt2", write_merges, {CONFIG: {"tokenizer_class": "GPT2Tokenizer", "pad_token": "<pad>"}}),
    "a beginning and an end": (
        "gpt2",
        write_tokenizer(bytelevel),
        {CONFIG: {**FAST, "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True, "add_eos_token": True}},
    ),
    "SentencePiece, T5": ("t5", write_sentencepiece("spiece.model", pad_id=0, eos_id=1, unk_id=2, bos_id=-1), {}),
    "SentencePiece, ALBERT": (
        "albert",
        write_sentencepiece("spiece.model", user_defined_symbols=["[CLS]", "[SEP]", "[MASK]", "[PAD]"]),
        {CONFIG: {"do_lower_case": False, "tokenizer_class": "AlbertTokenizer"}},
    ),
    "SentencePiece, folded": (
        "xlm-roberta",
        write_sentencepiece("sentencepiece.bpe.model", normalization_rule_name="nmt_nfkc_cf"),
        {CONFIG: {"tokenizer_class": "XLMRobertaTokenizer"}},
    ),
    "word level": ("bert", write_tokenizer(wordlevel), {CONFIG: {**FAST, "unk_token": "[UNK]"}}),
}


def written(folder: Path, kind: str, write: Callable[[Path], None], documents: dict[str, Any]) -> Weights:
    write(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
    return Weights(folder, {path.name: path for path in folder.iterdir()})


def spec_of(weights: Weights, kind: str, **options: Any) -> TextSpec:
    return with_tokenizer(TextSpec(max_length=LENGTH, **options), weights, AutoConfig.for_model(kind))


def ids(spec: TextSpec, text: str) -> list[int]:
    return make_preprocessor(spec)([text])["input_ids"][0].tolist()


@pytest.mark.parametrize("name", REPOSITORIES)
def test_the_ids_are_those_of_transformers(name: str, tmp_path: Path):
    kind, write, documents = REPOSITORIES[name]
    spec = spec_of(written(tmp_path, kind, write, documents), kind)
    reference = AutoTokenizer.from_pretrained(tmp_path)
    for text in ODD:
        right = reference(text, truncation=True, max_length=LENGTH)["input_ids"] or [spec.pad_id]
        assert ids(spec, text) == right, text


@pytest.mark.parametrize("kind", ["roc_bert", "canine", "xlm"])
def test_a_type_whose_tokenizer_is_python_code_has_that_of_its_file(kind: str, tmp_path: Path):
    weights = written(tmp_path, kind, lowered, {CONFIG: {"truncation_side": "left"}})
    spec = with_tokenizer(TextSpec(max_length=LENGTH), weights, AutoConfig.for_model("bert"))
    assert spec.truncation_side == "left"
    assert ids(spec, ODD[0]) == wordpiece().encode(ODD[0]).ids


def test_a_tokenizer_file_alone_is_used_as_it_stands(tmp_path: Path):
    weights = written(tmp_path, "bert", kept, {})
    assert spec_of(weights, "bert").tokenizer == weights.files["tokenizer.json"].read_text()


@pytest.mark.parametrize("file", ["sentence_bert_config.json", "sentence_roberta_config.json"])
def test_sentence_transformers_lowers_before_it_splits(file: str, tmp_path: Path):
    weights = written(tmp_path, "bert", kept, {CONFIG: {**BERT, "do_lower_case": False}, file: {"do_lower_case": True}})
    spec, reference = spec_of(weights, "bert"), AutoTokenizer.from_pretrained(tmp_path)
    for text in ODD:
        assert ids(spec, text) == reference(text.lower(), truncation=True, max_length=LENGTH)["input_ids"], text


def test_the_side_of_a_tokenizer_file_alone_is_kept(tmp_path: Path):
    def write(folder: Path) -> None:
        made = wordpiece()
        made.enable_truncation(99, direction="left")
        made.save(str(folder / "tokenizer.json"))

    spec = spec_of(written(tmp_path, "bert", write, {}), "bert")
    assert spec.truncation_side == "left"
    assert ids(spec, "word " * 40 + "x y") == [2, *wordpiece().encode("word " * 8 + "x y").ids[1:-1], 3]


@pytest.mark.parametrize(
    ("kind", "documents", "cause"),
    [
        ("bert", {CONFIG: {**BERT, "split_special_tokens": True}}, "split_special_tokens"),
        ("bert", {CONFIG: {"tokenizer_class": "BertweetTokenizer"}}, "BertweetTokenizer|cannot be built"),
        ("bert", {"sentence_bert_config.json": {"tokenizer_args": {"do_lower_case": True}}}, "do_lower_case"),
        ("bert", {CONFIG: [1]}, "tokenizer_config"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_with_the_reason(
    kind: str, documents: dict[str, Any], cause: str, tmp_path: Path
):
    with pytest.raises(RegistryError, match=cause) as caught:
        spec_of(written(tmp_path, kind, lowered, documents), kind)
    assert caught.value.hint


def test_tokens_of_several_types_are_refused(tmp_path: Path):
    def write(folder: Path) -> None:
        made = wordpiece()
        made.post_processor = processors.TemplateProcessing("[CLS]:1 $A:1", special_tokens=[("[CLS]", 2)])
        made.save(str(folder / "tokenizer.json"))

    with pytest.raises(RegistryError, match="types"):
        spec_of(written(tmp_path, "bert", write, {}), "bert")


@pytest.mark.parametrize("name", ["sentence_bert_config.json", "sentence_distilbert_config.json"])
def test_the_files_that_change_tokens_are_fetched_and_their_length_is_kept(name: str):
    sizes = dict.fromkeys(("config.json", "model.safetensors", "tokenizer.json", CONFIG, MAP, TOKENS, name), 10)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 20}
    documents = {"config.json": {"model_type": "bert", **small}, name: {"max_seq_length": 77, "do_lower_case": True}}
    found = resolve("hf/tiny/net", Repository("tiny/net", "a" * 40, sizes, {}, documents, None, (), ()))
    assert found is not None
    assert found.preprocess.max_length == 77
    assert {file.path for file in found.source.files} == set(sizes)
