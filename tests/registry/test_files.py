"""Which registry files are used, in which order, and where those that plugins bring lie."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tlzoo.errors import RegistryError
from tlzoo.registry import files
from tlzoo.registry.files import RegistryOrigin, contributed_file, origin_of, origins, warn_once
from tlzoo.registry.subscriptions import config
from tlzoo.registry.subscriptions.config import FetchedCopy, Subscription

URL = "https://example.org/registry.json"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Warnings are due again, and the user has added nothing."""
    monkeypatch.setattr(files, "_warned", set())
    monkeypatch.setenv("TLZOO_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("TLZOO_REGISTRY", raising=False)


def remote(name: str, content: bytes, **fields: object) -> Subscription:
    """A remote registry whose copy is here."""
    held = FetchedCopy(sha256=config.store_copy(name, content), fetched=datetime(2026, 1, 1, tzinfo=UTC))
    return Subscription.model_validate({"name": name, "url": URL, "unpinned": True, "held": held, **fields})


def test_the_users_own_come_first_the_last_named_before_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("TLZOO_REGISTRY", os.pathsep.join([str(tmp_path / "a"), "", "~/b"]))
    local = Subscription(name="own", path=str(tmp_path / "own.json"))
    config.update_config(lambda _: (local, remote("far", b"{}"), remote("near", b"{}", first=True)))
    found = origins()
    home = str(Path("~/b").expanduser())
    assert [(one.name, one.kind) for one in found[:4]] == [
        (home, "user"), (str(tmp_path / "a"), "user"), ("near", "remote"), ("built-in", "built-in"),
    ]  # fmt: skip
    assert [(one.name, one.kind) for one in found[-2:]] == [("own", "user"), ("far", "remote")]
    assert {one.kind for one in found[4:-2]} <= {"plugin"}
    assert found[3].path == files.built_in()
    assert files.built_in().name == "registry.json"


def test_a_file_of_the_users_is_trusted_as_theirs():
    assert origin_of(Subscription(name="own", path="/x/y.json")) == RegistryOrigin("own", "user", Path("/x/y.json"))


def test_a_copy_that_is_whole_is_used():
    registry = remote("far", b"{}")
    path = config.copy_path(registry)
    assert path is not None
    assert origin_of(registry) == RegistryOrigin("far", "remote", path)


@pytest.mark.parametrize(
    ("damage", "fault"), [("gone", "its copy is missing."), ("changed", "is damaged."), ("never", "")]
)
def test_a_copy_that_is_gone_or_changed_is_ignored_with_a_warning(damage: str, fault: str):
    registry = remote("far", b"{}")
    path = config.copy_path(registry)
    assert path is not None
    if damage == "gone":
        path.unlink()
    elif damage == "changed":
        path.write_bytes(b"[]")
        fault = f"its copy {path} is damaged."
    else:
        registry, fault = registry.model_copy(update={"held": None}), "its copy is missing."
    with pytest.warns(RuntimeWarning) as warned:
        assert origin_of(registry) is None
    said = f"The registry 'far' is ignored: {fault} Fetch it again: tlzoo registry update far"
    assert [str(one.message) for one in warned] == [said]


def test_a_warning_is_given_once(recwarn: pytest.WarningsRecorder):
    for message in ("one", "two", "one"):
        warn_once(message)
    assert [str(one.message) for one in recwarn] == ["one", "two"]


@pytest.mark.parametrize("value", ["package", "package:", "", ":"])
def test_an_entry_point_without_a_file_is_refused(value: str):
    with pytest.raises(RegistryError) as refused:
        contributed_file(value)
    assert refused.value.message == f"entry point {value!r} is not 'package:registry.json'."


@pytest.mark.parametrize("value", ["json:/etc/passwd", "json:../x.json", "json:a/../../x.json"])
def test_a_file_outside_its_package_is_refused(value: str):
    with pytest.raises(RegistryError, match=r"is not 'package:registry\.json'"):
        contributed_file(value)


def test_a_file_in_a_package_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "tlzoo_some" / "deep").mkdir(parents=True)
    (tmp_path / "tlzoo_some" / "deep" / "r.json").touch()
    monkeypatch.syspath_prepend(tmp_path)
    place = tmp_path / "tlzoo_some" / "deep" / "r.json"
    for value in ("tlzoo_some:deep/r.json", "tlzoo_some: deep/r.json ", "tlzoo_some.deep:r.json"):
        assert contributed_file(value) == place
    for value, file in (("tlzoo_some:r.json", "r.json"), ("tlzoo_some:deep", "deep"), ("tlzoo_none: r", "r")):
        with pytest.raises(RegistryError) as refused:
            contributed_file(value)
        assert refused.value.message == f"no file {file!r} in package {value.partition(':')[0]!r}."


def test_a_plugins_registry_has_its_prefix_or_is_warned_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name, value in (("some", "tlzoo_some:r.json"), ("lost", "tlzoo_lost:r.json"), ("off", "tlzoo_some:r.json")):
        info = tmp_path / f"tlzoo_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tlzoo-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[tlzoo.registry]\n{name} = {value}\n")
    (tmp_path / "tlzoo_some").mkdir()
    (tmp_path / "tlzoo_some" / "r.json").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TLZOO_PLUGINS", "some,lost")
    with pytest.warns(RuntimeWarning) as warned:
        found = [one for one in origins() if one.kind == "plugin"]
    assert found == [RegistryOrigin("plugin 'some'", "plugin", tmp_path / "tlzoo_some" / "r.json", "some/")]
    said = "The registry of plugin 'lost' is ignored: no file 'r.json' in package 'tlzoo_lost'."
    assert [str(one.message) for one in warned] == [said]
