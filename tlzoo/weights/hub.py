"""Files of a Hugging Face hub repository. What the registry leaves unpinned is pinned on first use in `tlzoo.lock`."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tlzoo.errors import HashMismatch, SourceError, TlzooError, WriteError
from tlzoo.interfaces import Weights
from tlzoo.io.disk import DISK_ERRNOS
from tlzoo.io.files import sha256_of
from tlzoo.io.locks import file_lock
from tlzoo.progress import Advance, progress
from tlzoo.registry.schema import HubFile, HubSource
from tlzoo.weights import cache, hub_api, lockfile

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def fetch(source: HubSource, request: cache.FetchRequest) -> Weights:
    """The repository's files from the cache or the hub, at the commit of the registry, of the lock file, or the newest.

    HF_ENDPOINT and HF_TOKEN are honoured. Raises Offline, HashMismatch (against the pins of the registry or the lock
    file) and SourceError.
    """
    known = _with_known_pins(source, request)
    if _is_pinned(known):
        found = _fetch_pinned(known, request)
    else:
        with cache.download_lock(request.key):
            known = _with_known_pins(source, request)  # another process may have been the first while this one waited
            found, known = _pin_on_first_use(source, known, request)
    if not _is_pinned(source):
        lockfile.record_repository(_lock_key(source), _pins(known))
    return found


def revision_of(source: HubSource, key: str) -> str | None:
    """The commit that the lock file or the cache knows for a source that was fetched under this key."""
    return _with_known_pins(source, cache.FetchRequest(key, offline=True)).revision


def _with_known_pins(source: HubSource, request: cache.FetchRequest) -> HubSource:
    """The source with the pins that the lock file has, else those that the cache remembers."""
    lock = lockfile.read()
    locked = _locked_pins(lock.checkpoints.get(request.key), source) or lock.hub.get(_lock_key(source))
    known = source if locked is None else _with_pins(source, locked, request)
    remembered = None if _is_pinned(known) else _cached_pins(source, request)
    if remembered is not None and known.revision in (None, remembered.revision):
        known = _with_pins(known, remembered, request)
    return known


def _locked_pins(locked: lockfile.LockedCheckpoint | None, source: HubSource) -> lockfile.LockedRepository | None:
    """What `tlzoo lock` says of this checkpoint, where it is about this repository."""
    if locked is None or locked.revision is None or locked.origin != source.repo:
        return None
    return lockfile.LockedRepository(revision=locked.revision, files=locked.files)


def _lock_key(source: HubSource) -> str:
    return source.repo if source.revision is None else f"{source.repo}@{source.revision}"


def _fetch_pinned(source: HubSource, request: cache.FetchRequest) -> Weights:
    def download(folder: Path) -> None:
        _download(source, folder, request)

    return cache.fetch_or_cache(request, _folder(source, request), _files(source), download)


def _pin_on_first_use(source: HubSource, known: HubSource, request: cache.FetchRequest) -> tuple[Weights, HubSource]:
    """Download, and return the source with the commit and hashes that this gave; the cache remembers them."""
    if _is_pinned(known):
        folder, files = _folder(known, request), _files(known)
        if cache.verify_files(folder, files) is None:
            return cache.as_weights(folder, files), known
    if request.offline:
        raise cache.offline_error(request)
    with cache.partial_folder(request.key) as partial:
        revision = _download(known, partial, request)
        seen = {file.path: lockfile.hash_file(partial / file.path) for file in source.files}
        pinned = _with_pins(known, lockfile.LockedRepository(revision=revision, files=seen), request)
        folder, files = _folder(pinned, request), _files(pinned)
        cache.commit(request, partial, folder, files)
    pins = lockfile.sealed(source.repo, _pins(pinned))
    lockfile.write_atomically(_pins_path(source, request), pins.model_dump_json())
    return cache.as_weights(folder, files), pinned


def _with_pins(source: HubSource, pins: lockfile.LockedRepository, request: cache.FetchRequest) -> HubSource:
    """The source with these pins filled in; raises HashMismatch where it has others already."""
    files = []
    for file in source.files:
        pin = pins.files.get(file.path)
        if pin is not None and (file.sha256 not in (None, pin.sha256) or file.size not in (None, pin.size)):
            raise HashMismatch(
                f"{request.key}: {file.path} of {source.repo} has sha256 {pin.sha256[:16]}… ({pin.size} bytes), "
                f"but {(file.sha256 or '')[:16]}… ({file.size} bytes) is pinned.",
                hint=f"If the change is intended, remove {source.repo} from {lockfile.path()} and pull again.",
            )
        files.append(file if pin is None else HubFile(path=file.path, sha256=pin.sha256, size=pin.size))
    return HubSource(repo=source.repo, revision=source.revision or pins.revision, files=tuple(files))


def _is_pinned(source: HubSource) -> bool:
    return source.revision is not None and all(file.sha256 and file.size for file in source.files)


def _pins(source: HubSource) -> lockfile.LockedRepository:
    files = {
        file.path: lockfile.LockedFile(sha256=file.sha256, size=file.size)
        for file in source.files
        if file.sha256 is not None and file.size is not None
    }
    return lockfile.LockedRepository(revision=source.revision or "", files=files)


def _files(source: HubSource) -> list[cache.PinnedFile]:
    return [cache.PinnedFile(path, pin.sha256, pin.size) for path, pin in _pins(source).files.items()]


def _folder(source: HubSource, request: cache.FetchRequest) -> Path:
    return cache.source_folder(request.key, source.model_dump_json())


def _pins_path(source: HubSource, request: cache.FetchRequest) -> Path:
    """Where the cache keeps the pins of an unpinned source, for a folder that has no lock file yet."""
    return cache.source_folder(request.key, source.model_dump_json()).with_suffix(".pins.json")


def _cached_pins(source: HubSource, request: cache.FetchRequest) -> lockfile.LockedRepository | None:
    """What was seen at the first use; raises SourceError where that is damaged: another commit could come instead."""
    path = _pins_path(source, request)
    try:
        pins = lockfile.LockedRepository.model_validate_json(path.read_bytes())
    except OSError:
        return None
    except ValidationError:
        pins = None
    if pins is None or not lockfile.is_whole(source.repo, pins):
        raise SourceError(
            f"{request.key}: {path}, which pins {source.repo}, is damaged.",
            hint="Remove it to pin what the hub has now; or pin in the project: tlzoo lock.",
        )
    return pins


def _download(source: HubSource, folder: Path, request: cache.FetchRequest) -> str:
    """Put the files into `folder` and return the commit they are of."""
    api = hub_api.api()
    try:
        listing = hub_api.listing(api, source.repo, source.revision)
        for file in source.files:
            if file.path not in listing.sizes:
                raise SourceError(
                    f"{request.key}: {source.repo} has no file {file.path} at {listing.revision[:12]}.",
                    hint="The registry's entry is out of date; tell its author.",
                )
        for file in source.files:
            _check_listed(source, file, listing, request)
        total = sum(listing.sizes[file.path] for file in source.files)
        cache.check_disk_space(request.key, total)
        with (
            _download_folder(source.repo, listing.revision, folder) as beside,
            progress(f"Downloading {source.repo}", total, "bytes") as advance,
        ):
            got = {
                file.path: _download_file(api, source.repo, listing.revision, file.path, beside, advance)
                for file in source.files
            }
            for path, file_there in got.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(file_there, folder / path)
    except TlzooError:
        raise
    except Exception as cause:
        if isinstance(cause, OSError) and cause.errno in DISK_ERRNOS:
            raise  # the cache cannot be written
        raise _fetch_error(cause, source, request) from cause
    for path, digest in listing.sha256.items():
        if (folder / path).is_file() and sha256_of(folder / path) != digest:
            raise HashMismatch(
                f"{request.key}: {path} of {source.repo} does not match the hub's listing.", hint="Try again."
            )
    return listing.revision


def _check_listed(source: HubSource, file: HubFile, listing: hub_api.Listing, request: cache.FetchRequest) -> None:
    """Raises HashMismatch, before the download, where the hub itself lists another file than the one that is pinned."""
    size, sha256 = listing.sizes[file.path], listing.sha256.get(file.path)
    if file.size not in (None, size) or (sha256 is not None and file.sha256 not in (None, sha256)):
        raise HashMismatch(
            f"{request.key}: the hub lists {file.path} of {source.repo} with {size} bytes and sha256 "
            f"{(sha256 or 'unknown')[:16]}, pinned are {file.size} bytes and {(file.sha256 or 'any')[:16]}.",
            hint="The file on the hub has changed, or the registry's entry or tlzoo.lock is wrong; tell its author.",
        )


@contextmanager
def _download_folder(repo: str, revision: str, folder: Path) -> Iterator[Path]:
    """Where files arrive: a folder that the next run finds again, so that those that were whole need not come twice.

    Of one file, huggingface_hub takes up a broken connection, but not what an earlier run left.
    """
    name = f"hub--{hashlib.sha256(f'{repo}@{revision}'.encode()).hexdigest()[:32]}"
    with file_lock(cache.root() / "locks" / f"partial--{name}") as alone:
        beside = cache.root() / "partial" / name if alone else folder.with_name(f"{folder.name}-hub")
        beside.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
        except BaseException:
            if not alone:
                shutil.rmtree(beside, ignore_errors=True)
            raise
        shutil.rmtree(beside, ignore_errors=True)


def _download_file(api: HfApi, repo: str, revision: str, path: str, beside: Path, advance: Advance) -> str:
    """Put one file below `beside` and return its path."""
    from huggingface_hub import hf_hub_download, utils

    class Reported(utils.tqdm):  # type: ignore[name-defined, misc]
        """Hands the hub's progress on to ours."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            advance(int(n or 0))
            return None

    try:
        return hf_hub_download(
            repo,
            path,
            revision=revision,
            local_dir=beside,
            endpoint=api.endpoint,
            library_name="tlzoo",
            tqdm_class=Reported,
        )
    except OSError as cause:
        if cause.errno in DISK_ERRNOS:
            raise WriteError(beside / path, cause.errno) from cause
        raise


def _fetch_error(cause: Exception, source: HubSource, request: cache.FetchRequest) -> TlzooError:
    status = hub_api.status_of(cause)
    if status in (401, 403):
        return SourceError(
            f"{request.key}: the hub refuses access to {source.repo} (status {status}).",
            hint="If it is private or gated, accept its terms on the hub and set HF_TOKEN.",
        )
    if status == 404:
        return SourceError(
            f"{request.key}: the hub has no {source.repo} at {source.revision or 'its newest commit'}.",
            hint="The registry's entry or tlzoo.lock is out of date.",
        )
    return hub_api.hub_error(cause, f"{source.repo}, the source of {request.key}")
