"""Reading a weights folder: complete or refused, whatever its form, with its tokenizer and without the network."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from safetensors.torch import save_file
from tlzoo_nlp.plugin import load_backbone
from transformers import AutoConfig, AutoModel

from tlzoo import Backbone, Weights
from tlzoo.errors import InputError, RegistryError, SourceError
from tlzoo.models.model import load_backbone as load_checked
from tlzoo.preprocess import make_preprocessor
from tlzoo.registry.schema import Checkpoint, FileSource, LocalFile, Member, PypiSource
from tlzoo.specs import TextSpec

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "green", "blue", "##s"]
CONFIG = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 20,
    "vocab_size": len(WORDS),
    "max_position_embeddings": 32,
}
CHECKPOINT = Checkpoint(
    id="nlp/tiny",
    architecture="bert",
    source=PypiSource(
        project="x", version="1", archive="x-1.tar.gz", members=(Member(path="x-1/x", sha256="0" * 64, size=1),)
    ),
    tasks=("text-classification",),
    parameters=1,
    feature_dim=16,
    preprocess=TextSpec(max_length=16, pad_id=7),
)
State = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def state() -> State:
    torch.manual_seed(1)
    return dict(AutoModel.from_config(AutoConfig.for_model("bert", **CONFIG)).state_dict())


def folder_of(folder: Path, state: State, *, pickled: bool = False) -> Weights:
    AutoConfig.for_model("bert", **CONFIG).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    if pickled:
        torch.save(state, folder / "pytorch_model.bin")
    else:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "model.safetensors")
    return listed(folder)


def listed(folder: Path) -> Weights:
    return Weights(folder, {path.name: path for path in folder.iterdir()})


def load(weights: Weights) -> Backbone:
    """The encoder of an entry that pins these files as they are."""
    files = [(path, path.read_bytes()) for path in weights.files.values()]
    pins = [LocalFile(path=str(path), sha256=sha256(content).hexdigest(), size=len(content)) for path, content in files]
    checkpoint = CHECKPOINT.model_copy(update={"source": FileSource(files=tuple(pins))})
    return load_backbone(checkpoint, weights, "vector")


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name,
        lambda name: f"bert.{name}",
        lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
    ],
    ids=["bare", "prefixed", "old names"],
)
def test_every_weight_arrives_whatever_its_form(
    tmp_path: Path, state: State, rename: Callable[[str], str], pickled: bool
):
    heads = {"cls.predictions.bias": torch.zeros(9), "lm_head.weight": torch.zeros(9, 16)}
    weights = folder_of(tmp_path, {**{rename(name): t for name, t in state.items()}, **heads}, pickled=pickled)
    loaded = load(weights).module.state_dict()
    assert {f"network.{name}" for name in state if "pooler" not in name} == set(loaded)
    assert all(torch.equal(tensor, state[name.removeprefix("network.")]) for name, tensor in loaded.items())


def test_half_precision_weights_are_widened(tmp_path: Path, state: State):
    weights = folder_of(tmp_path, {name: tensor.half() for name, tensor in state.items()})
    assert {torch.float32} == {parameter.dtype for parameter in load(weights).module.parameters()}


def without(state: State, part: str) -> State:
    return {name: tensor for name, tensor in state.items() if part not in name}


def with_third_layer(state: State) -> State:
    return state | {name.replace("layer.1.", "layer.2."): t.clone() for name, t in state.items() if "layer.1." in name}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda state: without(state, "layer.1.attention.self.query.weight"), "layer.1.attention.self.query.weight"),
        (with_third_layer, "encoder.layer.2."),
        (lambda s: s | {"embeddings.word_embeddings.weight": torch.zeros(3, 16)}, "embeddings.word_embeddings.weight"),
    ],
    ids=["missing", "surplus layer", "wrong shape"],
)
def test_weights_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, state: State, change: Callable[[State], State], name: str
):
    with pytest.raises(SourceError, match="nlp/tiny") as caught:
        load(folder_of(tmp_path, change(state)))
    assert name in caught.value.message
    assert "\n" not in str(caught.value)


class Exploit:
    """Unpickling it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_pickle_that_holds_more_than_tensors_is_refused_and_not_run(tmp_path: Path, state: State):
    mark = tmp_path / "executed"
    folder = tmp_path / "weights"
    folder.mkdir()
    weights = folder_of(folder, {**state, "exploit": Exploit(mark)}, pickled=True)  # type: ignore[dict-item]
    with pytest.raises(SourceError):
        load(weights)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_torn_file_is_an_error_of_the_source(tmp_path: Path, state: State, name: str):
    weights = folder_of(tmp_path, state)
    weights.files[name].write_bytes(weights.files[name].read_bytes()[:50])
    with pytest.raises(SourceError, match="nlp/tiny") as caught:
        load(weights)
    assert "\n" not in str(caught.value)


def test_a_configuration_of_another_architecture_is_refused(tmp_path: Path, state: State):
    weights = folder_of(tmp_path, state)
    AutoConfig.for_model("distilbert").save_pretrained(tmp_path)
    with pytest.raises(SourceError, match="distilbert"):
        load(weights)


def test_code_that_comes_with_weights_is_not_run(tmp_path: Path, state: State):
    weights = folder_of(tmp_path, state)
    config = json.loads(weights.files["config.json"].read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    weights.files["config.json"].write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n")
    load(listed(tmp_path))
    assert not (tmp_path / "executed").exists()


def test_loading_prints_nothing(tmp_path: Path, state: State, capfd: pytest.CaptureFixture[str]):
    load(folder_of(tmp_path, state))
    assert capfd.readouterr() == ("", "")


def test_a_vocabulary_becomes_the_embedded_tokenizer(tmp_path: Path, state: State):
    spec = load(folder_of(tmp_path, state)).preprocess
    assert isinstance(spec, TextSpec)
    assert (spec.max_length, spec.pad_id) == (16, 0)
    assert make_preprocessor(spec)(["Red greens", "?"])["input_ids"].tolist() == [[2, 5, 6, 8, 3], [2, 1, 3, 0, 0]]


def test_a_tokenizer_file_is_embedded_as_it_stands(tmp_path: Path, state: State):
    text = load(folder_of(tmp_path, state)).preprocess.tokenizer  # type: ignore[union-attr]
    (tmp_path / "vocab.txt").unlink()
    (tmp_path / "tokenizer.json").write_text(text + "\n")
    assert text + "\n" == load(listed(tmp_path)).preprocess.tokenizer  # type: ignore[union-attr]


def test_the_pad_token_that_the_tokenizer_declares_wins(tmp_path: Path, state: State):
    folder_of(tmp_path, state)
    (tmp_path / "tokenizer_config.json").write_text('{"pad_token": "[MASK]", "tokenizer_class": "BertTokenizer"}')
    assert load(listed(tmp_path)).preprocess.pad_id == 4  # type: ignore[union-attr]


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path, state: State):
    folder_of(tmp_path, state)
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(RegistryError, match="no tokenizer"):
        load(listed(tmp_path))


def test_a_sentencepiece_model_is_converted(tmp_path: Path):
    from tlzoo_nlp.tokenizer import with_tokenizer

    (tmp_path / "text").write_text("\n".join(f"the {a} fox saw {b} hounds" for a in "abcdef" for b in "uvwxyz"))
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "text"),
        model_prefix=str(tmp_path / "spm"),
        vocab_size=40,
        hard_vocab_limit=False,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        pad_piece="[PAD]",
        bos_piece="[CLS]",
        eos_piece="[SEP]",
        unk_piece="[UNK]",
        user_defined_symbols=["[MASK]"],
        minloglevel=2,
    )
    config = AutoConfig.for_model("deberta-v2", vocab_size=60)
    config.save_pretrained(tmp_path)
    spec = with_tokenizer(TextSpec(max_length=32), listed(tmp_path), config)
    plain = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "spm.model"))
    text = "the b fox saw y hounds"
    assert [1, *plain.encode(text), 2] == make_preprocessor(spec)([text])["input_ids"][0].tolist()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path: Path, state: State, value: float):
    broken = state | {"encoder.layer.1.output.dense.bias": torch.full((16,), value)}
    weights = folder_of(tmp_path, broken)
    with pytest.raises(RegistryError, match=r"nlp/tiny hold NaN or infinity in network\.encoder\.layer\.1\.output"):
        load_checked(CHECKPOINT, weights)


def test_a_text_with_a_token_that_the_network_lacks_is_an_error_of_that_text(tmp_path: Path, state: State):
    weights = folder_of(tmp_path, state)
    assert load(weights).preprocess.known_tokens is None
    (tmp_path / "vocab.txt").write_text("\n".join([*WORDS, "violet"]) + "\n")
    spec = load(listed(tmp_path)).preprocess
    assert spec.known_tokens == len(WORDS)
    prepare = make_preprocessor(spec)
    assert prepare(["red green"])["input_ids"].max() < len(WORDS)
    with pytest.raises(InputError, match="Input 1 has the token 'violet', number 9, but the network knows 9 tokens"):
        prepare(["red", "green violet"])
