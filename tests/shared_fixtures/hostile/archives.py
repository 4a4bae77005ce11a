"""Wheels and sdists that no packaging tool writes; each also has what makes it weights, and a plugin."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import stat
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

CONTENT = bytes(range(256)) * 40
MEMBER = "pkg/w.bin"
WHEEL, SDIST, ZIP = "tiny_weights-1.0-py3-none-any.whl", "tiny_weights-1.0.tar.gz", "tiny_weights-1.0.zip"
INFO = "tiny_weights-1.0.dist-info"
PLUGIN = {
    "tiny_weights.py": b"from tlzoo import hookimpl\n\n\n@hookimpl\ndef freeze(model, policy):\n    return None\n",
    f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
    f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/entry_points.txt": b"[tlzoo]\ntiny = tiny_weights\n",
    f"{INFO}/RECORD": b"",
}
Entry = tuple[str | zipfile.ZipInfo, bytes]


@dataclass(frozen=True)
class Archive:
    """What is hostile, the file's name, and what makes its bytes."""

    label: str
    name: str
    make: Callable[[], bytes]


def archives(outside: Path) -> list[Archive]:
    """All of them, in an order that mixes the kinds."""
    zips = [Archive(f"wheel: {label}", WHEEL, make) for label, make in _wheels(outside)]
    tars = [Archive(f"sdist: {label}", SDIST, make) for label, make in _sdists(outside)]
    found = [*zips, *tars, *(Archive(f"zip: {each.label}", ZIP, each.make) for each in zips[::20])]
    random.Random(0).shuffle(found)
    return found


def wheel(*more: Entry, member: bool = True, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A wheel with further entries before the pinned one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as bundle, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of duplicate names
        for name, content in (*PLUGIN.items(), *more, *([(MEMBER, CONTENT)] if member else [])):
            bundle.writestr(name, content)
    return buffer.getvalue()


def _names(outside: Path) -> dict[str, str]:
    return {
        "up": "../../outside/x",
        "absolute": f"{outside}/x",
        "backslashes": "..\\..\\outside\\x",
        "drive": "C:/outside/x",
        "up again": "pkg/a/../../../outside/x",
        "long": "a" * 3000,
        "deep": "d/" * 3000 + "x",
        "line end": "pkg/a\nError: b",
        "commands": "pkg/\x1b[2J\u202eb",
        "other case": "PKG/W.BIN",
        "file as folder": f"{MEMBER}/x",
        "module as folder": "tiny_weights.py/x",
        "second info": "other-1.0.dist-info/METADATA",
    }


def _moded(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def _wheels(outside: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for label, name in _names(outside).items():
        yield label, partial(wheel, (name, b"x"))
    target = str(outside).encode()
    kinds = {"link": stat.S_IFLNK, "character device": stat.S_IFCHR, "block device": stat.S_IFBLK}
    for label, kind in {**kinds, "pipe": stat.S_IFIFO, "socket": stat.S_IFSOCK, "folder": stat.S_IFDIR}.items():
        yield f"{label} as member", partial(wheel, (_moded(MEMBER, kind | 0o777), target), member=False)
    yield "through a link", partial(wheel, (_moded("pkg/a", stat.S_IFLNK | 0o777), target), ("pkg/a/x", b"x"))
    yield "link as module", partial(wheel, (_moded("tiny.py", stat.S_IFLNK | 0o777), target + b"/secret"))
    yield "set user id", partial(wheel, (_moded("pkg/run", stat.S_IFREG | 0o6777), b"#!/bin/sh"))
    yield "duplicate member", partial(wheel, (MEMBER, b"other"))
    yield "duplicate metadata", partial(wheel, (f"{INFO}/METADATA", b"Name: other\n"))
    yield "duplicate entry points", partial(wheel, (f"{INFO}/entry_points.txt", b"[tlzoo]\nother = os\n"))
    yield "no plugin name", partial(wheel, (f"{INFO}/entry_points.txt", b"[tlzoo]\na\x1b[2Jb = tiny_weights\n"))
    yield "bomb", lambda: wheel(("pkg/zeros", bytes(200_000_000)))
    yield "bomb as member", lambda: wheel((MEMBER, bytes(200_000_000)), member=False)
    yield "bomb as metadata", lambda: wheel((f"{INFO}/top_level.txt", bytes(100_000_000)))
    yield "many entries", lambda: wheel(*((f"pkg/{number}", b"") for number in range(30_000)))
    yield "bzip2", partial(wheel, method=zipfile.ZIP_BZIP2)
    yield "LZMA", partial(wheel, method=zipfile.ZIP_LZMA)
    changes = {
        "encrypted": (6, 8, 0x1), "strongly encrypted": (6, 8, 0x41), "patched": (6, 8, 0x20),
        "masked": (6, 8, 0x2001), "method 93": (8, 10, 93), "method 255": (8, 10, 255), "names of UTF-8": (6, 8, 0x800),
    }  # fmt: skip
    for label, (local, central, value) in changes.items():
        yield label, partial(_patched, "<H", local, central, value)
    for label, (at, value) in {"size": (24, 5), "packed size": (20, 2**31), "CRC": (16, 1)}.items():
        yield f"{label} that lies", partial(_patched, "<L", 0, at, value)
    for label, value in {"beyond": 2**31, "in the middle": 77}.items():
        yield f"offset {label}", partial(_patched, "<L", 0, 42, value)
    yield "zip64 size", _zip64
    yield "end that lies", lambda: _end(10, 60_000)
    yield "directory that lies", lambda: _end(12, 2**31)
    yield "other disk", lambda: _end(4, 7)
    for share in (0.02, 0.5, 0.98):
        yield f"{share:.0%} of it", partial(lambda share: wheel()[: int(share * len(wheel()))], share)
    yield "something before", lambda: b"#!/bin/sh\nexit 1\n" + wheel()
    yield "noise behind", lambda: wheel() + b"PK\5\6" * 20
    yield "broken stream", lambda: wheel()[:50] + b"\xff" * 20 + wheel()[70:]


def _patched(form: str, local: int, central: int, value: int) -> bytes:
    """A field changed in every central header, and where it has an offset there in every local one."""
    changed = bytearray(wheel(method=zipfile.ZIP_STORED))
    for signature, offset in ((b"PK\3\4", local), (b"PK\1\2", central)):
        at = changed.find(signature) if offset else -1
        while at >= 0:
            struct.pack_into(form, changed, at + offset, value)
            at = changed.find(signature, at + 4)
    return bytes(changed)


def _zip64() -> bytes:
    info = zipfile.ZipInfo(MEMBER)
    info.extra = struct.pack("<HHQ", 1, 8, 1 << 50)
    changed = bytearray(wheel((info, CONTENT), member=False, method=zipfile.ZIP_STORED))
    struct.pack_into("<L", changed, changed.rfind(b"PK\1\2") + 24, 0xFFFFFFFF)
    return bytes(changed)


def _end(offset: int, value: int) -> bytes:
    changed = bytearray(wheel())
    struct.pack_into("<L" if offset == 12 else "<H", changed, changed.rfind(b"PK\5\6") + offset, value)
    return bytes(changed)


def _tarred(*more: tuple[tarfile.TarInfo, bytes], member: bool = True, format: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as bundle:
        plain = [(tarfile.TarInfo(f"tiny_weights-1.0/{name}"), content) for name, content in PLUGIN.items()]
        for info, content in (*plain, *more, *([(tarfile.TarInfo(MEMBER), CONTENT)] if member else [])):
            info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _special(path: str, kind: bytes, target: str = "", headers: dict[str, str] | None = None) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.pax_headers = kind, target, headers or {}
    return info


def _packed(*more: tuple[tarfile.TarInfo, bytes], member: bool = True, format: int = tarfile.PAX_FORMAT) -> bytes:
    return gzip.compress(_tarred(*more, member=member, format=format), 1, mtime=0)


def _sdists(outside: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for label, name in _names(outside).items():
        yield label, partial(_packed, (tarfile.TarInfo(name), b"x"))
    kinds = {
        "link": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "character device": tarfile.CHRTYPE,
        "block device": tarfile.BLKTYPE, "pipe": tarfile.FIFOTYPE, "folder": tarfile.DIRTYPE,
        "contiguous": tarfile.CONTTYPE, "unknown": b"Z",
    }  # fmt: skip
    for label, kind in kinds.items():
        yield f"{label} as member", partial(_packed, (_special(MEMBER, kind, f"{outside}/secret"), b""), member=False)
    through = (_special("pkg/a", tarfile.SYMTYPE, str(outside)), b""), (tarfile.TarInfo("pkg/a/x"), b"x")
    yield "through a link", partial(_packed, *through)
    yield "link to itself", partial(_packed, (_special("pkg/a", tarfile.LNKTYPE, "pkg/a"), b""))
    yield "duplicate member", partial(_packed, (tarfile.TarInfo(MEMBER), b"other"))
    for version, headers in {
        "0.0": {"GNU.sparse.size": "10240", "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,1"},
        "0.1": {"GNU.sparse.size": "99999999999999", "GNU.sparse.map": "99999999999990,1"},
        "1.0": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9" * 30},
    }.items():
        named = {"GNU.sparse.name": MEMBER, **headers}
        yield (
            f"sparse {version}",
            partial(_packed, (_special("pkg/s", tarfile.REGTYPE, headers=named), b"x"), member=False),
        )
    for key, value in {
        "path": "../../outside/x", "size": "-5", "size ": "9" * 4000, "linkpath": str(outside), "mtime": "nan",
        "uid": "-1e400", "hdrcharset": "BINARY", "GNU.sparse.map": "1,2,x",
    }.items():  # fmt: skip
        headers = {key.strip(): value}
        yield (
            f"header {key}={value[:9]}",
            partial(_packed, (_special("pkg/s", tarfile.REGTYPE, headers=headers), b"x" * 600)),
        )
    for kind in (b"L", b"K", b"x", b"g"):
        yield f"chain of {kind.decode()}", partial(_chain, kind)
    yield "header of megabytes", lambda: _packed((_special("x", tarfile.XHDTYPE), bytes(5_000_000)))
    yield "size of base 256", lambda: _raw_size(b"\x80" + b"\x7f" * 11)
    yield "negative size", lambda: _raw_size(b"\xff" * 12)
    yield "bomb", lambda: _packed((tarfile.TarInfo("pkg/zeros"), bytes(200_000_000)))
    yield "bomb as member", lambda: _packed((tarfile.TarInfo(MEMBER), bytes(200_000_000)), member=False)
    yield "many entries", lambda: _packed(*((tarfile.TarInfo(f"pkg/{number}"), b"") for number in range(5_000)))
    for share in (0.1, 0.9):
        yield f"{share:.0%} of it", partial(lambda share: _packed()[: int(share * len(_packed()))], share)
    yield "noise behind", lambda: _packed() + b"\x1f\x8bnoise"
    yield "two streams", lambda: _packed() + gzip.compress(bytes(50_000_000), 1)
    yield "no compression", _tarred
    yield "bzip2", lambda: bz2.compress(_tarred())
    yield "LZMA", lambda: lzma.compress(_tarred())
    yield "a wheel", wheel
    yield "GNU", partial(_packed, (tarfile.TarInfo("n" * 5000), b"x"), format=tarfile.GNU_FORMAT)


def _chain(kind: bytes) -> bytes:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, 512
    text = b"20 path=pkg/w.bin00\n" if kind in b"xg" else b"a" * 20
    return gzip.compress((info.tobuf(tarfile.GNU_FORMAT) + text.ljust(512, b"\0")) * 5000 + bytes(1024), 1)


def _raw_size(field: bytes) -> bytes:
    """A first header whose size says this; its checksum is right."""
    content = bytearray(_tarred())
    content[124:136] = field
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    return gzip.compress(bytes(content), 1)
