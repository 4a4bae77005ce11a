"""The web page's tokens and their places, in Node: equal to those of Hugging Face's Rust tokenizers."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from tlzoo.exporting.formats.web import vendored
from tlzoo.exporting.formats.web.folder import PREPROCESSING
from tlzoo.preprocess.text import TextPreprocessor
from tlzoo.specs import TextSpec
from tlzoo.tasks.tokens.spans import group_words, word_offsets

pytestmark = pytest.mark.needs("node", "npm")  # npm fetches the package

SITE = Path(vendored.__file__).parent / "site"
LONGEST = 64
WORDS = "ada oslo in lindqvist moved to acme maria 東 京 город".split()
ODD = [
    "👨‍👩‍👧 Ada 👩🏽‍🚀",
    "Ada😀Lindqvist lindqvist moved",
    "A😀in in Oslo",
    "☕Oslo☕ oslo",
    "Mr→Oslo moved",
    "2×Acme acme",
    "Ada™ moved ©Acme acme",
    "Ada–Oslo…Oslo",
    "Zu\u0308rich→Oslo oslo 5°C in Oslo",
    "ﷺAda ﬁrst ǅ ß ẞ ς Σ ΑΣ",
    "\u202eAda\u202c Oslo",
    "أحمد انتقل إلى القاهرة مع Ada סרט",
    "Ada\r\nLindqvist\tmoved\u2028Oslo",
    "Ada\u200bLindqvist Os\u200blo a\u00adb",
    "İstanbul İn i̇n",
    "東京Ada東京 𠀀𠀁 한국어각",
    "न्वर्ध क्षत्रिय ทดสอบ ျမန္မာ",
    "करमचंद दिल्ली مُحَمَّد שָׁלוֹם می\u200cخواهم ที่นี่ Ose\u0301 o\u0302\u0323",
    "e\u0301\u0301\u0323x \u0301start o\u0323\u0302slo",
    "[UNK] [CLS] Ada [SEP]x ##ada ada##",
    "x" * 120 + " Ada",
    "½ ² ① Ⅷ a_b-c.d,e'f $€¥ §¶",
    "\u00a0\u3000\u2009Ada\x85in\x1cto\ufeffoslo",
    "𝒜𝓭𝓪 𝟙 ａ\u3099 \ufe0f❤️ Ada",
    "cafe\u0301s’ “quoted”",
    "Ada\ufffdLin \0 \ud800in",
    "",
    " \n ",
]
SIGNS = [
    *"abdilosAO  .,'-_😀éßİ½Ⅷ東京한가ทนأسמ→×™½",
    *("\u0301", "\u0308", "\u0323", "\u200b", "\u200d", "\ufe0f", "\u202e", "\r\n", "\t", "\u00a0", "\u00ad", "\ufeff"),
    *("👨‍👩‍👧", "👩🏽‍🚀", "🇳🇴", "𠀀", "𝒜", "ﬁ", "ada", "oslo ", " in ", "город", "\ud800", "\udc00"),
]
GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)
DRIVER = """
import fs from "node:fs";
import { makePreprocessor } from "./preprocess-text.js";
import { placesOf, wordsOf } from "./offsets-text.js";
const { preprocess, texts } = JSON.parse(fs.readFileSync("case.json"));
const prepare = makePreprocessor({ preprocess });
const found = [];
for (const text of texts) {
  const { input_ids, context } = await prepare(text);
  const words = wordsOf(context);
  const spots = placesOf(context, words);
  found.push({ ids: Array.from(input_ids.data, Number), places: context.offsets, words, spots });
}
fs.writeFileSync("found.json", JSON.stringify(found));
"""
CHARSMAP_DRIVER = """
import fs from "node:fs";
import { charsmapNormalizer } from "./charsmap-text.js";
const [written, texts] = JSON.parse(fs.readFileSync("charsmap.json"));
const normalize = charsmapNormalizer(written);
const units = (text) => Array.from(text, (character) => ({ character, begin: 0, end: 0 }));
const made = texts.map((text) => normalize(units(text)).map(({ character }) => character).join(""));
fs.writeFileSync("mapped.json", JSON.stringify(made));
"""


def wordpiece(**rules: Any) -> Tokenizer:
    signs = [sign for sign in "abdilostremunqvcj.,-½" if sign not in rules.get("without", "")]
    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *signs, *(f"##{sign}" for sign in signs)]
    tokenizer = Tokenizer(models.WordPiece({word: at for at, word in enumerate(known)}, unk_token="[UNK]"))
    rules.pop("without", None)
    tokenizer.normalizer = normalizers.BertNormalizer(**rules)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def wordlevel() -> Tokenizer:
    known = ["[UNK]", *WORDS, "Ada", "Oslo", "a", "."]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(known)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def bytelevel() -> Tokenizer:
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("a", "d"), ("ad", "a"), ("Ġ", "i"), ("Ġi", "n"), ("o", "s"), ("ð", "Ł"), ("Ã", "©")]
    known = ["<pad>", *signs, *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer(models.BPE({word: at for at, word in enumerate(known)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def unigram() -> Tokenizer:
    scored = [
        ("<unk>", 0.0),
        ("▁", -4.0),
        ("▁ada", -2.0),
        ("▁in", -2.5),
        ("oslo", -3.0),
        *((one, -6.0) for one in "adloin.,éσ"),
    ]
    tokenizer = Tokenizer(models.Unigram(scored, 0))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def unigram_without_accents() -> Tokenizer:
    tokenizer = unigram()
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    return tokenizer


@cache
def charsmap(rule: str) -> bytes:
    """SentencePiece's precompiled map of this name."""
    with TemporaryDirectory() as folder:
        Path(folder, "text").write_text("ada moved to oslo in acme\n" * 9)
        sentencepiece.SentencePieceTrainer.train(
            input=f"{folder}/text", model_prefix=f"{folder}/m", vocab_size=99, normalization_rule_name=rule,
            hard_vocab_limit=False, minloglevel=2,
        )  # fmt: skip
        proto = sentencepiece_model_pb2.ModelProto()
        proto.ParseFromString(Path(folder, "m.model").read_bytes())
    found: bytes = proto.normalizer_spec.precompiled_charsmap
    return found


def mapped(rule: str, *after: normalizers.Normalizer, before: tuple[normalizers.Normalizer, ...] = ()) -> Tokenizer:
    """A Unigram that knows every character that its normaliser makes of the texts here, and a few words."""
    made = [*before, normalizers.Precompiled(charsmap(rule)), *after]
    normalizer = normalizers.Sequence(made) if len(made) > 1 else made[0]
    whole = "".join([*ODD, *SIGNS]).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    signs = sorted({*normalizer.normalize_str(whole), *whole, "▁"})
    scored = [("<unk>", 0.0), ("▁ada", -2.0), ("▁in", -2.5), ("oslo", -3.0), *((sign, -6.0) for sign in signs)]
    tokenizer = Tokenizer(models.Unigram(scored, 0))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def with_added(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_tokens(
        [
            AddedToken("Oslo", single_word=True, normalized=False),
            AddedToken("ada", single_word=True),
            AddedToken("😀", lstrip=True, normalized=False),
            AddedToken("ﬁ", rstrip=True),
            AddedToken("In", normalized=True),
        ]
    )
    return tokenizer


def bpe(**rules: Any) -> Tokenizer:
    known = [
        "<unk>",
        *"adlosin",
        "ad",
        "ada",
        *(f"<0x{byte:02X}>" for byte in range(256) if rules.get("byte_fallback")),
    ]
    vocabulary = {word: at for at, word in enumerate(known)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("a", "d"), ("ad", "a")], unk_token="<unk>", **rules))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def llama() -> Tokenizer:
    """Blanks are signs, one of them is put before the text, and a sign that is unknown is its bytes."""
    known = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁abdilonsmrvéO", "ad", "ada", "▁ada"]
    merges = [("a", "d"), ("ad", "a"), ("▁", "ada")]
    vocabulary = {word: at for at, word in enumerate(known)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens(["<unk>", "<s>"])
    return tokenizer


def split(tokenizer: Tokenizer, *parts: pre_tokenizers.PreTokenizer) -> Tokenizer:
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(list(parts))
    return tokenizer


TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {
    "WordPiece": wordpiece,
    "WordPiece with case and accents": lambda: wordpiece(lowercase=False, strip_accents=False),
    "WordPiece that cleans nothing": lambda: wordpiece(clean_text=False, handle_chinese_chars=False),
    "WordPiece with few letters": lambda: wordpiece(without="olsn"),
    "WordLevel": wordlevel,
    "byte-level BPE": bytelevel,
    "Unigram": unigram,
    "Unigram without accents": unigram_without_accents,
    "BPE": bpe,
    "BPE that fuses unknowns": lambda: bpe(fuse_unk=True),
    "BPE with bytes": lambda: bpe(byte_fallback=True),
    "a charsmap": lambda: mapped("nmt_nfkc"),
    "a charsmap that folds case": lambda: mapped("nmt_nfkc_cf"),
    "a charsmap, as T5 has it": lambda: mapped(
        "nmt_nfkc", normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "▁")
    ),
    "a charsmap, as ALBERT has it": lambda: mapped(
        "nfkc",
        normalizers.Replace(Regex(" {2,}"), " "),
        before=(
            normalizers.Replace("``", '"'),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
        ),
    ),
    "a charsmap, as XLM-R has it": lambda: split(
        mapped("nmt_nfkc"), pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()
    ),
    "BPE, as Llama has it": llama,
    "byte-level BPE, split as GPT-4 has it": lambda: split(
        bytelevel(),
        pre_tokenizers.Split(Regex(GPT4), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ),
    "a blank before the text alone": lambda: with_added(
        split(unigram(), pre_tokenizers.Metaspace(prepend_scheme="first"))
    ),
    "digits": lambda: split(wordlevel(), pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)),
    "numbers": lambda: split(wordlevel(), pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=False)),
    "signs": lambda: split(wordlevel(), pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()),
    "added tokens": lambda: with_added(wordpiece()),
    "added tokens and a charsmap": lambda: with_added(mapped("nmt_nfkc_cf")),
}


def random_texts(count: int, seed: int) -> list[str]:
    random_signs = random.Random(seed)
    made = ("".join(random_signs.choices(SIGNS, k=random_signs.randint(1, 16))) for _ in range(count))
    return [text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass") for text in made]  # pairs as one


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's modules for texts, and the package that they use."""
    made = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as online:
        online.setenv("TLZOO_OFFLINE", "0")
        online.setenv("HF_HUB_OFFLINE", "0")
        fetched = vendored.fetch_library(vendored.TOKENIZERS)
    (made / "vendor").mkdir()
    shutil.copy(fetched["tokenizers.js"], made / "vendor")
    for name in PREPROCESSING["text"]:
        shutil.copy(SITE / name, made)
    (made / "package.json").write_text('{"type": "module"}')
    (made / "driver.js").write_text(DRIVER)
    return made


def in_node(folder: Path, spec: TextSpec, texts: list[str]) -> list[dict[str, Any]]:
    (folder / "case.json").write_text(json.dumps({"preprocess": spec.model_dump(), "texts": texts}))
    done = subprocess.run(["node", "driver.js"], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads((folder / "found.json").read_text())
    return found


def in_python(spec: TextSpec, text: str) -> tuple[list[int], list[Any], list[list[int]], list[list[int]]]:
    """Ids, the tokens' places, the words' pieces and places, in UTF-16 units; those of what is nowhere are None."""
    arrays, [context] = TextPreprocessor(spec).with_contexts([text])
    units = np.cumsum([0, *(1 + (ord(sign) > 0xFFFF) for sign in text)]).tolist()
    places = [None if begin == end else [units[begin], units[end]] for begin, end in context.offsets.tolist()]
    words = group_words(context)
    spots = [[units[begin], units[end]] for begin, end in word_offsets(context, words)]
    return arrays["input_ids"][0].tolist(), places, words, spots


MECHANISMS = (
    "WordPiece",
    "byte-level BPE, split as GPT-4 has it",
    "Unigram",
    "BPE with bytes",
    "a charsmap, as T5 has it",
    "BPE, as Llama has it",
    "a blank before the text alone",
    "numbers",
    "signs",
    "added tokens and a charsmap",
)
"""One of each kind of rule; the others come with the release."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in MECHANISMS else [pytest.mark.release]) for kind in TOKENIZERS]
)
def test_tokens_places_and_words_are_those_of_python(folder: Path, kind: str):
    spec = TextSpec(max_length=LONGEST, tokenizer=TOKENIZERS[kind]().to_str(), pad_id=0)
    texts = [*ODD, *random_texts(400, seed=len(kind))]
    wrong = []
    for text, found in zip(texts, in_node(folder, spec, texts), strict=True):
        places = [None if begin == end else [begin, end] for begin, end in found["places"]]
        mine = (found["ids"], places, found["words"], found["spots"])
        if mine != in_python(spec, text):
            wrong.append((text, mine, in_python(spec, text)))
    assert not wrong, f"{len(wrong)} of {len(texts)}: " + "\n".join(map(repr, wrong[:8]))


@pytest.mark.parametrize("kind", ["WordPiece", "byte-level BPE", "a charsmap"])
@pytest.mark.parametrize("rules", [{"truncation_side": "left"}, {"lowercase": True}], ids=str)
def test_the_side_of_truncation_and_the_case_are_those_of_the_specification(
    folder: Path, kind: str, rules: dict[str, Any]
):
    spec = TextSpec(max_length=12, tokenizer=TOKENIZERS[kind]().to_str(), **rules)
    texts = [*ODD, *random_texts(100, seed=9), *(" ".join(["x", *ODD[:20]]) * times for times in (1, 30))]
    for text, found in zip(texts, in_node(folder, spec, texts), strict=True):
        places = [None if begin == end else [begin, end] for begin, end in found["places"]]
        assert (found["ids"], places) == in_python(spec, text)[:2], text


@pytest.mark.parametrize(
    ("rule", "step"),
    [
        ("nmt_nfkc_cf", 7),
        *(pytest.param(rule, 1, marks=pytest.mark.release) for rule in ("nmt_nfkc", "nmt_nfkc_cf", "nfkc_cf")),
    ],
)
def test_every_character_becomes_what_the_charsmap_has(folder: Path, rule: str, step: int):
    signs = [chr(code) for code in range(0, 0x30000, step) if not 0xD800 <= code < 0xE000]
    texts = [*signs, *(f"a{sign}" for sign in signs[::3]), *(f"{sign}\u0301" for sign in signs[::3])]
    normalizer = normalizers.Precompiled(charsmap(rule))
    document = json.loads(mapped(rule).to_str())
    (folder / "charsmap.json").write_text(json.dumps([document["normalizer"]["precompiled_charsmap"], texts]))
    (folder / "charsmap.js").write_text(CHARSMAP_DRIVER)
    subprocess.run(["node", "charsmap.js"], cwd=folder, check=True, timeout=300)
    found = json.loads((folder / "mapped.json").read_text())
    wrong = [one for one, made in zip(texts, found, strict=True) if made != normalizer.normalize_str(one)]
    assert not wrong, f"{len(wrong)}: {wrong[:9]}"
