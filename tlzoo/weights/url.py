"""One file behind an https address: pinned by sha256 and size, resumed where an earlier download broke."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from tlzoo.interfaces import Weights
from tlzoo.registry.schema import UrlSource
from tlzoo.weights import cache


def fetch(source: UrlSource, request: cache.FetchRequest) -> Weights:
    """The file from the cache, or downloaded. Raises Offline, HashMismatch, SourceError.

    `io.https` says which addresses are refused, `weights.download` how a broken download resumes.
    """
    pinned = cache.PinnedFile(file_name(source.url), source.sha256, source.size)

    def download(folder: Path) -> None:
        from tlzoo.io.network.https import network_errors
        from tlzoo.weights.download import download_file

        with network_errors(f"{request.key}: {source.url}"):
            download_file(source.url, pinned, folder, request.key)

    return cache.fetch_or_cache(request, cache.source_folder(request.key, source.model_dump_json()), [pinned], download)


def file_name(url: str) -> str:
    """The last part of the address' path, where it can be the name of a file, else `weights`."""
    name = unquote(PurePosixPath(urlsplit(url).path).name)
    plain = name.isprintable() and len(name.encode()) <= 200 and not set(name) & set("/\\:")
    return name if plain and name not in ("", ".", "..") else "weights"
