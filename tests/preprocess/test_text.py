"""Texts to token ids: shapes, padding, truncation, and whatever a user may pass."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from tlzoo.errors import ArtifactError, InputError
from tlzoo.preprocess import make_preprocessor
from tlzoo.preprocess.text import TextPreprocessor
from tlzoo.specs import TextSpec

VOCABULARY = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "red": 4, "green": 5, "blue": 6, "##s": 7}


def tokenizer_json(*, special: bool = True, padding_to: int | None = None, truncation: int | None = None) -> str:
    """A small WordPiece tokenizer, like BERT's."""
    tokenizer = Tokenizer(models.WordPiece(VOCABULARY, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if special:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    if padding_to:
        tokenizer.enable_padding(length=padding_to)
    if truncation:
        tokenizer.enable_truncation(truncation)
    return str(tokenizer.to_str())


def letters_json() -> str:
    """Words of letters, without accents and what is not seen, as BERT's tokenizer cleans them."""
    signs = "abcdefghilnoqrstuv,"
    known = [*VOCABULARY, *signs, *(f"##{sign}" for sign in signs), "lindqvist"]
    tokenizer = Tokenizer(models.WordPiece({w: at for at, w in enumerate(dict.fromkeys(known))}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(["[SEP]"])
    return str(tokenizer.to_str())


def preprocessor(max_length: int = 8, pad_id: int = 0, **options: object) -> TextPreprocessor:
    return TextPreprocessor(TextSpec(max_length=max_length, pad_id=pad_id, tokenizer=tokenizer_json(**options)))


def test_a_batch_is_padded_to_its_longest_text_under_the_mask():
    arrays = preprocessor()(["red green blue", "reds"])
    assert arrays["input_ids"].tolist() == [[2, 4, 5, 6, 3], [2, 4, 7, 3, 0]]
    assert arrays["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]
    assert {np.dtype(np.int64)} == {array.dtype for array in arrays.values()}


def test_padding_uses_the_pad_id_of_the_specification():
    assert preprocessor(pad_id=6)(["red", "red red"])["input_ids"][0].tolist() == [2, 4, 3, 6]


def test_a_long_text_is_cut_to_max_length_and_keeps_its_special_tokens():
    assert preprocessor(max_length=4)(["red " * 100])["input_ids"].tolist() == [[2, 4, 4, 3]]


def test_padding_and_truncation_of_the_tokenizer_file_are_ignored():
    arrays = preprocessor(padding_to=128, truncation=3)(["red green blue"])
    assert arrays["input_ids"].tolist() == [[2, 4, 5, 6, 3]]


def test_an_empty_text_is_its_special_tokens():
    assert preprocessor()([""])["input_ids"].tolist() == [[2, 3]]


def test_an_empty_text_without_special_tokens_is_one_pad_token_under_the_mask():
    arrays = preprocessor(special=False)(["", "  "])
    assert (arrays["input_ids"].tolist(), arrays["attention_mask"].tolist()) == ([[0], [0]], [[1], [1]])


def test_no_texts_give_arrays_without_rows():
    assert preprocessor()([])["input_ids"].shape == (0, 1)


def test_what_is_not_a_string_is_refused_with_its_position():
    for wrong in (None, 3, b"red", ["red"], float("nan")):
        with pytest.raises(InputError, match="Input 1 "):
            preprocessor()(["red", wrong])


def test_one_string_instead_of_a_list_is_refused():
    with pytest.raises(InputError, match="list"):
        preprocessor()("red")


def test_numpy_strings_are_texts():
    assert preprocessor()(np.array(["red"]))["input_ids"].tolist() == [[2, 4, 3]]


def test_a_lone_surrogate_counts_as_the_replacement_character():
    batch = preprocessor()(["red \ud800", "red \ufffd"])["input_ids"]
    assert batch[0].tolist() == batch[1].tolist()


def test_of_ten_megabytes_of_words_the_tokenizer_sees_the_first_characters_only(monkeypatch: pytest.MonkeyPatch):
    convert, seen = preprocessor(max_length=128), []
    whole = convert._tokenizer

    class Watched:
        encode_batch_fast = whole.encode_batch_fast

        def encode_batch(self, texts: list[str]) -> object:
            seen.extend(map(len, texts))
            return whole.encode_batch(texts)

    monkeypatch.setattr(convert, "_tokenizer", Watched())
    assert convert(["red " * 2_500_000])["input_ids"].shape == (1, 128)
    assert seen == [64 * 128]


@pytest.mark.parametrize(
    "filler", [" " * 30_000, "a" * 3_000 + " ", "\u0301" * 5_000 + "\n", "red " + "b" * 2_500 + " "]
)
@pytest.mark.parametrize("times", [1, 2])
def test_what_gives_few_tokens_hides_nothing_behind_it(filler: str, times: int):
    text = filler * times + "green blue"
    plain = Tokenizer.from_str(tokenizer_json())
    plain.enable_truncation(32)
    convert = preprocessor(max_length=32)
    arrays, [context] = convert.with_contexts([text])
    assert plain.encode(text).ids == arrays["input_ids"][0].tolist() == convert([text])["input_ids"][0].tolist()
    assert context.text == text
    assert [text[begin:end] for begin, end in context.offsets[-3:-1].tolist()] == ["green", "blue"]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("filler", [" ", "\n", "\u0301", "red", "a\u0301", "\u200b"])
def test_a_word_that_the_first_cut_would_tear_gives_its_own_tokens(side: str, filler: str):
    spec = TextSpec(max_length=8, tokenizer=letters_json(), truncation_side=side)
    whole = Tokenizer.from_str(spec.tokenizer)
    whole.enable_truncation(8, direction=side)
    for size in (*range(4070, 4100), 8190, 9000):
        for text in (f"reds,blue,{filler * size}lindqvist,red", f"red,lindqvist{filler * size},reds,blue"):
            assert preprocess(spec, text) == whole.encode(text).ids, (size, text[:20])


@given(st.text("re ds,\u0301\u200bİΣ\n", max_size=60), st.sampled_from(["left", "right"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_tokens_and_places_of_a_long_text_are_those_of_the_whole(text: str, side: str, lowercase: bool):
    text *= 200
    spec = TextSpec(max_length=8, tokenizer=letters_json(), truncation_side=side, lowercase=lowercase)
    whole = Tokenizer.from_str(spec.tokenizer)
    whole.enable_truncation(8, direction=side)
    encoding = whole.encode(text.lower() if lowercase else text)
    arrays, [context] = TextPreprocessor(spec).with_contexts([text])
    assert arrays["input_ids"][0].tolist() == encoding.ids
    if not lowercase:
        kept = [text[begin:end].strip() for begin, end in encoding.offsets]
        assert [text[begin:end] for begin, end in context.offsets.tolist()] == kept


def test_a_text_is_lowered_before_special_tokens_are_looked_for():
    spec = TextSpec(max_length=16, tokenizer=letters_json(), lowercase=True)
    plain = Tokenizer.from_str(spec.tokenizer)
    text = "RED Blues [SEP] ΑΣ İred"
    arrays, [context] = TextPreprocessor(spec).with_contexts([text])
    assert arrays["input_ids"][0].tolist() == plain.encode(text.lower()).ids
    shown = [text[begin:end] for begin, end in context.offsets.tolist()]
    assert shown[1:4] == ["RED", "Blue", "s"]
    assert [text[begin:end] for begin, end in TextPreprocessor(spec).spans(text, 4)] == [text]


def preprocess(spec: TextSpec, text: str) -> list[int]:
    ids: list[int] = TextPreprocessor(spec)([text])["input_ids"][0].tolist()
    return ids


def test_cutting_the_characters_first_changes_nothing_for_text_of_words():
    text = "red greens blue, " * 5_000
    plain = Tokenizer.from_str(tokenizer_json())
    plain.enable_truncation(64)
    assert plain.encode(text).ids == preprocessor(max_length=64)([text])["input_ids"][0].tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(codec=None), max_size=40), min_size=1, max_size=5))
def test_any_text_gives_the_same_row_alone_and_in_a_batch(texts: list[str]):
    convert = preprocessor()
    batch = convert(texts)
    for text, ids, mask in zip(texts, batch["input_ids"], batch["attention_mask"], strict=True):
        alone = convert([text])["input_ids"][0].tolist()
        assert alone == ids[mask == 1].tolist()
        assert 1 <= len(alone) <= 8


@pytest.mark.parametrize("broken", ["", "{", "{}", "null", json.dumps({"version": "1.0", "model": {"type": "No"}})])
def test_a_missing_or_broken_tokenizer_is_named(broken: str):
    with pytest.raises(ArtifactError, match="tokenizer") as caught:
        make_preprocessor(TextSpec(max_length=8, tokenizer=broken))
    assert caught.value.hint


def test_a_max_length_without_room_for_a_token_is_refused():
    with pytest.raises(ArtifactError, match="2 special tokens") as refused:
        preprocessor(max_length=2)
    assert refused.value.hint == "Give `preprocess={'max_length': 3}` or more."
    assert refused.value.parameter == "preprocess"


@pytest.mark.parametrize("unknown", ["[UNK]", "<none>"])
def test_a_word_that_a_vocabulary_without_its_unknown_word_lacks_is_an_error_of_its_text(unknown: str):
    tokenizer = Tokenizer(models.WordLevel({"red": 0, "green": 1}, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    prepare = TextPreprocessor(TextSpec(max_length=8, tokenizer=str(tokenizer.to_str())))
    assert prepare(["red green", "red"])["input_ids"].tolist() == [[0, 1], [0, 0]]
    for run in (prepare, prepare.with_contexts):
        with pytest.raises(InputError, match=r"Input 1 cannot be split into tokens: .*UNK") as error:
            run(["red green", "red violet"])
        assert error.value.hint
    with pytest.raises(InputError, match="cannot be split into tokens"):
        prepare.spans("red violet " * 20, 4)


def broken(**changed: object) -> TextSpec:
    """A tokenizer.json that contradicts itself, over which the library panics."""
    return TextSpec(max_length=8, tokenizer=json.dumps({**json.loads(tokenizer_json()), **changed}))


def test_a_panic_of_the_library_is_an_error_of_the_text_or_of_the_tokenizer():
    template = {**json.loads(tokenizer_json())["post_processor"], "special_tokens": {}}
    with pytest.raises(ArtifactError, match="The embedded tokenizer cannot be read: "):
        TextPreprocessor(broken(post_processor=template))
    with pytest.raises(ArtifactError, match="The embedded tokenizer cannot be read: "):
        TextPreprocessor(broken(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}))
