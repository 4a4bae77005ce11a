"""Hub repositories of strangers: what their documents say is refused in one line, in little time, and runs nothing."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from shared_fixtures.release import every_other

from tlzoo.errors import Offline, RegistryError, SourceError, TlzooError, UnknownCheckpoint
from tlzoo.plugins import resolve

pytestmark = pytest.mark.usefixtures("cache")

REPO = "tiny/net"
BERT = {
    "model_type": "bert",
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "vocab_size": 20,
    "max_position_embeddings": 16,
}
RESNET = {"architecture": "test_resnet", "pretrained_cfg": {"input_size": [3, 32, 32]}}


def describe(hub: Any, config: Any, **card: Any) -> Any:
    """The entry of a repository with this config.json and card."""
    content = config if isinstance(config, bytes) else json.dumps(config).encode()
    hub.repositories[REPO] = {"config.json": content, "model.safetensors": b"w", "tokenizer.json": b"{}"}
    hub.cards = {REPO: card}
    return resolve.resolve(f"hf/{REPO}")


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="nested"),
        pytest.param(json.dumps(BERT).encode().replace(b": 20", b": " + b"9" * 6000), id="digits"),
        pytest.param(b"\0" * 100, id="nul"),
        pytest.param(b"[1]", id="no object"),
        pytest.param({**BERT, "x": "y" * 2**20}, id="huge"),
        pytest.param({**BERT, "model_type": "x\x1b[2J\n" * 10_000}, id="name"),
    ],
)
def test_a_configuration_that_is_none_is_an_unknown_model(hub: Any, config: Any) -> None:
    with pytest.raises(UnknownCheckpoint, match="model_type") as caught:
        describe(hub, config)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "config",
    every_other(
        [
            {**BERT, "num_hidden_layers": 10**7},
            {**BERT, "hidden_size": 10**30},
            {**BERT, "hidden_size": -8},
            {**BERT, "torch_dtype": "os.system"},
            {"architecture": "test_resnet", "pretrained_cfg": {"input_size": [3, 10**9, 10**9]}},
            {**RESNET, "num_classes": "many"},
            {"architecture": "test_resnet", "pretrained_cfg": {"license": ["mit"], "paper_ids": 5}},
            {**RESNET, "model_args": {"layers": [10**7, 1, 1, 1]}},
            {**RESNET, "model_args": {"checkpoint_path": "/etc/passwd"}},
            {**RESNET, "model_args": {"pretrained": True}},
        ]
    ),
)
def test_a_configuration_of_no_network_is_refused(hub: Any, config: Any) -> None:
    with pytest.raises(RegistryError, match=f"hf/{REPO}"):
        describe(hub, config)


def test_a_million_labels_are_not_named_one_by_one(hub: Any) -> None:
    describe(hub, BERT)  # the imports are not what is measured
    tracemalloc.start()
    assert describe(hub, {**BERT, "num_labels": 10**6}).feature_dim == 8
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_attention_that_would_be_fetched_from_a_hub_is_not(hub: Any, key: str) -> None:
    found = describe(hub, {**BERT, key: "evil/kernel"})
    assert "evil" not in found.model_dump_json()


@pytest.mark.parametrize(
    ("card", "license", "languages"),
    [
        ({"license": ["mit", "apache-2.0"]}, None, ()),
        ({"license": {"a": 1}, "language": [["en"], {"a": 1}, "x\x1b"]}, None, ()),
        ({"license": "MIT", "language": "ID"}, "MIT", ("id",)),
        ("hello", None, ()),
    ],
)
def test_an_odd_card_says_no_more_than_is_certain(hub: Any, card: Any, license: Any, languages: Any) -> None:
    found = describe(hub, BERT, cardData=card, tags=["arxiv:x\x1b", 5])
    assert (found.license, found.languages) == (license, languages)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>log in</html>",
        b"[1]",
        json.dumps({"id": REPO, "sha": "../../x", "siblings": []}).encode(),
        json.dumps({"id": REPO, "sha": "a" * 40, "siblings": [{"rfilename": "..\\x.json", "size": 5}]}).encode(),
    ],
)
def test_a_listing_that_is_none_is_not_called_a_broken_network(hub: Any, body: bytes) -> None:
    hub.answer = lambda method, path: (200, {}, body)
    with pytest.raises(TlzooError) as caught:
        resolve.resolve(f"hf/{REPO}")
    assert isinstance(caught.value, SourceError)
    assert not isinstance(caught.value, Offline)


def test_a_repository_that_was_renamed_is_found_under_its_old_name(hub: Any) -> None:
    describe(hub, BERT)
    served = hub.answer

    def answer(method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        if "old/name" in path:
            return 307, {"Location": path.replace("old/name", REPO)}, b""
        return served(method, path)  # type: ignore[no-any-return]

    hub.answer = answer
    found = resolve.resolve("hf/old/name")
    assert found is not None
    assert (found.id, found.architecture) == ("hf/old/name", "bert")
