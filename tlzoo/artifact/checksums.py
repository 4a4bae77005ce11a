"""The checksums of an exported folder, `SHA256SUMS`, as `sha256sum --check` reads them. Torch-free."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tlzoo.errors import ArtifactError
from tlzoo.io.disk import write_text
from tlzoo.io.files import sha256_of

NAME: Final = "SHA256SUMS"
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
        lines = sums.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        found = {sums.parent / line[2]: line[1] for line in map(_LINE.fullmatch, lines) if line}
        if len(found) != len(lines):
            raise _error(sums, "is damaged: it has lines that are no checksum and name")
        for file, stated in found.items():
            if not file.is_file():
                raise _error(file, f"is missing, or {sums} is damaged")
            if sha256_of(file) != stated:
                raise _error(file, f"is damaged, or was changed after its export: it is not what {sums} states")
    except (OSError, ValueError) as cause:
        raise ArtifactError(f"{sums} cannot be read: {getattr(cause, 'strerror', None) or cause}.") from cause
    return found


def _error(file: Path, what: str) -> ArtifactError:
    return ArtifactError(
        f"{file} {what}.",
        hint="Take another copy of the folder, or export it again; after a change of your own, write the new "
        f"sha256sum of the file into {NAME}.",
    )
