"""The checksums of an exported folder, `SHA256SUMS`, as `sha256sum --check` reads them. Torch-free."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from tlzoo.errors import ArtifactError
from tlzoo.io.disk import write_text
from tlzoo.io.files import sha256_of
from tlzoo.io.regular import read_regular

NAME: Final = "SHA256SUMS"
_LARGEST: Final = 2**24
_LINE: Final = re.compile(r"([0-9a-f]{64})  (\S.*)")


def write(folder: Path) -> None:
    """Write the checksums of all files of a folder that is complete; where it holds one folder alone, into that."""
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir():
        folder = inside[0]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256_of(file)}  {file.relative_to(folder).as_posix()}\n" for file in files]
    write_text(folder / NAME, "".join(lines))


def check(sums: Path) -> dict[Path, str]:
    """The SHA-256 of every file that a list of checksums names.

    Raises ArtifactError for a list that cannot be read, and for a file that is not what it was or is missing.
    """
    try:
        lines = read_regular(sums, _LARGEST).decode("utf-8").removesuffix("\n").split("\n")
        found = {sums.parent / line[2]: line[1] for line in map(_LINE.fullmatch, lines) if line}
        if len(found) != len(lines):
            raise _error(sums, "is damaged: it has lines that are no checksum and name")
        if outside := [file for file in found if ".." in file.parts or not file.is_relative_to(sums.parent)]:
            raise _error(sums, f"is damaged: it names {outside[0]}, which is not in its folder")
        for file, stated in found.items():
            if not file.is_file():
                what = "is not a file" if os.path.lexists(file) else "is missing"
                raise _error(file, f"{what}, or {sums} is damaged")
            if sha256_of(file) != stated:
                raise _error(file, f"is damaged, or was changed after its export: it is not what {sums} states")
    except UnicodeDecodeError as cause:
        raise _error(sums, "is damaged: it is no text") from cause
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        file = getattr(cause, "filename", None) or sums
        raise ArtifactError(f"{file} cannot be read: {reason}.", hint="Take another copy of the folder.") from cause
    return found


def _error(file: Path, what: str) -> ArtifactError:
    return ArtifactError(
        f"{file} {what}.",
        hint="Take another copy of the folder, or export it again; after a change of your own, write the new "
        f"sha256sum of the file into {NAME}.",
    )
