"""Ids that no registry lists: who is asked, what is remembered, and a repository of a hub used from end to end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tlzoo
from tlzoo import plugins
from tlzoo.errors import HookError, Offline, RegistryError, UnknownCheckpoint
from tlzoo.plugins import resolve
from tlzoo.weights import hub_repository

pytestmark = pytest.mark.usefixtures("cache")

REPO = "tiny/net"
COMMIT = "a" * 40
ENTRY = """
from tlzoo import hookimpl
from tlzoo.registry.schema import Checkpoint

ENTRY = {{
    "id": "own/x", "builder": "{name}", "architecture": "x", "tasks": ["image-classification"], "parameters": 1,
    "source": {{"kind": "hub", "repo": "own/x", "files": [{{"path": "x"}}]}}, "feature_dim": 1,
    "preprocess": {{"kind": "text", "max_length": 8}},
}}

@hookimpl
def resolve_checkpoint(id, repository):
    {answer}
"""
FILE = '{"kind": "file", "files": [{"path": "/x", "sha256": "0" * 64, "size": 1}]}'


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Installs plugins that declare the prefix `own`: `declare(name, answer)`."""
    names: list[str] = []

    def install(name: str, answer: str) -> None:
        site = tmp_path / f"site-{name}"
        info = site / f"tlzoo_{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (site / f"tlzoo_{name}.py").write_text(ENTRY.format(name=name, answer=answer))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tlzoo-{name}\nVersion: 1.0\n")
        groups = f"[tlzoo]\n{name} = tlzoo_{name}\n[tlzoo.prefixes]\nown = {name}\n"
        (info / "entry_points.txt").write_text(groups)
        monkeypatch.syspath_prepend(site)
        names.append(name)

    plugins.import_plugin.cache_clear()
    yield install
    plugins.import_plugin.cache_clear()
    for name in names:
        sys.modules.pop(f"tlzoo_{name}", None)


def test_an_id_whose_first_part_nobody_declares_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "import_plugin", None)  # a call would be a TypeError
    for id in ("nobody/x", "hf", "hf/", "hf/../x/y", "HF/a/b", "hf/a b", "hf/a\0b"):
        assert resolve.resolve(id) is None


def test_a_plugin_describes_the_ids_of_a_prefix_that_it_declares(declare: Any) -> None:
    declare("one", "return Checkpoint.model_validate(ENTRY)")
    found = resolve.resolve("own/x")
    assert found is not None
    assert (found.id, found.plugin) == ("own/x", "one")
    assert tlzoo.registry.get("own/x") == found


def test_an_id_that_the_plugins_do_not_know_is_unknown(declare: Any) -> None:
    declare("one", "return None")
    assert resolve.resolve("own/x") is None
    with pytest.raises(UnknownCheckpoint):
        tlzoo.registry.get("own/x")


def test_a_plugin_without_the_hook_does_not_know(toy: Any) -> None:
    toy()
    assert resolve.resolve("toy/other") is None


def test_a_broken_plugin_is_a_warning_while_another_answers(declare: Any) -> None:
    declare("broken", "raise OSError('no disk')")
    declare("fine", "return Checkpoint.model_validate(ENTRY)")
    resolve.warn_once.__globals__["_warned"].clear()
    with pytest.warns(RuntimeWarning, match=r"tlzoo-broken 1\.0.*no disk"):
        found = resolve.resolve("own/x")
    assert found is not None
    assert found.plugin == "fine"


def test_a_plugin_that_tlzoo_plugins_leaves_out_is_not_asked(declare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    declare("one", "return Checkpoint.model_validate(ENTRY)")
    monkeypatch.setenv("TLZOO_PLUGINS", "vision")
    assert resolve.plugins_for("own") == []


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ("return Checkpoint.model_validate({**ENTRY, 'id': 'own/y'})", "own/y"),
        ("return Checkpoint.model_validate({**ENTRY, 'builder': 'vision'})", "vision"),
        (f"return Checkpoint.model_validate({{**ENTRY, 'source': {FILE}}})", "local files"),
        ("return ENTRY", "dict"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_wrong_answer_names_plugin_and_version(declare: Any, answer: str, cause: str) -> None:
    declare("one", answer)
    with pytest.raises(HookError, match=cause) as caught:
        resolve.resolve("own/x")
    assert "'one' (tlzoo-one 1.0)" in caught.value.message


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_refusal_says_more_than_a_broken_plugin(declare: Any) -> None:
    declare("broken", "raise OSError('no disk')")
    declare("refusing", "from tlzoo.errors import RegistryError; raise RegistryError('too odd.')")
    with pytest.raises(RegistryError, match="too odd"):
        resolve.resolve("own/x")


@pytest.fixture
def described(hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A hub with one repository of small files, and nothing cached."""
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TLZOO_LOCK", str(tmp_path / "tlzoo.lock"))
    hub.repositories[REPO] = {
        "config.json": b'{"model_type": "no-such"}',
        "model.safetensors": b"weights",
        "broken.json": b"{",
        "list.json": b"[1]",
        "tokenizer.json": b"{}",
        "huge.json": b'{"a": "' + b"x" * hub_repository.MAX_DOCUMENT_BYTES + b'"}',
        "1_Pooling/config.json": b"{}",
    }
    hub.large = {"model.safetensors"}
    hub.cards = {REPO: {"cardData": {"license": "apache-2.0", "language": ["en", "multilingual"]}, "tags": ["a", "b"]}}
    return hub


def test_a_repository_is_described_by_its_listing_card_and_small_documents(described: Any) -> None:
    found = hub_repository.describe(REPO, offline=False)
    assert found.documents == {"config.json": {"model_type": "no-such"}}
    assert (found.revision, found.license, found.languages, found.tags) == (COMMIT, "Apache-2.0", ("en",), ("a", "b"))
    assert found.sizes["model.safetensors"] == 7
    assert set(found.sha256) == {"model.safetensors"}
    assert not any("GET" in asked and ("huge" in asked or "safetensors" in asked) for asked in described.requests)


def test_a_description_is_remembered_and_then_needs_no_network(described: Any) -> None:
    first = hub_repository.describe(REPO, offline=False)
    described.requests.clear()
    assert hub_repository.describe(REPO, offline=True) == first
    assert described.requests == []


def test_a_torn_memory_is_asked_for_again(described: Any, tmp_path: Path) -> None:
    first = hub_repository.describe(REPO, offline=False)
    (memory,) = (tmp_path / "cache" / "resolved").iterdir()
    memory.write_bytes(memory.read_bytes()[:50])
    with pytest.raises(Offline):
        hub_repository.describe(REPO, offline=True)
    assert hub_repository.describe(REPO, offline=False) == first


def test_offline_and_not_remembered_says_what_to_type(described: Any) -> None:
    with pytest.raises(Offline) as caught:
        resolve.resolve(f"hf/{REPO}", offline=True)
    assert f"tlzoo pull hf/{REPO}" in caught.value.hint
    assert described.requests == []


def test_the_commit_in_the_lock_is_the_one_described(described: Any, tmp_path: Path) -> None:
    other = "b" * 40
    locked = {f"{REPO}@{other}": {"revision": other, "files": {}}}
    (tmp_path / "tlzoo.lock").write_text(json.dumps({"version": 1, "hub": locked}))
    with pytest.raises(UnknownCheckpoint):  # this hub has no such commit
        hub_repository.describe(REPO, offline=False)
    assert any(f"/revision/{other}" in asked for asked in described.requests)


def test_a_repository_that_no_plugin_builds_is_refused_with_its_type(described: Any) -> None:
    with pytest.raises(UnknownCheckpoint, match="no-such"):
        resolve.resolve(f"hf/{REPO}")


def test_code_in_a_repository_is_never_run(described: Any) -> None:
    described.repositories[REPO]["config.json"] = b'{"model_type": "no-such", "auto_map": {"AutoModel": "x.Y"}}'
    with pytest.raises(UnknownCheckpoint, match="code"):
        resolve.resolve(f"hf/{REPO}")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"adapter_config.json": b'{"peft_type": "LORA", "base_model_name_or_path": "org/base"}'},
            ("adapter", "LORA", "org/base", "hf/org/base"),
        ),
        ({"adapter_config.json": b'{"base_model_name_or_path": "/mnt/x"}'}, ("adapter", "/mnt/x", "merge_and_unload")),
        ({"adapter_config.json": b"{", "adapter_model.safetensors": b"x"}, ("adapter", "another network")),
        ({"model_index.json": b"{}"}, ("diffusers",)),
        ({"net-q4.gguf": b"x"}, ("GGUF",)),
    ],
)
def test_what_is_no_network_is_named_for_what_it_is(
    described: Any, files: dict[str, bytes], words: tuple[str, ...]
) -> None:
    described.repositories[REPO] = {"config.json": b'{"model_type": "bert"}', **files}
    with pytest.raises(RegistryError) as caught:
        resolve.resolve(f"hf/{REPO}")
    assert caught.value.hint
    assert all(word in f"{caught.value.message} {caught.value.hint}" for word in words), caught.value


@pytest.mark.parametrize(
    ("id", "use"),
    [
        ("hf/org/name@v1.0", "hf/org/name"),
        ("hf/org/name@refs/pr/1", "hf/org/name"),
        (f"hf/org/name@{'b' * 40}", "hf/org/name"),
        ("https://huggingface.co/org/name/tree/main", "hf/org/name"),
        ("huggingface.co/org/name", "hf/org/name"),
        ("https://hf.co/org/name?library=x", "hf/org/name"),
        ("hf-hub:org/name", "hf/org/name"),
        ("hf://org/name", "hf/org/name"),
        ("hf/org/name/resolve/main/model.safetensors", "hf/org/name"),
        ("hf/org/name/more", "hf/org/name"),
    ],
)
def test_another_spelling_of_a_repository_names_the_id_to_use(id: str, use: str) -> None:
    with pytest.raises(UnknownCheckpoint) as caught:
        tlzoo.registry.get(id)
    assert f"Use {use}" in caught.value.hint
    assert ("tlzoo.lock" in caught.value.hint) == ("@" in id or "/tree/" in id)


def test_a_commit_that_the_lock_file_is_given_by_hand_is_used(described: Any, tmp_path: Path) -> None:
    with pytest.raises(UnknownCheckpoint) as caught:
        resolve.resolve(f"hf/{REPO}@{COMMIT}")
    written = caught.value.hint.partition("{")[1] + caught.value.hint.partition("{")[2]
    (tmp_path / "tlzoo.lock").write_text(written)
    assert hub_repository.describe(REPO, offline=False).revision == COMMIT
    assert any(f"/revision/{COMMIT}" in asked for asked in described.requests)


@pytest.mark.parametrize("repo", ["tiny/absent", "tiny/gated"])
def test_a_repository_that_the_hub_does_not_show_is_unknown(described: Any, repo: str) -> None:
    described.gated = {"tiny/gated"}
    with pytest.raises(UnknownCheckpoint, match=repo) as caught:
        resolve.resolve(f"hf/{repo}")
    assert "HF_TOKEN" in caught.value.hint


def test_no_hub_at_all_is_offline(described: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Offline, match=REPO):
        resolve.resolve(f"hf/{REPO}")


@pytest.mark.parametrize(
    ("hubs", "expected"),
    [("apache-2.0", "Apache-2.0"), ("mit", "MIT"), ("cc-by-nc-4.0", "CC-BY-NC-4.0"), ("gpl-3.0", "GPL-3.0-only")]
    + [(unsure, None) for unsure in ("other", "openrail", "llama3", "unknown", "cc", "", None)],
)
def test_only_licences_that_are_certain_become_spdx(hubs: str | None, expected: str | None) -> None:
    assert hub_repository.spdx(hubs) == expected


def test_a_repository_of_a_hub_trains_and_its_run_is_rebuilt_without_network(
    shared_zoo: Any, described: Any, texts: Path, command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TLZOO_OFFLINE")
    folder = shared_zoo.folder / "weights" / "bert"
    described.repositories[REPO] = {path.name: path.read_bytes() for path in folder.iterdir()}
    shown = command("models", "show", f"hf/{REPO}", "--json")
    document = json.loads(shown.out)
    assert (document["license"], document["plugin"], document["architecture"]) == ("Apache-2.0", "nlp", "bert")
    assert document["feature_dim"] == 32
    assert document["source"]["revision"] == COMMIT
    run = tlzoo.finetune(f"hf/{REPO}", texts, out=tmp_path / "run", strategy="probe")
    described.repositories.clear()
    monkeypatch.setenv("TLZOO_OFFLINE", "1")
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "empty"))
    rebuilt = tlzoo.Run.load(tmp_path / "run")
    assert rebuilt.checkpoint.id == f"hf/{REPO}"
    assert rebuilt.export(tmp_path / "x.onnx").path.is_file()
    assert run.checkpoint == rebuilt.checkpoint


def test_a_name_of_timm_is_resolved_offline_and_its_weights_come_from_the_hub(
    described: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import timm
    import torch
    from safetensors.torch import save_file

    from tlzoo.models.model import load_backbone
    from tlzoo.weights.fetch import fetch

    id = "timm/test_vit.r160_in1k"
    monkeypatch.setenv("TLZOO_OFFLINE", "1")
    found = tlzoo.registry.get(id)
    assert described.requests == []
    with pytest.raises(Offline, match=id):
        fetch(found)
    monkeypatch.setenv("TLZOO_OFFLINE", "0")
    net = timm.create_model("test_vit.r160_in1k")
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    described.repositories[id] = {"model.safetensors": (tmp_path / "model.safetensors").read_bytes()}
    state = load_backbone(found, fetch(found)).module.state_dict()
    assert torch.equal(state["net.pos_embed"], net.state_dict()["pos_embed"])
    assert fetch(found, offline=True).files.keys() == {"model.safetensors"}
