"""Checkpoints that no registry lists: the plugins that declare an id's first part describe them."""

from __future__ import annotations

import json
import re

from tlzoo.errors import HookError, PluginError, RegistryError, TlzooError, UnknownCheckpoint
from tlzoo.interfaces import Repository
from tlzoo.io.entry_points import declared_entries, is_enabled
from tlzoo.io.network.offline import network_is_off
from tlzoo.plugins.discovery import PREFIX_GROUP, find
from tlzoo.plugins.manager import call
from tlzoo.registry.files import warn_once
from tlzoo.registry.schema import Checkpoint, FileSource

HUB = "hf"
_ID = re.compile(r"[a-z0-9][a-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){1,2}")
_SPELLED = re.compile(
    r"(?:(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/|hf(?:-hub)?:(?://)?|hf/)"
    r"(?P<name>[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?)"
    r"(?:@(?P<revision>[^?#]+)|/(?:tree|commit)/(?P<commit>[^/?#]+))?(?:[/?#:].*)?"
)
"""A hub repository as people name it: by its address, by other libraries' prefixes, with a revision."""
_COMMIT = re.compile("[0-9a-f]{40}")
_WEIGHTS = re.compile(r"(model|pytorch_model)[^/]*\.(safetensors|bin)")


def resolve(id: str, offline: bool | None = None) -> Checkpoint | None:
    """The entry of an id that no registry lists, from the first plugin by name that knows it; `None`: none is asked.

    Of `hf/<org>/<name>` the plugins are handed the hub repository, fetched once and then remembered in the cache;
    `offline=None` follows TLZOO_OFFLINE and HF_HUB_OFFLINE. A broken plugin is a warning while another answers.
    Raises Offline and SourceError where the hub cannot be asked, UnknownCheckpoint where it has no such repository, no
    plugin builds what is in it, or the id is another spelling of a repository's, RegistryError for a repository that
    holds no network, HookError for an answer that is not an entry of this id, and what a plugin raises to refuse a
    checkpoint.
    """
    prefix = id.partition("/")[0]
    if not _ID.fullmatch(id):
        _check_spelling(id)
        return None
    names = plugins_for(prefix)
    if not names:
        return None
    repository = _repository(id, offline) if prefix == HUB else None
    if repository is not None:
        _check_kind(id, repository)
    refused: list[TlzooError] = []
    for name in names:
        try:
            answer = _ask(name, id, repository)
        except TlzooError as error:
            refused.append(error)
            if isinstance(error, PluginError):
                warn_once(str(error))
            continue
        if answer is not None:
            return answer
    if refused:  # a reason to refuse says more than a broken plugin
        raise min(refused, key=lambda refusal: isinstance(refusal, PluginError))
    if repository is None:
        return None
    if "auto_map" in repository.documents.get("config.json", {}):
        raise UnknownCheckpoint(
            f"{id} needs its own code for model_type {_kind(repository)!r}; code from a repository is never run.",
            hint="Choose a model type that transformers includes, or install a plugin that builds it.",
        )
    raise UnknownCheckpoint(
        f"No plugin ({', '.join(names)}) builds {id}: its model_type is {_kind(repository)!r}.",
        hint="Choose a text encoder, a picture or a speech model, or install a plugin that builds it.",
    )


def _check_spelling(id: str) -> None:
    """Raise UnknownCheckpoint, with the id to use, for another spelling of a hub repository's id."""
    found = _SPELLED.fullmatch(id)
    if found is None:
        return
    name, revision = found["name"], found["revision"] or found["commit"]
    if revision is None:
        raise UnknownCheckpoint(f"{id} is not how a repository of the hub is named.", hint=f"Use {HUB}/{name}.")
    commit = revision if _COMMIT.fullmatch(revision) else "COMMIT (40 hex digits)"
    lock = {"version": 1, "hub": {name: {"revision": commit, "files": {}}}}
    raise UnknownCheckpoint(
        f"{id} names a revision, {revision}; the id of a checkpoint has none.",
        hint=f"Use {HUB}/{name}: its newest commit is pinned in tlzoo.lock on first use. To use another, give it there "
        f"before that: {json.dumps(lock)}",
    )


def _check_kind(id: str, repository: Repository) -> None:
    """Raise RegistryError for a repository that holds something else than a network, with what to use instead."""
    if any(_WEIGHTS.fullmatch(name) for name in repository.sizes):
        return
    if "adapter_config.json" in repository.sizes:
        adapter = repository.documents.get("adapter_config.json", {})
        base = adapter.get("base_model_name_or_path") or adapter.get("model_name")
        usable = isinstance(base, str) and _ID.fullmatch(f"{HUB}/{base}")
        raise RegistryError(
            f"{id} is an adapter ({adapter.get('peft_type') or 'PEFT'}) of {base or 'another network'}, "
            "not a whole network.",
            hint=(f"Use {HUB}/{base}, or a" if usable else "Use a")
            + " repository into which it was merged (PEFT's merge_and_unload, then save_pretrained).",
        )
    if "model_index.json" in repository.sizes:
        raise RegistryError(
            f"{id} is a pipeline of several networks (diffusers), not one.", hint="Choose another checkpoint."
        )
    if any(name.endswith(".gguf") for name in repository.sizes):
        raise RegistryError(
            f"{id} holds its weights as GGUF, which is quantised for llama.cpp.",
            hint="Use the repository it was converted from.",
        )


def plugins_for(prefix: str) -> list[str]:
    """The plugins that may know ids with this first part, by name; read from metadata, nothing is imported."""
    own = {plugin.name for plugin in declared_entries("tlzoo") if plugin.name == prefix}
    found = own | {prefixed.value for prefixed in declared_entries(PREFIX_GROUP) if prefixed.name == prefix}
    return sorted(filter(is_enabled, found))


def _repository(id: str, offline: bool | None) -> Repository:
    from tlzoo.weights.hub_repository import describe

    return describe(id.partition("/")[2], network_is_off() if offline is None else offline)


def _ask(name: str, id: str, repository: Repository | None) -> Checkpoint | None:
    """One plugin's answer, checked."""

    def nobody(**_: object) -> Checkpoint | None:
        return None

    answer = call("resolve_checkpoint", name, (Checkpoint,), default=nobody, id=id, repository=repository)
    if answer is None:
        return None
    wrong = None
    if answer.id != id:
        wrong = f"an entry of id {answer.id!r}"
    elif answer.plugin != name:
        wrong = f"an entry that plugin {answer.plugin!r} builds; set builder={name!r}"
    elif isinstance(answer.source, FileSource):
        wrong = "an entry that names local files"
    if wrong:
        raise HookError(
            f"Hook 'resolve_checkpoint' of plugin {name!r} ({find(name)}), asked for {id!r}, returned {wrong}.",
            hint="Report it to its author, or choose another checkpoint.",
        )
    return answer


def _kind(repository: Repository) -> str:
    config = repository.documents.get("config.json", {})
    named = config.get("model_type") or config.get("architecture") or "unknown (no config.json that can be read)"
    return str(named)[:80]
