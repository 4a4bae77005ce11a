"""What hooks are given and return: a hub's repository by its files and its card, and the stages of a backbone."""

from __future__ import annotations

from typing import Any

import pytest

from tlzoo.errors import RegistryError
from tlzoo.interfaces import Repository, Stage

INDEX = "model.safetensors.index.json"


def repository(
    sizes: dict[str, int], sha256: tuple[str, ...] = (), tags: tuple[str, ...] = (), **documents: Any
) -> Any:
    named = {name.replace("__", ".") + ".json": document for name, document in documents.items()}
    return Repository("tiny/net", "a" * 40, sizes, dict.fromkeys(sha256, "0" * 64), named, None, (), tags)


def shards(*names: str) -> dict[str, Any]:
    return {"model__safetensors__index": {"weight_map": {str(place): name for place, name in enumerate(names)}}}


@pytest.mark.parametrize(
    ("given", "files"),
    [
        (repository({"model.safetensors": 9, "pytorch_model.bin": 9}), ("model.safetensors",)),
        (repository({"model.safetensors": 9, "b": 1, INDEX: 1}, **shards("b")), ("model.safetensors",)),
        (repository({"b": 1, "a": 1, INDEX: 1}, **shards("b", "a", "b")), (INDEX, "a", "b")),
        (repository({"pytorch_model.bin": 9}, ("pytorch_model.bin",)), ("pytorch_model.bin",)),
        (
            repository({"b": 1, "pytorch_model.bin": 9}, ("pytorch_model.bin",), **shards("b", "gone")),
            ("pytorch_model.bin",),
        ),
    ],
)
def test_weights_are_safetensors_before_shards_before_a_pinned_pickle(given: Repository, files: tuple[str, ...]):
    assert given.weights() == files


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (repository({"model.safetensors": 9}, config={"quantization_config": {}}), "The weights of tiny/net are quan"),
        (repository({}), "tiny/net holds no weights that tlzoo reads: it is empty."),
        (repository({"pytorch_model.bin": 9}), "tiny/net holds no weights that tlzoo reads: pytorch_model.bin."),
        (repository({INDEX: 1}, **shards()), f"tiny/net holds no weights that tlzoo reads: {INDEX}."),
        (
            repository(dict.fromkeys("jihgfedcba", 1)),
            "tiny/net holds no weights that tlzoo reads: a, b, c, d, e, f, g, h.",
        ),
    ],
)
def test_weights_that_cannot_be_used_are_named(given: Repository, message: str):
    with pytest.raises(RegistryError) as error:
        given.weights()
    assert error.value.message.startswith(message)
    assert error.value.hint


def test_a_source_pins_what_the_hub_says():
    given = repository({"a": 5, "b": 0, "c": 7}, ("a",))
    assert given.source(["b", "a", "b"]) == {
        "kind": "hub",
        "repo": "tiny/net",
        "revision": "a" * 40,
        "files": [{"path": "b", "sha256": None, "size": None}, {"path": "a", "sha256": "0" * 64, "size": 5}],
    }


def test_a_card_names_data_sets_and_one_paper():
    tags = ("dataset:owner/set", "pytorch", "arxiv:2106.1", "dataset:c4", "region:us")
    given = repository({}, tags=tags)
    assert (given.datasets, given.paper) == (("owner/set", "c4"), "https://arxiv.org/abs/2106.1")
    assert (repository({}).datasets, repository({}).paper) == ((), None)
    assert repository({}, tags=("arxiv:1.2", "arxiv:1.3")).paper is None


@pytest.mark.parametrize(
    ("parameter", "owned"),
    [("stem", True), ("stem.weight", True), ("stem2.weight", False), ("blocks.1.weight", True), ("blocks.10.w", False)],
)
def test_a_stage_owns_what_is_named_as_its_prefixes_or_below_them(parameter: str, owned: bool):
    assert Stage("first", ("stem", "blocks.1")).owns(parameter) is owned
