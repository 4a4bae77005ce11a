"""`tlzoo registry` for authors: validate, new-entry, new-key, sign and schema, on real weight files."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tlzoo import progress, registry
from tlzoo.cli import main

IMAGE = {"kind": "image", "size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 1]}
OPTIONS = ("--id", "my/net", "--architecture", "net", "--task", "image-classification", "--feature-dim", "4")
GIVEN = (*OPTIONS, "--preprocess", json.dumps(IMAGE))
MIT = """MIT License

Copyright (c) 2026 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies of the Software.
"""


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


@pytest.fixture
def tlzoo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Outcome]]:
    """Runs `tlzoo registry` with these arguments, in an empty folder of its own and with nothing configured."""
    monkeypatch.setenv("TLZOO_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("TLZOO_REGISTRY", raising=False)
    monkeypatch.chdir(tmp_path)
    progress.set_quiet(False)

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main(["registry", *map(str, arguments)])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights of 40 parameters in a body and 12 in a head, beside statistics and a counter."""
    tensors = {
        "body.weight": np.zeros((4, 8), np.float32),
        "body.bias": np.zeros(8, np.float16),
        "norm.running_mean": np.zeros(8, np.float32),
        "norm.num_batches_tracked": np.zeros((), np.int64),
        "head.weight": np.zeros((4, 3), np.float32),
    }
    (tmp_path / "model").mkdir()
    save_file(tensors, tmp_path / "model" / "model.safetensors")
    return tmp_path / "model" / "model.safetensors"


def write(folder: Path, **files: Any) -> None:
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name.replace("_json", ".json").replace("_md", ".md")).write_text(text)


def test_an_entry_is_written_from_weights(tlzoo: Any, weights: Path) -> None:
    made = tlzoo("new-entry", weights, *GIVEN, "--without", "head")
    entry = made.json
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert entry["parameters"] == 40
    assert entry["source"] == {
        "kind": "file",
        "files": [{"path": "model/model.safetensors", "sha256": digest, "size": weights.stat().st_size}],
    }
    assert "license" not in entry
    assert "head" not in made.err.partition("A head")[0]


def test_a_part_to_leave_out_that_is_not_there_is_named(tlzoo: Any, weights: Path) -> None:
    made = tlzoo("new-entry", weights, *GIVEN, "--without", "classifier")
    assert made.code == 2
    assert "No parameter begins with --without classifier." in made.err


def test_every_parameter_counts_unless_it_is_left_out(tlzoo: Any, weights: Path) -> None:
    made = tlzoo("new-entry", weights, *GIVEN)
    assert made.json["parameters"] == 52
    assert "body 40, head 12" in made.err


def test_the_plugin_that_builds_it_is_named_or_found_missing(tlzoo: Any, weights: Path) -> None:
    lost = tlzoo("new-entry", weights, *GIVEN)
    assert "builder" not in lost.json
    assert "No plugin 'my' is installed to build it. Installed: nlp, speech, vision" in lost.err
    built = tlzoo("new-entry", weights, *GIVEN, "--builder", "vision")
    assert (built.json["builder"], "is installed" in built.err) == ("vision", False)


def test_parameters_of_several_files_are_added_up(tlzoo: Any, weights: Path) -> None:
    save_file({"more": np.zeros(5, np.float32)}, weights.with_name("more.safetensors"))
    assert tlzoo("new-entry", weights, weights.with_name("more.safetensors"), *GIVEN).json["parameters"] == 57


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
def test_a_pickle_is_counted_by_torch_and_executes_nothing(tlzoo: Any, tmp_path: Path) -> None:
    import pickle

    import torch

    torch.save({"state_dict": {"a.weight": torch.zeros(3, 3), "a.steps": torch.zeros(2, dtype=torch.long)}}, "w.pth")
    assert tlzoo("new-entry", "w.pth", *GIVEN).json["parameters"] == 9

    class Harmful:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "executed"),)

    Path("harmful.pth").write_bytes(pickle.dumps({"a": Harmful()}))
    said = tlzoo("new-entry", "harmful.pth", *GIVEN)
    assert (said.code, (tmp_path / "executed").exists()) == (2, False)
    assert tlzoo("new-entry", "harmful.pth", *GIVEN, "--parameters", "1.5k").json["parameters"] == 1500


def test_without_torch_a_pickle_needs_its_count_said(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"x")
    code = "import sys; sys.modules['torch'] = None; from tlzoo.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "registry", "new-entry", str(tmp_path / "w.pth"), *GIVEN]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (asked.returncode, "--parameters" in asked.stderr) == (2, True)
    said = subprocess.run([*command, "--parameters", "10M"], capture_output=True, text=True, check=False)
    assert json.loads(said.stdout)["parameters"] == 10_000_000


def test_safetensors_and_validation_need_no_torch(weights: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from tlzoo.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "registry", "new-entry", str(weights), *GIVEN]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("damage", ["cut", "empty", "header", "text"])
def test_torn_weights_are_refused(tlzoo: Any, weights: Path, damage: str) -> None:
    content = weights.read_bytes()
    torn = {"cut": content[:-4], "empty": b"", "header": b"\xff" * 16, "text": b"version https://git-lfs" * 9}
    weights.write_bytes(torn[damage])
    said = tlzoo("new-entry", weights, *GIVEN)
    assert (said.code, str(weights) in said.err) == (2, True)


def test_what_is_not_known_is_asked_for_all_at_once(tlzoo: Any, weights: Path) -> None:
    said = tlzoo("new-entry", weights, "--id", "my/net")
    assert said.code == 2
    assert all(option in said.err for option in ("--architecture", "--task", "--feature-dim", "--preprocess"))


def test_facts_are_read_from_the_files_beside_a_vision_model(tlzoo: Any, weights: Path) -> None:
    arithmetic = {"interpolation": "bicubic", "mean": [0.1] * 3, "std": [0.2] * 3}
    config = {"input_size": [3, 240, 256], "crop_pct": 0.9, **arithmetic}
    card = "---\nlicense: apache-2.0\npipeline_tag: image-classification\ndatasets:\n- imagenet-1k\n---\n# A model"
    write(
        weights.parent,
        config_json={"architecture": "resnet18", "num_features": 512, "pretrained_cfg": config},
        README_md=card,
    )
    entry = tlzoo("new-entry", weights, "--id", "vision/mine").json
    assert (entry["architecture"], entry["feature_dim"], entry["license"]) == ("resnet18", 512, "Apache-2.0")
    assert (entry["tasks"], entry["pretrained_on"]) == (["image-classification"], ["imagenet-1k"])
    assert entry["preprocess"] == {"kind": "image", "size": [240, 256], "crop": 0.9, **arithmetic}


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        (
            {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "resample": 3},
            {"size": [224, 224], "crop": 0.875, "interpolation": "bicubic"},
        ),
        ({"size": {"height": 224, "width": 224}}, {"size": [224, 224], "crop": 1.0, "interpolation": "bilinear"}),
        ({"size": 384, "do_normalize": False}, {"size": [384, 384], "mean": [0, 0, 0], "std": [1, 1, 1]}),
    ],
)
def test_a_pictures_preprocessing_is_read(tlzoo: Any, weights: Path, processor: Any, expected: Any) -> None:
    write(weights.parent, preprocessor_config_json={"image_mean": [0.5] * 3, "image_std": [0.4] * 3, **processor})
    assert tlzoo("new-entry", weights, *OPTIONS).json["preprocess"].items() >= expected.items()


def test_a_texts_and_a_recordings_preprocessing_is_read(tlzoo: Any, weights: Path) -> None:
    write(
        weights.parent,
        config_json={"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1, "hidden_size": 768},
        tokenizer_config_json={"model_max_length": 512},
    )
    entry = tlzoo("new-entry", weights, "--id", "nlp/mine", "--task", "text-classification").json
    assert entry["preprocess"] == {"kind": "text", "max_length": 512, "pad_id": 1}
    assert (entry["architecture"], entry["feature_dim"]) == ("roberta", 768)
    write(weights.parent, preprocessor_config_json={"sampling_rate": 16000, "chunk_length": 30})
    assert tlzoo("new-entry", weights, *OPTIONS).json["preprocess"]["sample_rate"] == 16000


def test_a_licence_is_recognised_by_its_text(tlzoo: Any, weights: Path) -> None:
    write(weights.parent, LICENSE=MIT)
    assert tlzoo("new-entry", weights, *GIVEN).json["license"] == "MIT"


def test_a_licence_that_is_not_recognised_is_left_out_and_said(tlzoo: Any, weights: Path) -> None:
    write(weights.parent, LICENSE="You may look at it on Tuesdays.")
    made = tlzoo("new-entry", weights, *GIVEN)
    assert ("license" in made.json, "LICENSE: its text is not recognised" in made.err) == (False, True)
    write(weights.parent, LICENSE="GNU GENERAL PUBLIC LICENSE Version 3, 29 June 2007")
    assert "license" not in tlzoo("new-entry", weights, *GIVEN).json


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("language:\n- id\n- no\nlicense: mpl-2.0\ntags: [a, 1]", {"languages": ["id", "no"], "license": "MPL-2.0"}),
        ("language: id\nlicense: [mit, isc]", {"languages": ["id"], "license": None}),
        ("license: other", {"license": None}),
        ("license: [\nlanguage: id", {"license": None, "languages": None}),
        ("- a list", {"license": None}),
    ],
)
def test_the_front_matter_of_a_model_card_is_read(tlzoo: Any, weights: Path, card: str, expected: Any) -> None:
    write(weights.parent, README_md=f"---\n{card}\n---\n# A model")
    entry = tlzoo("new-entry", weights, *GIVEN).json
    assert {field: entry.get(field) for field in expected} == expected


def test_options_override_what_is_read(tlzoo: Any, weights: Path) -> None:
    write(weights.parent, LICENSE=MIT, config_json={"architecture": "other", "num_features": 9})
    entry = tlzoo("new-entry", weights, *GIVEN, "--license", "Apache-2.0").json
    assert (entry["license"], entry["architecture"], entry["feature_dim"]) == ("Apache-2.0", "net", 4)


def test_published_weights_get_their_address(tlzoo: Any, weights: Path) -> None:
    url = "https://example.org/model.safetensors"
    assert tlzoo("new-entry", weights, *GIVEN, "--url", url).json["source"]["url"] == url
    hub = tlzoo("new-entry", weights, *GIVEN, "--repo", "me/net", "--revision", "a" * 40).json["source"]
    assert (hub["kind"], hub["revision"], hub["files"][0]["path"]) == ("hub", "a" * 40, "model.safetensors")
    said = tlzoo("new-entry", weights, *GIVEN, "--url", "http://example.org/x")
    assert (said.code, "source" in said.err) == (2, True)


def test_a_wheels_members_are_hashed_and_counted(tlzoo: Any, weights: Path) -> None:
    with zipfile.ZipFile("my_weights-1.2-py3-none-any.whl", "w") as wheel:
        wheel.write(weights, "my_weights/model.safetensors")
        wheel.writestr("my_weights/LICENSE", "no licence anyone knows")
        wheel.writestr("my_weights-1.2.dist-info/METADATA", "Name: my-weights")
    entry = tlzoo("new-entry", "my_weights-1.2-py3-none-any.whl", *GIVEN).json
    source = entry["source"]
    assert (source["kind"], source["project"], source["version"]) == ("pypi", "my-weights", "1.2")
    assert [member["path"] for member in source["members"]] == ["my_weights/model.safetensors"]
    assert entry["parameters"] == 52
    assert tlzoo("new-entry", "my_weights-1.2-py3-none-any.whl", *GIVEN, "--member", "none").code == 2


def test_two_members_of_one_name_are_not_taken_for_one(tlzoo: Any, weights: Path) -> None:
    with zipfile.ZipFile("my_weights-1.2-py3-none-any.whl", "w") as wheel:
        wheel.write(weights, "a/model.safetensors")
        wheel.writestr("b/model.safetensors", "other")
    said = tlzoo("new-entry", "my_weights-1.2-py3-none-any.whl", *GIVEN)
    assert (said.code, "two files named 'model.safetensors'" in said.err, "--member" in said.err) == (2, True, True)
    chosen = tlzoo("new-entry", "my_weights-1.2-py3-none-any.whl", *GIVEN, "--member", "a/model.safetensors").json
    assert [member["path"] for member in chosen["source"]["members"]] == ["a/model.safetensors"]


def test_a_member_that_is_empty_is_named(tlzoo: Any, weights: Path) -> None:
    with zipfile.ZipFile("my_weights-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("a/w.bin", "")
    said = tlzoo("new-entry", "my_weights-1.2-py3-none-any.whl", *GIVEN, "--member", "a/w.bin")
    assert (said.code, "'a/w.bin' is empty" in said.err) == (2, True)


def test_entries_gather_in_a_file_that_validates_and_is_used(tlzoo: Any, weights: Path, tmp_path: Path) -> None:
    assert tlzoo("new-entry", weights, *GIVEN, "--into", "zoo.json").code == 0
    other = ("--id", "my/other", *GIVEN[2:])
    assert tlzoo("new-entry", weights, *other, "--into", "zoo.json").code == 0
    document = json.loads(Path("zoo.json").read_text())
    assert ([entry["id"] for entry in document["checkpoints"]], document["sequence"]) == (["my/net", "my/other"], 2)
    assert tlzoo("validate", "zoo.json", "--json").json == [
        {"file": "zoo.json", "valid": True, "entries": 2, "faults": []}
    ]
    again = tlzoo("new-entry", weights, *other, "--into", "zoo.json")
    assert (again.code, "my/other" in again.err) == (2, True)
    assert tlzoo("add", "zoo.json").code == 0
    assert registry.get("my/net").source.files[0].path == str(weights)  # type: ignore[union-attr]


def test_validate_says_every_fault_of_every_file(tlzoo: Any, tmp_path: Path) -> None:
    entry = {"id": "my/net", "architecture": "net", "tasks": [], "parameters": 0, "feature_dim": 4, "preprocess": IMAGE}
    write(tmp_path, a_json={"checkpoints": [entry], "colour": "red"}, b_json='{"checkpoints": [], "checkpoints": []}')
    said = tlzoo("validate", "a.json", "b.json", "none.json", "--json")
    faults = {(f["file"], each["entry"], each["field"]) for f in json.loads(said.out) for each in f["faults"]}
    assert said.code == 2
    assert faults == {
        ("a.json", None, "colour"), ("a.json", "my/net", "source"), ("a.json", "my/net", "tasks"),
        ("a.json", "my/net", "parameters"), ("b.json", None, "checkpoints"), ("none.json", None, None),
    }  # fmt: skip
    assert tlzoo("validate", "a.json").out.count("a.json") == 4


def test_what_is_published_may_name_no_local_files(tlzoo: Any, weights: Path) -> None:
    tlzoo("new-entry", weights, *GIVEN, "--into", "zoo.json")
    tlzoo("new-key", "key")
    assert (tlzoo("validate", "zoo.json").code, tlzoo("validate", "zoo.json", "--published").code) == (0, 2)
    said = tlzoo("sign", "zoo.json", "--key", "key")
    assert (said.code, Path("zoo.json.sig").exists()) == (2, False)


def test_the_built_in_registry_is_valid_as_published(tlzoo: Any) -> None:
    built_in = Path(__file__).parents[3] / "registry.json"
    assert tlzoo("validate", built_in, "--published").code == 0


@pytest.mark.needs("openssl")
def test_a_signature_is_openssls_too(tlzoo: Any, tmp_path: Path) -> None:
    import base64

    write(tmp_path, zoo_json={"checkpoints": []})
    public = tlzoo("new-key", "key").out.strip()
    assert len(base64.b64decode(public)) == 32
    assert Path("key.pub").read_text().strip() == public
    signed = tlzoo("sign", "zoo.json", "--key", "key")
    assert (signed.code, public in signed.err, "'sequence'" in signed.err) == (0, True, True)
    Path("raw.sig").write_bytes(base64.b64decode(Path("zoo.json.sig").read_text()))
    key = ["openssl", "pkey", "-in", "key", "-pubout", "-out", "key.pem"]
    verify = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "zoo.json"]
    subprocess.run(key, check=True, capture_output=True)
    subprocess.run([*verify, "-sigfile", "raw.sig"], check=True, capture_output=True)
    assert "PUBLIC KEY" in Path("key.pem").read_text()


def test_the_schema_is_one_that_a_registry_meets(tlzoo: Any) -> None:
    schema = tlzoo("schema").json
    assert {"checkpoints", "sequence", "schema_version"} <= set(schema["properties"])


def test_the_documented_registry_is_valid(tlzoo: Any) -> None:
    page = (Path(__file__).parents[3] / "docs" / "registries.md").read_text()
    Path("documented.json").write_text(page.partition("```json\n")[2].partition("```")[0])
    assert tlzoo("validate", "documented.json", "--published").code == 0


def test_every_command_and_option_of_the_page_exists(tlzoo: Any) -> None:
    import re

    page = (Path(__file__).parents[3] / "docs" / "registries.md").read_text().replace("\\\n", " ")
    for name, rest in re.findall(r"^tlzoo registry ([a-z-]+)(.*)$", page, re.MULTILINE):
        known = tlzoo(name, "--help")
        assert known.code == 0, name
        for option in re.findall(r"--[a-z0-9-]+", rest.partition("#")[0]):
            assert option in known.out, f"{name} {option}"


@pytest.mark.needs("mkfifo")
@pytest.mark.parametrize("command", [("validate",), ("add",), ("sign", "--key", "key")])
def test_a_pipe_is_refused_without_waiting_for_whoever_writes_into_it(tmp_path: Path, command: tuple[str, ...]) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    environment = {**os.environ, "TLZOO_CONFIG": str(tmp_path / "config")}
    said = subprocess.run(
        [sys.executable, "-m", "tlzoo", "registry", *command, "pipe.json"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (said.returncode, "it is not a file" in said.stdout + said.stderr) == (2, True)


def test_half_a_surrogate_pair_in_an_id_can_be_told(tlzoo: Any, tmp_path: Path) -> None:
    write(tmp_path, a_json='{"checkpoints": [{"id": "my/\\ud800"}]}')
    as_text, as_json = tlzoo("validate", "a.json"), tlzoo("validate", "a.json", "--json")
    assert (as_text.code, as_json.code) == (2, 2)
    assert r"my/\ud800" in as_text.out
    assert json.loads(as_json.out)[0]["faults"][0]["entry"] == "my/\ud800"


def test_validate_takes_no_other_type_for_a_number(tlzoo: Any, weights: Path, tmp_path: Path) -> None:
    entry = tlzoo("new-entry", weights, *GIVEN).json
    for wrong in (True, "40"):
        write(tmp_path, a_json={"checkpoints": [{**entry, "parameters": wrong}]})
        (document,) = json.loads(tlzoo("validate", "a.json", "--json").out)
        assert [(fault["entry"], fault["field"]) for fault in document["faults"]] == [("my/net", "parameters")]


def test_a_missing_option_points_to_the_help_of_its_own_command(tlzoo: Any) -> None:
    assert "tlzoo registry new-entry --help" in tlzoo("new-entry", "x").err
