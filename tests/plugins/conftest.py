"""Plugins as real distributions on sys.path, of this process and of those that it starts."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tlzoo import plugins

GOOD = """
    from tlzoo import hookimpl

    @hookimpl
    def freeze(model, policy):
        return None
"""


@pytest.fixture
def ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """A function that puts the distribution `tlzoo-<name>` with a package of one module on the path; its folder.

    `files` are further ones of the package, `entries` replaces entry_points.txt, `fields` are more lines of METADATA.
    """
    monkeypatch.delenv("TLZOO_PLUGINS", raising=False)
    plugins.import_plugin.cache_clear()
    sites: list[str] = []

    def add(
        name: str, code: str = GOOD, *, files: dict[str, str] | None = None, entries: str = "", fields: str = ""
    ) -> Path:
        package = f"tlzoo_{name}"
        site = tmp_path / name
        info = site / f"{package}-1.2.dist-info"
        info.mkdir(parents=True)
        (site / package).mkdir()
        for file, text in {"__init__.py": "", "plugin.py": textwrap.dedent(code), **(files or {})}.items():
            (site / package / file).write_text(text, encoding="utf-8")
        head = f"Metadata-Version: 2.4\nName: tlzoo-{name}\nVersion: 1.2\n"
        licensed = "License-Expression: MIT\nLicense-File: LICENSE\n"
        (info / "METADATA").write_text(head + (fields or f"{licensed}Requires-Dist: tlzoo>=0.1,<0.2\n"))
        (info / "entry_points.txt").write_text(entries or f"[tlzoo]\n{name} = {package}.plugin\n")
        sites.insert(0, str(site))
        monkeypatch.syspath_prepend(site)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sites))
        return site / package

    yield add
    plugins.import_plugin.cache_clear()


@pytest.fixture(scope="session")
def registry_text() -> Callable[..., str]:
    """A registry file with one entry of this id and these fields."""

    def make(id: str, **fields: object) -> str:
        source = {"kind": "url", "url": "https://example.org/x", "sha256": "0" * 64, "size": 1}
        preprocess = {"kind": "image", "size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 1]}
        entry = {"id": id, "architecture": "x", "source": source, "tasks": ["image-classification"], "parameters": 1}
        return json.dumps({"checkpoints": [{**entry, "feature_dim": 1, "preprocess": preprocess, **fields}]})

    return make
