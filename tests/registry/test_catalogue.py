"""Looking up, searching, merging and validating registry files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from tlzoo import registry
from tlzoo.errors import RegistryError, UnknownCheckpoint, UsageError
from tlzoo.registry import catalogue, files
from tlzoo.registry.schema import FileSource

SHA = "0" * 64


def entry(id: str = "mine/small", **changes: Any) -> dict[str, Any]:
    return {
        "id": id,
        "architecture": "resnet18",
        "source": {"kind": "url", "url": "https://example.com/w.bin", "sha256": SHA, "size": 3},
        "tasks": ["image-classification"],
        "parameters": 10,
        "feature_dim": 4,
        "preprocess": {"kind": "image", "size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 1]},
        **changes,
    }


def write(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"checkpoints": entries}))
    return path


def fault(path: Path) -> str:
    with pytest.raises(RegistryError) as caught:
        registry.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in caught.value.message
    return caught.value.message


def test_the_built_in_registry_has_the_checkpoints_that_come_by_package() -> None:
    found = {checkpoint.id for checkpoint in registry.find(text="by-package")}
    assert {
        "nlp/all-minilm-l6-v2",
        "speech/resemblyzer",
        "speech/whisper-tiny-en",
        "vision/efficientnet-lite0",
        "vision/mobilenetv2",
    } <= found


def test_the_built_in_registry_names_at_least_forty_hub_checkpoints() -> None:
    assert sum(checkpoint.source.kind == "hub" for checkpoint in registry.find()) >= 40


def test_every_license_of_the_built_in_registry_is_one_that_spdx_knows_or_absent() -> None:
    known = {"Apache-2.0", "BSD-3-Clause", "CC-BY-NC-4.0", "MIT", None}
    assert {checkpoint.license for checkpoint in registry.find()} <= known


def test_get_returns_the_entry_of_that_id() -> None:
    assert registry.get("vision/resnet50").feature_dim == 2048


@pytest.mark.parametrize(("wrong", "right"), [("vision/resnt50", "vision/resnet50"), ("resnet50", "vision/resnet50")])
def test_an_unknown_checkpoint_is_answered_with_the_nearest_ids(wrong: str, right: str) -> None:
    with pytest.raises(UnknownCheckpoint) as caught:
        registry.get(wrong)
    assert wrong in caught.value.message
    assert right in caught.value.hint


def test_an_id_near_to_none_is_answered_with_how_to_see_them_all() -> None:
    with pytest.raises(UnknownCheckpoint) as caught:
        registry.get("zzzzzz")
    assert "tlzoo models" in caught.value.hint


def test_an_installation_without_its_look_ups_is_reported_and_not_taken_for_an_unknown_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalogue, "LOOKUPS", "tlzoo.absent")
    assert registry.get("vision/resnet50").id == "vision/resnet50"
    with pytest.raises(RegistryError, match=r"entry points 'tlzoo\.absent'") as caught:
        registry.get("zzzzzz")
    assert caught.value.hint.startswith("Install tlzoo again")


def test_what_is_asked_beyond_the_registries_is_the_lock_file_and_then_the_plugins() -> None:
    asked = [f"{lookup.__module__}.{lookup.__name__}" for lookup in catalogue._lookups()]
    assert asked == ["tlzoo.weights.lockfile.locked_entry", "tlzoo.plugins.resolve.resolve"]


def test_find_keeps_what_meets_every_condition() -> None:
    found = registry.find(task="image-classification", license="apache-2.0", max_parameters=5_000_000, plugin="vision")
    assert found
    assert all("image-classification" in c.tasks and c.license == "Apache-2.0" for c in found)
    assert all(c.parameters <= 5_000_000 and c.plugin == "vision" for c in found)
    assert "vision/efficientnet-lite0" in [c.id for c in found]


def test_find_knows_the_indonesian_encoders() -> None:
    found = [checkpoint.id for checkpoint in registry.find(language="id", plugin="nlp")]
    assert {"nlp/indobert-base-p1", "nlp/indobert-base-uncased", "nlp/xlm-roberta-base"} <= set(found)
    assert "nlp/bert-base-uncased" not in found


def test_find_sorts_both_ways() -> None:
    sizes = [checkpoint.parameters for checkpoint in registry.find(sort="parameters")]
    assert sizes == sorted(sizes)
    assert [c.parameters for c in registry.find(sort="-parameters")] == sizes[::-1]


def test_find_refuses_an_unknown_order() -> None:
    with pytest.raises(UsageError, match="Choose one of: id"):
        registry.find(sort="beauty")


def test_load_returns_the_entries_of_a_file(tmp_path: Path) -> None:
    assert [c.id for c in registry.load(write(tmp_path / "r.json", entry("a/b"), entry("a/c")))] == ["a/b", "a/c"]


def test_an_unknown_field_is_named_with_file_and_entry(tmp_path: Path) -> None:
    message = fault(write(tmp_path / "r.json", entry("a/ok"), entry("a/b", colour="red")))
    assert "'a/b'" in message
    assert "'colour'" in message


def test_an_unknown_field_in_depth_is_named_with_its_path(tmp_path: Path) -> None:
    source = {"kind": "url", "url": "https://example.com/w", "sha256": SHA, "size": 3, "mirror": "x"}
    assert "source.url.mirror" in fault(write(tmp_path / "r.json", entry(source=source)))


@pytest.mark.parametrize("path", ["../up.bin", "a/../../up.bin", "/etc/passwd", "C:/x.bin", "a\\b", ""])
def test_a_member_outside_its_archive_is_refused(tmp_path: Path, path: str) -> None:
    members = [{"path": path, "sha256": SHA, "size": 1}]
    source = {"kind": "pypi", "project": "p", "version": "1", "archive": "p-1-py3-none-any.whl", "members": members}
    message = fault(write(tmp_path / "r.json", entry(source=source)))
    assert "source.pypi.members.0.path" in message


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    members = [{"path": f"{folder}/w.bin", "sha256": SHA, "size": 1} for folder in "ab"]
    source = {"kind": "pypi", "project": "p", "version": "1", "archive": "p-1-py3-none-any.whl", "members": members}
    assert "'w.bin'" in fault(write(tmp_path / "r.json", entry(source=source)))


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    assert "duplicate id 'a/b'" in fault(write(tmp_path / "r.json", entry("a/b"), entry("a/b")))


def test_a_key_that_stands_twice_is_named_with_its_entry(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"checkpoints": [entry("a/b")]}).replace('"size": 3', '"size": 3, "size": 4'))
    message = fault(path)
    assert "'a/b'" in message
    assert "'source.size'" in message


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"checkpoints": 3}', "[" * 100_000, "{}"])
def test_what_is_no_registry_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    fault(path)


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(b"\xff\xfe\x00")
    fault(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    fault(tmp_path / "none.json")
    fault(tmp_path)


def test_only_a_users_own_registry_may_name_files(tmp_path: Path) -> None:
    source = {"kind": "file", "files": [{"path": "w.bin", "sha256": SHA, "size": 1}]}
    path = write(tmp_path / "r.json", entry(source=source))
    assert "'source.kind'" in fault(path)
    (checkpoint,) = registry.load(path, allow_files=True)
    assert isinstance(checkpoint.source, FileSource)
    assert checkpoint.source.files[0].path == str(tmp_path / "w.bin")


def test_a_users_entry_wins_over_the_built_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write(tmp_path / "1.json", entry("vision/resnet50"), entry("mine/small"))
    second = write(tmp_path / "2.json", entry("mine/small", parameters=77))
    monkeypatch.setenv("TLZOO_REGISTRY", f"{first}{os.pathsep}{second}")
    assert registry.get("vision/resnet50").parameters == 10
    assert registry.get("mine/small").parameters == 77
    assert registry.get("vision/vgg16").parameters > 10**8


def test_an_edited_registry_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "r.json", entry("mine/small"))
    monkeypatch.setenv("TLZOO_REGISTRY", str(path))
    assert registry.get("mine/small").parameters == 10
    write(path, entry("mine/small", parameters=12345))
    assert registry.get("mine/small").parameters == 12345


def test_a_users_registry_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLZOO_REGISTRY", str(tmp_path / "none.json"))
    with pytest.raises(RegistryError, match=r"none\.json"):
        registry.find()


def distribution(site: Path, package: str, entry_point: str, *entries: dict[str, Any]) -> None:
    """An installed plugin that contributes checkpoints, and says so when it is imported."""
    (site / package).mkdir(parents=True)
    (site / package / "__init__.py").write_text("raise SystemExit('imported')")
    write(site / package / "registry.json", *entries)
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[tlzoo.registry]\n{entry_point}\n")


def test_a_plugins_checkpoints_are_read_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path / "site", "zoo_birds", "birds = zoo_birds:registry.json", entry("birds/heron"))
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert registry.get("birds/heron").plugin == "birds"
    assert "zoo_birds" not in sys.modules


def test_a_plugin_that_is_switched_off_contributes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path / "site", "zoo_off", "off = zoo_off:registry.json", entry("off/x"))
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("TLZOO_PLUGINS", "")
    assert "off/x" not in [checkpoint.id for checkpoint in registry.find()]


@pytest.mark.parametrize(
    ("name", "value", "id"),
    [
        ("finch", "zoo_finch:registry.json", "eagle/big"),
        ("finch", "zoo_finch:missing.json", "finch/x"),
        ("finch", "zoo_absent:registry.json", "finch/x"),
        ("finch", "zoo_finch:../registry.json", "finch/x"),
        ("finch", "zoo_finch", "finch/x"),
    ],
)
def test_a_bad_plugin_registry_is_warned_about_once_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, id: str
) -> None:
    distribution(tmp_path / "site", "zoo_finch", f"{name} = {value}", entry(id))
    monkeypatch.syspath_prepend(tmp_path / "site")
    files._warned.clear()
    with pytest.warns(RuntimeWarning, match="'finch'"):
        found = [checkpoint.id for checkpoint in registry.find()]
    assert id not in found
    assert "vision/resnet50" in found
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        registry.find()


def test_the_registry_is_found_inside_the_package_and_beside_it(tmp_path: Path) -> None:
    source = Path(catalogue.__file__).parents[1]
    for inside in (True, False):
        home = tmp_path / str(inside)
        (home / "tlzoo").mkdir(parents=True)
        for path in source.rglob("*.py"):
            target = home / "tlzoo" / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        write((home / "tlzoo" if inside else home) / "registry.json", entry("mine/here"))
        code = "import tlzoo; print([c.id for c in tlzoo.registry.find()])"
        environment = {**os.environ, "PYTHONPATH": str(home), "TLZOO_PLUGINS": ""}
        done = subprocess.run([sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True)
        assert done.stdout.strip() == "['mine/here']", done.stderr


def test_looking_up_imports_no_heavy_library() -> None:
    code = (
        "import sys, tlzoo.registry, tlzoo.weights.fetch as s; tlzoo.registry.find()\n"
        "heavy = {'torch', 'numpy', 'transformers', 'timm', 'onnxruntime', 'huggingface_hub', 'pip'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
