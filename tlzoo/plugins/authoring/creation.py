"""A new plugin's project, from the files in `tlzoo/template`: those for every plugin, then the modality's own."""

from __future__ import annotations

import importlib.util
import json
import re
import runpy
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from tlzoo.errors import UsageError
from tlzoo.io.disk import write_text
from tlzoo.io.entry_points import declared_entries as entries
from tlzoo.io.entry_points import normalize_name
from tlzoo.io.files import atomic_folder, why_unwritable
from tlzoo.io.locks import output_lock
from tlzoo.plugins.discovery import FIRST_PARTY, PREFIX_GROUP, contributors, declared_plugins

TEMPLATE = Path(__file__).with_name("template")
RENAMED = {"gitignore": ".gitignore", "github": ".github"}
RESERVED_WORDS = ("tlzoo", "embeddings", "logits", "probabilities", "vector", "sequence", "map")
"""Words that mean something else in ids or exported files."""


@dataclass(frozen=True)
class ModalityTemplate:
    """What differs between modalities beside code: data, preprocessing, the weights' shapes, and files beside them."""

    folder: str
    data: str
    preprocess: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]
    files: tuple[str, ...] = ("weights.safetensors",)


_PIXELS = {"kind": "image", "size": [32, 32], "crop": 1.0, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def _biased(**weights: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """A bias behind each weight."""
    named = {name.replace("_", "."): shape for name, shape in weights.items()}
    return {
        f"{name}.{part}": size
        for name, shape in named.items()
        for part, size in (("weight", shape), ("bias", shape[:1]))
    }


MODALITIES = {
    "image": ModalityTemplate(
        "image",
        "DATA is a folder with a folder of pictures for each class.",
        _PIXELS,
        _biased(stem_0=(8, 3, 3, 3), body_0=(16, 8, 3, 3), body_2=(24, 16, 3, 3)),
    ),
    "text": ModalityTemplate(
        "text",
        "DATA is a CSV, TSV, JSONL or Parquet file with the columns `text` and `label`.",
        {"kind": "text", "max_length": 256, "pad_id": 256},
        {"stem.weight": (257, 8), **_biased(body_0=(16, 8, 3), body_1=(24, 16, 3))},
        ("weights.safetensors", "tokenizer.json"),
    ),
    "audio": ModalityTemplate(
        "audio",
        "DATA is a folder with a folder of recordings for each class.",
        {"kind": "audio", "sample_rate": 16000, "seconds": 1.0},
        _biased(stem_0=(8, 1, 64), body_0=(16, 8, 8), body_2=(24, 16, 4)),
    ),
}


def _custom_modality(name: str) -> ModalityTemplate:
    return ModalityTemplate(
        "own",
        "DATA is a folder with a folder of `.csv` files for each class; each file holds the numbers of one sample.",
        {"kind": "plugin", "plugin": name, "options": {"length": 128}, "endings": [".csv"]},
        _biased(stem_0=(8, 1, 7), body_0=(16, 8, 5), body_2=(24, 16, 5)),
    )


@dataclass(frozen=True)
class Project:
    """A project that was written: its folder, its distribution's name, and the commands to type next."""

    path: Path
    distribution: str
    next: list[str]


def create(name: str, modality: str, out: Path | None = None, author: str = "") -> Project:
    """Write a plugin's project into the folder `out` (default `tlzoo-<name>`), whole or not at all.

    `modality` is `image`, `text`, `audio` or a word of one's own. Raises UsageError for a name that is not possible or
    taken, and for a folder that exists.
    """
    _check_words(name, modality)
    distribution = f"tlzoo-{name.replace('_', '-')}"
    package = distribution.replace("-", "_")
    _check_free(name, distribution, package)
    path = Path(distribution) if out is None else out
    _check_new(path)
    if reason := why_unwritable(path):
        raise UsageError(f"{path} cannot be written: {reason}.", hint="Choose another `out`.", parameter="out")
    kind = MODALITIES.get(modality) or _custom_modality(name)
    words = _words(name, modality, kind, author) | {"distribution": distribution, "package": package}
    with output_lock(path, UsageError):
        _check_new(path)  # another process may have ended meanwhile
        with atomic_folder(path) as folder:
            for source in ("every", kind.folder):
                _write(TEMPLATE / source, folder, words)
            for script in ("make_tokenizer", "make_weights"):
                _run_script(folder / "tools" / f"{script}.py")
    return Project(path.absolute(), distribution, _next(name, path))


def _check_new(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} already exists.", hint="Choose another `out`.", parameter="out")


def _next(name: str, path: Path) -> list[str]:
    """The commands from an installed core to the project's own tests; the extra brings torch and pytest."""
    shown = str(path) if path.is_absolute() or str(path).startswith(".") else f"./{path}"
    return [
        f"tlzoo plugins install {shlex.quote(f'{shown}[test]')}",
        f"tlzoo plugins check {name}",
        f"tlzoo models show {name}/small",
        f"cd {shlex.quote(shown)} && python -m pytest",
    ]


def _check_words(name: str, modality: str) -> None:
    if name.startswith(("tlzoo-", "tlzoo_")):
        raise UsageError(
            f"The plugin name {name!r} must not start with tlzoo.",
            hint=f"Type: tlzoo plugins new {name[6:]}",
            parameter="name",
        )
    if not re.fullmatch(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*", name) or len(name) > 40:
        raise UsageError(
            f"{name!r} cannot be a plugin's name.",
            hint="Use lower-case letters and digits, words joined by one '-' or '_', 40 characters at most.",
            parameter="name",
        )
    if name in RESERVED_WORDS or name in MODALITIES:
        raise UsageError(f"The name {name!r} is reserved in tlzoo.", hint="Choose another.", parameter="name")
    if modality not in MODALITIES and (
        not re.fullmatch(r"[a-z][a-z0-9]{1,30}", modality) or modality in RESERVED_WORDS
    ):
        raise UsageError(
            f"{modality!r} cannot be a modality.",
            hint="Use image, text, audio, or one word of lower-case letters.",
            parameter="modality",
        )


def _check_free(name: str, distribution: str, package: str) -> None:
    if name in FIRST_PARTY:
        raise UsageError(
            f"The name {name!r} is taken by {FIRST_PARTY[name]}.", hint="Choose another.", parameter="name"
        )
    owners = [str(plugin) for plugin in declared_plugins() if plugin.name == name]
    owners += [one for one in contributors() if normalize_name(one) == normalize_name(distribution)]
    owners += [one.distribution for one in entries(PREFIX_GROUP) if one.name == name]
    if not owners and importlib.util.find_spec(package) is not None:
        owners = [f"the package {package}"]
    if owners:
        raise UsageError(
            f"The name {name!r} is taken by {owners[0]}, which is installed.", hint="Choose another.", parameter="name"
        )


def _words(name: str, modality: str, kind: ModalityTemplate, author: str) -> dict[str, str]:
    """What the template's placeholders stand for."""
    shapes = (
        f'    "{tensor}": ({", ".join(map(str, shape))}{"," * (len(shape) == 1)}),'
        for tensor, shape in kind.shapes.items()
    )
    empty = '          {{"path": "{}", "sha256": "' + "0" * 64 + '", "size": 1}}'
    own = kind.folder == "own"
    return {
        "name": name,
        "modality": modality,
        "Modality": modality.capitalize(),
        "about_data": kind.data,
        "preprocess": json.dumps(dict(kind.preprocess)),
        "preprocess_row": f"| `tlzoo_{name.replace('-', '_')}/preprocess.py` | from files to arrays |\n" if own else "",
        "shapes": "\n".join(shapes),
        "files": ",\n".join(empty.format(file) for file in kind.files),
        "authors": _authors(author),
    }


def _authors(author: str) -> str:
    """The line of pyproject.toml; raises UsageError for what is no name and address."""
    found = re.fullmatch(r"\s*([^<>\x00-\x1f]*?)\s*(?:<([^<>@\s]+@[^<>@\s]+)>)?\s*", author)
    if not found:
        raise UsageError(
            f"{author!r} is not a valid author.", hint="Example: 'Ada Lovelace <ada@example.org>'", parameter="author"
        )
    given = {key: value for key, value in (("name", found[1]), ("email", found[2])) if value}
    fields = ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in given.items())
    return f"authors = [{{ {fields} }}]" if fields else "authors = []"


class _ProjectTemplate(Template):
    """Placeholders are `§word`: what Python, TOML and workflows use themselves stays as it is."""

    delimiter = "§"


def _write(source: Path, folder: Path, words: Mapping[str, str]) -> None:
    """Every file below `source`, its placeholders filled in; `package` is renamed to the package's name."""
    names = RENAMED | {"package": words["package"]}
    for file in sorted(source.rglob("*.in")):
        parts = [names.get(part, part) for part in file.relative_to(source).with_suffix("").parts]
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, _ProjectTemplate(file.read_text("utf-8")).substitute(words))


def _run_script(script: Path) -> None:
    """Run one of the template's scripts where the modality has it; it needs no torch."""
    if script.is_file():
        main = runpy.run_path(str(script))["main"]
        main([]) if script.stem == "make_weights" else main()
