"""Wheels and sdists: the members that an entry pins, by exact name, and nothing else; nothing is trusted before."""

from __future__ import annotations

import errno
import gzip
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tlzoo.errors import HashMismatch, SourceError
from tlzoo.io.archives import BROKEN_ARCHIVE
from tlzoo.io.disk import write_errors
from tlzoo.registry.schema import Member
from tlzoo.weights import cache

MAX_ENTRIES = 200_000
MAX_HEADER_BYTES = 1 << 20
_NOT_PINNED = "It is not the archive that was pinned: tell the registry's author; nothing of it was used."


class _UnsafeArchive(Exception):
    """An archive that no packaging tool writes; the text says what is wrong with it."""


def extract(archive: Path, members: Sequence[Member], folder: Path, key: str) -> None:
    """Write the members into `folder` under their own names; never more bytes than pinned.

    Raises HashMismatch when a member is missing, appears twice, is no plain file or has another size than pinned;
    SourceError for an archive that is damaged, hostile or neither wheel nor sdist.
    """
    try:
        if archive.name.endswith(".whl"):
            _extract_wheel(archive, members, folder, f"{key}: {archive.name}")
        elif archive.name.endswith(".tar.gz"):
            _extract_sdist(archive, members, folder, f"{key}: {archive.name}")
        else:
            raise _UnsafeArchive("it is neither a wheel nor an sdist")
    except (_UnsafeArchive, RecursionError) as cause:  # tarfile reads what a header announces by calling itself
        why = "its headers announce each other without end" if isinstance(cause, RecursionError) else cause
        raise SourceError(
            f"{key}: {archive.name} is refused: {why}.", hint="Tell the registry's author; nothing of it was used."
        ) from cause
    except (*BROKEN_ARCHIVE, OSError) as cause:
        if isinstance(cause, OSError) and not isinstance(cause, gzip.BadGzipFile) and cause.errno != errno.EINVAL:
            raise  # what is written cannot be; EINVAL is a place in the archive that cannot
        raise SourceError(f"{key}: {archive.name} is not a valid archive: {cause}.", hint="Try again.") from cause


def _extract_wheel(archive: Path, members: Sequence[Member], folder: Path, where: str) -> None:
    with zipfile.ZipFile(archive) as bundle:
        if len(bundle.infolist()) > MAX_ENTRIES:
            raise _UnsafeArchive(f"it has more than {MAX_ENTRIES} entries")
        for member in members:
            with bundle.open(_entry(bundle, member, where)) as stream:
                _write(stream, member, folder, where)


def _entry(bundle: zipfile.ZipFile, member: Member, where: str) -> zipfile.ZipInfo:
    """The one entry of this name, as it may be."""
    found = [info for info in bundle.infolist() if info.filename == member.path]
    if not found:
        raise _member_error(member, where)
    if len(found) > 1:
        raise _member_error(member, where, f"appears {len(found)} times")
    (info,) = found
    kind = info.external_attr >> 16 & 0o170000  # the Unix file type, 0 where the archive does not say
    if info.is_dir() or kind not in (0, 0o100000):
        raise _member_error(member, where, "is not a plain file")
    if info.orig_filename != member.path:
        raise _member_error(member, where, "has a NUL byte in its name")
    if info.flag_bits & 0x2061:
        raise _member_error(member, where, "is encrypted or a patch")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _member_error(member, where, f"has the unsupported compression method {info.compress_type}")
    _check_size(info.file_size, member, where)
    return info


def _extract_sdist(archive: Path, members: Sequence[Member], folder: Path, where: str) -> None:
    by_path = {member.path: member for member in members}
    seen: set[str] = set()
    packed = archive.stat().st_size
    limit = (16 << 20) + 50 * packed + sum(member.size for member in members)
    with gzip.open(archive) as plain, tarfile.open(fileobj=_BoundedStream(plain, limit), mode="r:") as tarball:  # type: ignore[call-overload]
        for count, info in enumerate(tarball):
            if count >= MAX_ENTRIES:
                raise _UnsafeArchive(f"it has more than {MAX_ENTRIES} entries")
            member = by_path.get(info.name)
            if member is None:
                continue
            if member.path in seen:
                raise _member_error(member, where, "appears twice")
            seen.add(member.path)
            stream = tarball.extractfile(info) if _is_plain(info) else None
            if stream is None:
                raise _member_error(member, where, "is not a plain file")
            _check_size(info.size, member, where)
            with stream:
                _write(stream, member, folder, where)
    for path, member in by_path.items():
        if path not in seen:
            raise _member_error(member, where)


def _is_plain(info: tarfile.TarInfo) -> bool:
    return info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and info.sparse is None


class _BoundedStream:
    """A decompressed stream as `tarfile` uses it, which ends with an error where it is far longer than its file."""

    def __init__(self, stream: gzip.GzipFile, limit: int) -> None:
        self._stream, self._limit = stream, limit

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, place: int) -> int:
        if place > self._limit:
            raise _UnsafeArchive(f"it unpacks to more than {self._limit} bytes")
        return self._stream.seek(place)

    def read(self, size: int) -> bytes:
        if not 0 <= size <= max(MAX_HEADER_BYTES, cache.CHUNK):
            raise _UnsafeArchive("it has a header of more than a mebibyte")
        if self._stream.tell() + size > self._limit:
            raise _UnsafeArchive(f"it unpacks to more than {self._limit} bytes")
        return self._stream.read(size)


def _member_error(member: Member, where: str, what: str = "is missing") -> HashMismatch:
    return HashMismatch(f"{where}: {member.path} {what} in the archive.", hint=_NOT_PINNED)


def _check_size(size: int, member: Member, where: str) -> None:
    if size != member.size:
        raise HashMismatch(
            f"{where}: {member.path} has {size} bytes in the archive, not {member.size}.",
            hint=_NOT_PINNED,
        )


def _write(stream: IO[bytes], member: Member, folder: Path, where: str) -> None:
    with write_errors(folder / member.name), (folder / member.name).open("xb") as file:
        left = member.size
        while chunk := stream.read(min(cache.CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise HashMismatch(
                    f"{where}: {member.path} has more than {member.size} bytes.",
                    hint=_NOT_PINNED,
                )
            file.write(chunk)
