"""The description of a hub repository: its files, its small JSON documents, its card. Kept in the cache."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError

from tlzoo.errors import Offline, SourceError, TlzooError, UnknownCheckpoint
from tlzoo.interfaces import Repository
from tlzoo.io.disk import write_errors
from tlzoo.io.files import cache_folder, read_sealed_json, temporary_folder, write_sealed_json
from tlzoo.progress import say
from tlzoo.registry import licenses
from tlzoo.registry.schema import Sha256
from tlzoo.specs import StrictModel, first_invalid
from tlzoo.weights import hub_api, lockfile

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAX_DOCUMENT_BYTES = 2**20
"""Bytes: a configuration that is larger is not one."""
_MAX_DOCUMENTS = 16
_VOCABULARIES = frozenset({"tokenizer.json", "vocab.json", "added_tokens.json"})
_SPDX_NAMES = {
    "agpl-3.0": "AGPL-3.0-only",
    "gpl-2.0": "GPL-2.0-only",
    "gpl-3.0": "GPL-3.0-only",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-3.0": "LGPL-3.0-only",
    "odbl": "ODbL-1.0",
    "pddl": "PDDL-1.0",
}
"""Where the hub's name is not SPDX's current one."""


class _CachedDescription(StrictModel):
    """A description as the cache holds it."""

    version: int = Field(default=1, ge=1, le=1)
    name: str
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    sizes: dict[str, int]
    sha256: dict[str, Sha256]
    documents: dict[str, dict[str, Any]]
    license: str | None
    languages: tuple[str, ...]
    tags: tuple[str, ...]


def describe(name: str, offline: bool) -> Repository:
    """The repository `org/name` as the cache remembers it, else as the hub describes it now.

    Where `tlzoo.lock` holds one commit of it, that commit is described. HF_ENDPOINT and HF_TOKEN are honoured. Raises
    Offline, UnknownCheckpoint where the hub has no such repository or does not show it, SourceError and WriteError.
    """
    revision = _locked_revision(name)
    known = _read(_cache_path(name, revision), name, revision) or _read(_cache_path(name, None), name, revision)
    if known is None:
        if offline:
            torn = [path for path in (_cache_path(name, revision), _cache_path(name, None)) if path.is_file()]
            if torn and read_sealed_json(torn[0]) is None:
                raise Offline(
                    f"The description of {name}, {torn[0]}, is damaged, and the network is switched off.",
                    hint=f"Fetch it again: TLZOO_OFFLINE=0 HF_HUB_OFFLINE=0 tlzoo pull hf/{name}",
                )
            raise Offline(
                f"The description of {name} is not in the cache {cache_folder()}, and the network is switched off.",
                hint=f"Fetch it first: TLZOO_OFFLINE=0 HF_HUB_OFFLINE=0 tlzoo pull hf/{name}",
            )
        say(f"No registry lists {name}: asking the hub.")
        known = _query_hub(name, revision)
        path = _cache_path(name, revision)
        with write_errors(path, hint="Choose another folder with TLZOO_CACHE, or free disk space."):
            write_sealed_json(path, known.model_dump(mode="json"))
    return Repository(**known.model_dump(exclude={"version"}))


def spdx(license: str | None) -> str | None:
    """The SPDX expression for a licence in the hub's spelling, such as `apache-2.0`; `None` where it is not certain."""
    name = (license or "").lower()
    return _SPDX_NAMES.get(name) or licenses.spdx(name)


def _locked_revision(name: str) -> str | None:
    """The one commit of this repository in `tlzoo.lock`; `None` where it holds none, or several."""
    found = {locked.revision for key, locked in lockfile.read().hub.items() if key.partition("@")[0] == name}
    return found.pop() if len(found) == 1 else None


def _cache_path(name: str, revision: str | None) -> Path:
    stem = name.replace("/", "--") + (f"@{revision}" if revision else "")
    return cache_folder() / "resolved" / f"{stem}.json"


def _read(path: Path, name: str, revision: str | None) -> _CachedDescription | None:
    """What is remembered; `None` where nothing is, or it is torn, or of another repository or commit."""
    try:
        known = _CachedDescription.model_validate(read_sealed_json(path))
    except ValidationError:
        return None
    return known if known.name == name and revision in (None, known.revision) else None


def _query_hub(name: str, revision: str | None) -> _CachedDescription:
    api = hub_api.api()
    try:
        listing = hub_api.listing(api, name, revision)
        documents = _documents(api, name, listing.revision, listing.sizes)
    except TlzooError:
        raise
    except Exception as cause:
        if (status := hub_api.status_of(cause)) in (401, 403, 404):
            raise UnknownCheckpoint(
                f"The hub shows no repository {name} (status {status}).",
                hint="Check its name; where it is private or gated, accept its terms on the hub and set HF_TOKEN.",
            ) from cause
        raise hub_api.hub_error(cause, name) from cause
    card = getattr(listing.info.card_data, "__dict__", {})  # a card that is no mapping says nothing
    try:
        return _CachedDescription(
            name=name,
            revision=listing.revision,
            sizes=dict(listing.sizes),
            sha256=dict(listing.sha256),
            documents=documents,
            license=_license(card),
            languages=_languages(card),
            tags=tuple(tag for tag in listing.info.tags or () if isinstance(tag, str)),
        )
    except ValidationError as cause:
        field, reason = first_invalid(cause)
        raise SourceError(
            f"The hub's description of {name} cannot be used: {field}: {reason}.",
            hint="Check HF_ENDPOINT.",
        ) from cause


def _documents(api: HfApi, name: str, commit: str, sizes: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """The configuration files at the top, parsed; what is not a JSON object is left out."""
    found: dict[str, dict[str, Any]] = {}
    with temporary_folder() as folder:
        for path in _configurations(sizes):
            got = Path(api.hf_hub_download(name, path, revision=commit, local_dir=folder))
            if got.stat().st_size <= MAX_DOCUMENT_BYTES:
                try:
                    document = json.loads(got.read_bytes())
                except (ValueError, RecursionError):
                    continue
                if isinstance(document, dict):
                    found[path] = document
    return found


def _configurations(sizes: Mapping[str, int]) -> Iterable[str]:
    """The names of the small JSON files at the top, `config.json` first."""
    names = [
        name
        for name, size in sizes.items()
        if name.endswith(".json") and "/" not in name and name not in _VOCABULARIES and 0 < size <= MAX_DOCUMENT_BYTES
    ]
    return sorted(names, key=lambda name: (not name.endswith("config.json"), name != "config.json", name))[
        :_MAX_DOCUMENTS
    ]


def _license(card: Mapping[str, Any]) -> str | None:
    given = card.get("license")
    names = given if isinstance(given, list) else [given]
    return spdx(names[0]) if len(names) == 1 and isinstance(names[0], str) else None


def _languages(card: Mapping[str, Any]) -> tuple[str, ...]:
    """ISO 639-1 codes; the hub's card may name one, several, or none that is one."""
    given = card.get("language")
    codes = given if isinstance(given, list) else [given]
    known = (code.lower() for code in codes if isinstance(code, str) and re.fullmatch("[A-Za-z]{2}", code))
    return tuple(dict.fromkeys(known))
