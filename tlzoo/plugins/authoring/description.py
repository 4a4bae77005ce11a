"""A distribution as its metadata describes it: installed, a wheel, or a project's folder. Nothing of it is run."""

from __future__ import annotations

import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from tlzoo.errors import PluginError

_MAX_BYTES = 2 << 30
_MAX_MEMBERS = 100_000
_LICENSE_FILES = ("LICEN[CS]E*", "COPYING*", "UNLICENSE*")


@dataclass(frozen=True)
class Description:
    """What a distribution says of itself.

    `entries` maps a group of entry points to its (name, value) pairs; `roots` are the folders in which its packages
    lie, `None` where it is installed. `license` is its SPDX expression or what it says instead.
    """

    distribution: str
    version: str
    license: str | None
    license_files: tuple[str, ...]
    requires: tuple[str, ...]
    entries: Mapping[str, tuple[tuple[str, str], ...]]
    roots: tuple[str, ...] | None

    def values(self, group: str, name: str) -> list[str]:
        """What it declares under this name in a group; more than one is a fault."""
        return [value for entry, value in self.entries.get(group, ()) if entry == name]


def describe(distribution: metadata.Distribution, roots: tuple[str, ...] | None = None) -> Description:
    """A distribution by its metadata. Raises what importlib.metadata raises where that is damaged."""
    fields = distribution.metadata
    entries: dict[str, tuple[tuple[str, str], ...]] = {}
    for entry in distribution.entry_points:
        entries[entry.group] = (*entries.get(entry.group, ()), (entry.name, entry.value))
    classified = [line.rpartition(" :: ")[2] for line in fields.get_all("Classifier", []) if "License ::" in line]
    written = [text for field in ("License-Expression", "License") for text in fields.get_all(field, [])]
    stated = [*(text.partition("\n")[0] for text in written), *classified]
    return Description(
        distribution=fields["Name"],
        version=distribution.version,
        license=next((text for text in stated if text), None),
        license_files=tuple(fields.get_all("License-File", [])),
        requires=tuple(distribution.requires or ()),
        entries=entries,
        roots=roots,
    )


def check_wheel(path: Path, into: Path | None = None) -> None:
    """Look at a wheel's members, then unpack them `into` a folder. Raises PluginError naming one that may not be."""
    try:
        with zipfile.ZipFile(path) as wheel:
            _refuse_hostile(path, wheel.infolist())
            if into is not None:
                wheel.extractall(into)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError) as cause:
        raise PluginError(f"{path} is not a whole wheel: {cause}.", hint="Build it again: uv build") from cause


def describe_wheel(path: Path, into: Path) -> Description:
    """A wheel, unpacked into the folder `into`. Raises PluginError as `check_wheel` does, and for its metadata."""
    check_wheel(path, into)
    infos = sorted(into.glob("*.dist-info"))
    if len(infos) != 1:
        raise PluginError(f"{path} has {len(infos)} folders of metadata, not 1.", hint="Build it again: uv build")
    try:
        return describe(metadata.Distribution.at(infos[0]), (str(into),))
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as cause:
        raise PluginError(
            f"The metadata of {path} cannot be read: {cause}.", hint="Build it again: uv build"
        ) from cause


def describe_project(folder: Path) -> Description:
    """A project by its pyproject.toml. Raises PluginError where there is none, or it says no name."""
    file = folder / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text("utf-8")).get("project", {})
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise PluginError(
            f"{file} cannot be read: {reason}.", hint="Give a plugin's name, a project's folder or a wheel."
        ) from cause
    if not isinstance(project, dict) or not isinstance(project.get("name"), str):
        raise PluginError(f"{file} has no [project] table with a name.", hint="See: tlzoo plugins new --help")
    roots = tuple(str(root) for root in (folder / "src", folder) if root.is_dir())
    patterns = project.get("license-files") or _LICENSE_FILES
    found = {path.name for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return Description(
        distribution=project["name"],
        version=str(project.get("version", "")),
        license=_license(project.get("license")),
        license_files=tuple(sorted(found)),
        requires=(*_strings(project.get("dependencies")), *_optional(project.get("optional-dependencies"))),
        entries={group: _pairs(table) for group, table in _table(project.get("entry-points")).items()},
        roots=roots,
    )


def _license(stated: Any) -> str | None:
    if isinstance(stated, dict):
        return next((str(value).partition("\n")[0] for value in stated.values()), None)
    return stated if isinstance(stated, str) and stated else None


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, Sequence) else ()


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _optional(value: Any) -> tuple[str, ...]:
    """Requirements of extras, as metadata would write them."""
    return tuple(f"{line} ; extra == '{extra}'" for extra, lines in _table(value).items() for line in _strings(lines))


def _pairs(table: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in _table(table).items() if isinstance(value, str))


def _refuse_hostile(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    for member in members:
        parts = PurePosixPath(member.filename)
        if parts.is_absolute() or ".." in parts.parts or "\\" in member.orig_filename or "\0" in member.orig_filename:
            raise PluginError(f"{path}: the member {member.orig_filename!r} leaves its folder.", hint="Do not use it.")
        if (member.external_attr >> 28) == 0xA:
            raise PluginError(f"{path}: the member {member.filename!r} is a link.", hint="Do not use it.")
    if len(members) > _MAX_MEMBERS or sum(member.file_size for member in members) > _MAX_BYTES:
        raise PluginError(
            f"{path} would unpack to more than {_MAX_MEMBERS} files or {_MAX_BYTES >> 30} GiB.", hint="Do not use it."
        )
