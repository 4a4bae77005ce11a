"""The file of the registries that a user has added: versions, seal, and what cannot stand in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import RegistryError
from tlzoo.registry.subscriptions import config

KEY = "A" * 43 + "="
OWN = {"name": "own", "path": "/data/own.json"}
FAR = {"name": "far", "url": "https://example.org/r.json", "first": True, "key": KEY}
HELD = {"sha256": "a" * 64, "fetched": "2026-01-02T03:04:05Z", "sequence": 7, "etag": '"x"'}
SEAL = "f1860f2cde654104d06496f2ab6c52ef244b0564f95773102c989c156095d203"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    config.config_folder().mkdir(parents=True)
    return config.config_file()


def document(*registries: dict[str, Any], **more: Any) -> str:
    return json.dumps({"registries": registries, **more})


def test_the_seal_is_that_of_files_that_were_written_before(file: Path):
    file.write_text(document(OWN, {**FAR, "held": HELD}, version=2, seal=SEAL))
    own, far = config.read()
    assert (own.name, own.path, own.first, own.held) == ("own", "/data/own.json", False, None)
    assert far.held is not None
    assert (far.url, far.key, far.held.sequence, far.held.last_modified) == (FAR["url"], KEY, 7, None)
    for change in ({"first": False}, {"url": "https://example.com/r.json"}, {"key": "B" * 43 + "="}):
        file.write_text(document(OWN, {**FAR, "held": HELD, **change}, version=2, seal=SEAL))
        with pytest.raises(RegistryError, match="its fields are not those that were sealed; after a change of your"):
            config.read()


def test_what_is_written_is_sealed_and_read_again(file: Path):
    file.write_text(document(OWN))
    assert config.update_config(lambda held: (*held, config.Subscription.model_validate(FAR))) == config.read()
    written = json.loads(file.read_text())
    assert (written["version"], len(written["seal"])) == (2, 64)
    assert written["registries"] == [{**OWN, "first": False, "unpinned": False}, {**FAR, "unpinned": False}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (document(OWN, {**OWN, "path": "/b"}), "duplicate name 'own'"),
        (document({"name": "own"}), "either a path or a url"),
        (document({**FAR, "path": "/b"}), "either a path or a url"),
        (document({**FAR, "sha256": "a" * 64}), "a url needs one of sha256, key and unpinned"),
        (document({"name": "far", "url": FAR["url"]}), "a url needs one of sha256, key and unpinned"),
        (document({**FAR, "unpinned": True}), "a url needs one of sha256, key and unpinned"),
        (document({**FAR, "url": "http://example.org/r.json"}), "registries.0.url: "),
        (document({**FAR, "key": "short="}), "registries.0.key: "),
        (document({**OWN, "more": 1}), "registries.0.more: "),
        (document(OWN, version=3), "version: "),
    ],
)
def test_what_cannot_stand_in_it_is_named(file: Path, text: str, reason: str):
    file.write_text(text)
    with pytest.raises(RegistryError) as error:
        config.read()
    assert error.value.message.startswith(f"{file} is damaged: ")
    assert reason in error.value.message
    assert f"rm {file}" in error.value.hint


def test_one_is_of_a_file_or_pinned_by_a_hash_or_a_key_or_trusted_as_it_is(file: Path):
    far = {name: FAR[name] for name in ("name", "url")}
    for place, trust in enumerate(({"sha256": "a" * 64}, {"key": KEY}, {"unpinned": True})):
        file.write_text(document(OWN, {**far, **trust}) + " " * place)
        assert [each.name for each in config.read()] == ["own", "far"]


def test_a_copy_lies_below_the_configuration_and_a_file_of_the_users_has_none():
    far = config.Subscription.model_validate({**FAR, "held": HELD})
    path = config.copy_path(far)
    assert path is not None
    assert path.parent == config.copies_folder()
    assert config.copy_path(config.Subscription.model_validate(FAR)) is None
    assert config.copy_path(config.Subscription.model_validate(OWN)) is None
    assert not config.copy_is_intact(far)
