"""Add, update and remove registries: what arrives is verified before it takes the place of anything."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from tlzoo.errors import HashMismatch, RegistryError, TlzooError, UsageError, concerning
from tlzoo.io.signatures import SUFFIX, fingerprint, is_signed, read_public_key
from tlzoo.registry.reading import CheckedFile, check_file, check_published
from tlzoo.registry.schema import HttpsUrl
from tlzoo.registry.subscriptions import config
from tlzoo.registry.subscriptions.config import FetchedCopy, Subscription
from tlzoo.specs import first_invalid

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


@dataclass(frozen=True)
class UpdateResult:
    """What `update` came to for one registry; `error` says why its old copy, if it has one, stays in use."""

    registry: Subscription
    state: Literal["updated", "unchanged", "pinned", "file", "failed"]
    error: TlzooError | None = None


def add(
    location: str,
    *,
    sha256: str | None = None,
    key: str | None = None,
    unpinned: bool = False,
    name: str | None = None,
    first: bool = False,
) -> Subscription:
    """Add the registry at an https address or in a file of the user's, fetched and verified.

    An address needs one of `sha256` (hex: these bytes and no others), `key` (an Ed25519 public key, base64 or a file:
    every edition signed by it) and `unpinned`. `first` puts it before the built-in registry, in front of those that
    are there already; else it comes behind all others. Raises UsageError, RegistryError, HashMismatch, SourceError and
    Offline; then nothing has changed.
    """
    pins = {"sha256": sha256, "key": key, "unpinned": unpinned or None}
    given = [f"`{pin}`" for pin, value in pins.items() if value is not None]
    if _SCHEME.match(location) and not Path(location).exists():
        _require_one_pin(location, given)
        url = _checked_url(location)
        with concerning("key", named=True):
            public = None if key is None else read_public_key(key)
        chosen = _registry(
            name=name or _name_from(urlsplit(url).hostname or ""),
            url=url,
            first=first,
            sha256=None if sha256 is None else sha256.strip().lower(),
            key=public,
            unpinned=unpinned,
        )
        _refuse_duplicate_name(config.read(), chosen.name)
        chosen = _fetch(chosen)
    else:
        if given:
            raise UsageError(
                f"{given[0]} has no effect with the local file {location}.",
                hint=f"Leave {given[0]} out.",
                parameter=given[0].strip("`"),
            )
        path = Path(location).expanduser().absolute()
        _raise_first_fault(check_file(path), str(path))
        chosen = _registry(name=name or _name_from(path.stem), path=str(path), first=first)

    def put(registries: tuple[Subscription, ...]) -> tuple[Subscription, ...]:
        _refuse_duplicate_name(registries, chosen.name)
        return (chosen, *registries) if first else (*registries, chosen)

    config.update_config(put)
    return chosen


def remove(name: str) -> Subscription:
    """Remove a registry that was added, and its copy. Raises RegistryError where there is none of this name."""
    removed = _find(config.read(), name)
    config.update_config(lambda registries: tuple(registry for registry in registries if registry.name != name))
    path = config.copy_path(removed)
    if path is not None:
        path.unlink(missing_ok=True)
    return removed


def update(names: Sequence[str] = ()) -> list[UpdateResult]:
    """Fetch these registries again, all without `names`; each that fails keeps its copy, and the others go on.

    Raises RegistryError for a name that was not added.
    """
    registries = config.read()
    chosen = [_find(registries, name) for name in dict.fromkeys(names)] if names else registries
    return [_update(registry) for registry in chosen]


def _update(registry: Subscription) -> UpdateResult:
    if registry.url is None:
        return UpdateResult(registry, "file")
    try:
        whole = config.copy_is_intact(registry)
        if registry.sha256 is not None and whole:
            return UpdateResult(registry, "pinned")
        fetched = _fetch(registry)
        same = registry.held and fetched.held and registry.held.sha256 == fetched.held.sha256
        config.update_config(lambda registries: tuple(_latest(known, fetched) for known in registries))
    except TlzooError as error:
        return UpdateResult(registry, "failed", error)
    return UpdateResult(fetched, "unchanged" if whole and same else "updated")


def _latest(known: Subscription, fetched: Subscription) -> Subscription:
    """The registry that is to be written: what is known now, unless what was fetched belongs in its place."""
    same = known.model_copy(update={"held": None}) == fetched.model_copy(update={"held": None})
    if not same or fetched.held is None:
        return known  # it was removed, or added anew with other pins, while this process was fetching
    if known.held and (known.held.sequence or 0) > (fetched.held.sequence or 0):
        return known
    return fetched


def _fetch(registry: Subscription) -> Subscription:
    """The registry with a verified new copy stored, or with its copy where the server says that it is current."""
    from tlzoo.registry.subscriptions import fetch  # its HTTP library takes longer to import than all else here

    url, held = str(registry.url), registry.held
    current_copy = held if held is not None and config.copy_is_intact(registry) else None
    answer = fetch.fetch(
        url,
        etag=current_copy.etag if current_copy else None,
        last_modified=current_copy.last_modified if current_copy else None,
    )
    if answer.content is None:
        current = current_copy.model_copy(update={"fetched": config.now()}) if current_copy else None
        return registry.model_copy(update={"held": current})
    checked = _verify(registry, answer.content)
    copy = FetchedCopy(
        sha256=config.store_copy(registry.name, answer.content),
        fetched=config.now(),
        sequence=checked.sequence,
        etag=answer.etag,
        last_modified=answer.last_modified,
    )
    return registry.model_copy(update={"held": copy})


def _verify(registry: Subscription, content: bytes) -> CheckedFile:
    """What these bytes hold, once the pin, every entry and the sequence are right."""
    url = str(registry.url)
    if registry.sha256 is not None:
        digest = hashlib.sha256(content).hexdigest()
        if digest != registry.sha256:
            raise HashMismatch(
                f"{url} has sha256 {digest}, not the pinned {registry.sha256}.",
                hint="Ask its author which is right. To accept a new edition, remove the registry and add it again.",
            )
    if registry.key is not None:
        _check_signature(registry, content)
    checked = check_published(content)
    _raise_first_fault(checked, url)
    before = registry.held.sequence if registry.held is not None else None
    if before is not None and (checked.sequence is None or checked.sequence < before):
        raise RegistryError(
            f"{url} is older than the local copy: sequence {checked.sequence}, after {before}.",
            hint="The local copy stays in use. The server or mirror may lag behind: try again later.",
        )
    return checked


def _check_signature(registry: Subscription, content: bytes) -> None:
    from tlzoo.registry.subscriptions.fetch import fetch_signature

    url, key = str(registry.url), str(registry.key)
    signature = fetch_signature(url)
    if signature is None:
        raise RegistryError(
            f"{url} is not signed: there is no {SUFFIX} file beside it.",
            hint="Ask its author for one (tlzoo registry sign), or pin the content with --sha256.",
        )
    if not is_signed(content, signature, key):
        raise RegistryError(
            f"{url} is not signed by the pinned key {fingerprint(key)}.",
            hint="It may be changing just now: try again in a minute. If its author has a new key, ask for it, "
            f"then: tlzoo registry remove {registry.name} && tlzoo registry add {url} --key KEY",
        )


def _raise_first_fault(checked: CheckedFile, what: str) -> None:
    if checked.faults:
        more = f" (and {len(checked.faults) - 1} more)" if len(checked.faults) > 1 else ""
        raise RegistryError(
            f"Registry {what}: {checked.faults[0]}{more}.",
            hint="List all faults: tlzoo registry validate FILE",
        )


def _require_one_pin(location: str, given: list[str]) -> None:
    if len(given) > 1:
        raise UsageError(
            f"{' and '.join(given)} are mutually exclusive.", hint="Give one of them.", parameter=given[0].strip("`")
        )
    if not given:
        raise UsageError(
            f"Choose how to verify {location}: `key` or `sha256`.",
            hint="Add `key` (the author's public key) or `sha256` (exactly this content). To trust the server without "
            "either, at each update too: `unpinned=True`",
            parameter="key",
        )


def _checked_url(location: str) -> str:
    try:
        return TypeAdapter[str](HttpsUrl).validate_python(location)
    except ValidationError as cause:
        raise UsageError(
            f"{location!r} is refused: {first_invalid(cause)[1]}.",
            hint="Give an address such as https://example.org/registry.json",
            parameter="location",
        ) from cause


def _registry(**fields: object) -> Subscription:
    try:
        return Subscription.model_validate(fields)
    except ValidationError as cause:
        field, reason = first_invalid(cause)
        option = f"`{field}={fields.get(field)!r}`" if field else f"{fields.get('name')!r}"
        raise UsageError(f"{option}: {reason}.", hint="See: tlzoo registry add --help", parameter=field) from cause


def _name_from(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("._-")[:64] or "registry"


def _refuse_duplicate_name(registries: Sequence[Subscription], name: str) -> None:
    if any(registry.name == name for registry in registries):
        raise UsageError(
            f"A registry {name!r} already exists.",
            hint=f"Choose another `name`, or remove that one: tlzoo registry remove {name}",
            parameter="name",
        )


def _find(registries: Sequence[Subscription], name: str) -> Subscription:
    for registry in registries:
        if registry.name == name:
            return registry
    names = ", ".join(registry.name for registry in registries) or "none"
    raise UsageError(
        f"There is no added registry {name!r}.", hint=f"Added: {names}. See: tlzoo registry list", parameter="name"
    )
