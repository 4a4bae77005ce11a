"""A wheel or a project's folder as if it were installed: its metadata and its folders of modules. Nothing is run."""

from __future__ import annotations

import re
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from tlzoo.errors import PluginError
from tlzoo.io.archives import BROKEN_ARCHIVE
from tlzoo.io.regular import read_regular
from tlzoo.plugins.discovery import metadata_fault

_MAX_BYTES = 2 << 30
_MAX_MEMBERS = 100_000
_MAX_PROJECT = 2**20
_LICENSE_FILES = ("LICEN[CS]E*", "COPYING*", "UNLICENSE*")


def check_wheel(path: Path, into: Path | None = None) -> None:
    """Look at a wheel's members, then unpack them `into` a folder. Raises PluginError naming one that may not be."""
    try:
        with zipfile.ZipFile(path) as wheel:
            _refuse_unsafe_members(path, wheel.infolist())
            if into is not None:
                wheel.extractall(into)
    except (OSError, *BROKEN_ARCHIVE) as cause:
        raise PluginError(f"{path} is not a valid wheel: {cause}.", hint="Build it again: uv build") from cause


def stage(path: Path, into: Path) -> tuple[metadata.Distribution, list[Path]]:
    """The distribution that a wheel, or a project's pyproject.toml, describes, and the folders to import it from.

    A wheel is unpacked into the folder `into`; of a project the metadata is written there. Raises PluginError as
    `check_wheel` does, and for metadata that cannot be read.
    """
    folders = [into]
    if path.is_dir():
        _write_metadata(path, into)
        folders += [folder.absolute() for folder in (path / "src", path) if folder.is_dir()]
    else:
        check_wheel(path, into)
    infos = sorted(into.glob("*.dist-info"))
    if len(infos) != 1:
        raise PluginError(f"{path} has {len(infos)} .dist-info folders, not 1.", hint="Build it again: uv build")
    distribution = metadata.Distribution.at(infos[0])
    if fault := metadata_fault(distribution):
        raise PluginError(f"The metadata of {path} cannot be read: {fault}.", hint="Build it again: uv build")
    return distribution, folders


def _write_metadata(folder: Path, into: Path) -> None:
    """What a build would write of pyproject.toml into METADATA and entry_points.txt."""
    project = _read_project(folder / "pyproject.toml")
    info = into / f"{project['name'].replace('-', '_')}-0.dist-info"
    info.mkdir()
    fields = "".join(f"{name}: {' '.join(str(value).split())}\n" for name, value in _fields(project, folder))
    (info / "METADATA").write_text(fields, "utf-8")
    groups = project.get("entry-points", {})
    lines = [line for group in groups for line in (f"[{group}]", *_pairs(groups[group]))]
    (info / "entry_points.txt").write_text("\n".join(lines), "utf-8")


def _read_project(file: Path) -> dict[str, Any]:
    """The [project] table, whose fields have their types. Raises PluginError naming what is wrong with it."""
    try:
        project = tomllib.loads(read_regular(file, _MAX_PROJECT).decode("utf-8")).get("project", {})
    except (OSError, ValueError, RecursionError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise PluginError(
            f"{file} cannot be read: {reason}.", hint="Give a plugin's name, a project's folder or a wheel."
        ) from cause
    if not isinstance(project, dict) or not isinstance(project.get("name"), str):
        raise PluginError(f"{file} has no [project] table with a name.", hint="See: tlzoo plugins new --help")
    wrong = next((name for name, valid in _VALID.items() if name in project and not valid(project[name])), None)
    if wrong:
        raise PluginError(
            f"{file} has an invalid {wrong!r} in [project].",
            hint="Its fields: https://packaging.python.org/en/latest/specifications/pyproject-toml/",
        )
    return project


def _is_line(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _are_lines(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_line, value))


def _are_entries(value: object) -> bool:
    """Whether each name in each group can be written into entry_points.txt and read again."""
    return isinstance(value, dict) and all(
        _is_key(group) and isinstance(pairs, dict) and all(map(_is_key, pairs)) and all(map(_is_line, pairs.values()))
        for group, pairs in value.items()
    )


def _is_key(value: str) -> bool:
    return value.isprintable() and bool(value.strip()) and not set(value) & set("=[]:#;")


def _stays_inside(pattern: str) -> bool:
    path = PurePosixPath(pattern)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\\" not in pattern


_VALID: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,198}[A-Za-z0-9])?", value) is not None,
    "version": _is_line,
    "dynamic": _are_lines,
    "license": lambda value: (
        isinstance(value, str) or (isinstance(value, dict) and all(isinstance(text, str) for text in value.values()))
    ),
    "license-files": lambda value: _are_lines(value) and all(map(_stays_inside, value)),
    "dependencies": _are_lines,
    "optional-dependencies": lambda value: isinstance(value, dict) and all(map(_are_lines, value.values())),
    "entry-points": _are_entries,
}
"""Of the fields of [project] that are read, what they may hold."""


def _fields(project: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, object]]:
    """The names and values of METADATA."""
    yield from (("Metadata-Version", "2.4"), ("Name", project["name"]))
    yield "Version", project.get("version") or ("0" if "version" in project.get("dynamic", ()) else "none")
    license = project.get("license")
    stated = [license] if isinstance(license, str) else _table(license).values()
    yield from (("License-Expression", str(text).partition("\n")[0]) for text in stated if text)
    for pattern in project.get("license-files") or _LICENSE_FILES:
        yield from (("License-File", path.name) for path in sorted(folder.glob(str(pattern))) if path.is_file())
    yield from (("Requires-Dist", line) for line in project.get("dependencies", ()))
    for extra, lines in _table(project.get("optional-dependencies")).items():
        yield from (("Requires-Dist", f"{line} ; extra == '{extra}'") for line in lines)


def _pairs(table: Any) -> list[str]:
    return [f"{name} = {' '.join(str(value).split())}" for name, value in _table(table).items()]


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _refuse_unsafe_members(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    for member in members:
        parts = PurePosixPath(member.filename)
        if parts.is_absolute() or ".." in parts.parts or "\\" in member.orig_filename or "\0" in member.orig_filename:
            raise PluginError(
                f"{path}: the member {member.orig_filename!r} is outside the archive's folder.", hint="Do not use it."
            )
        if (member.external_attr >> 28) == 0xA:
            raise PluginError(f"{path}: the member {member.filename!r} is a link.", hint="Do not use it.")
    if len(members) > _MAX_MEMBERS or sum(member.file_size for member in members) > _MAX_BYTES:
        raise PluginError(
            f"{path} would unpack to more than {_MAX_MEMBERS} files or {_MAX_BYTES >> 30} GiB.", hint="Do not use it."
        )
