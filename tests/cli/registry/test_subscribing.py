"""`tlzoo registry` with registries behind https addresses: an author publishes, a user adds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tlzoo import progress
from tlzoo.cli import main
from tlzoo.registry.subscriptions import config

pytestmark = pytest.mark.usefixtures("cache")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def tlzoo(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs `tlzoo registry` with these arguments."""
    progress.set_quiet(False)

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main(["registry", *map(str, arguments)])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def author(tmp_path: Path, tlzoo: Any, publisher: Any, entry: Any) -> Callable[..., str]:
    """Signs and publishes a registry as `tlzoo registry sign` does it, by `author(*ids, sequence=n)`."""
    tlzoo("new-key", tmp_path / "author")

    def publish(*ids: str, sequence: int = 1) -> str:
        file = tmp_path / "registry.json"
        file.write_text(json.dumps({"sequence": sequence, "checkpoints": [entry(id) for id in ids]}))
        assert tlzoo("sign", file, "--key", tmp_path / "author").code == 0
        publisher.publish((tmp_path / "registry.json.sig").read_bytes(), path="/registry.json.sig")
        return str(publisher.publish(file.read_bytes()))

    return publish


def row(listed: Outcome, name: str) -> dict[str, Any]:
    return next(each for each in listed.json if each["name"] == name)


def test_what_an_author_signs_a_user_adds_lists_updates_and_removes(author: Any, tlzoo: Any, tmp_path: Path) -> None:
    url = author("acme/a", "acme/b")
    added = tlzoo("add", url, "--key", tmp_path / "author.pub", "--name", "acme", "--json")
    assert (added.code, added.json["entries"], added.json["shadowed"]) == (0, 2, [])
    listed = row(tlzoo("list", "--json"), "acme")
    assert (listed["kind"], listed["url"], listed["entries"], listed["state"]) == ("remote", url, 2, "ok")
    assert listed["signature"]["key"] == (tmp_path / "author.pub").read_text().strip()
    author("acme/a", "acme/b", "acme/c", sequence=2)
    updated = tlzoo("update", "--json")
    assert (updated.code, updated.json) == (
        0,
        [{"name": "acme", "state": "updated", "entries": 3, "sequence": 2, "error": None}],
    )
    assert tlzoo("remove", "acme").code == 0
    assert [each["name"] for each in tlzoo("list", "--json").json if each["kind"] == "remote"] == []


def test_an_update_that_fails_exits_with_2_and_says_why(author: Any, tlzoo: Any, tmp_path: Path) -> None:
    url = author("acme/a", sequence=2)
    tlzoo("add", url, "--key", tmp_path / "author.pub", "--name", "acme")
    author("acme/b", sequence=1)
    said = tlzoo("update")
    assert (said.code, "acme\tfailed\t1\t2" in said.out) == (2, True)
    assert "older than the local copy" in said.err
    told = tlzoo("update", "--json")
    assert (told.code, told.json[0]["state"]) == (2, "failed")


def test_adding_without_a_pin_asks_for_one(author: Any, tlzoo: Any) -> None:
    said = tlzoo("add", author("acme/a"))
    assert (said.code, said.out) == (2, "")
    assert all(option in said.err for option in ("--key", "--sha256", "--unpinned"))


def test_entries_that_hide_others_are_reported_when_they_are_added(author: Any, tlzoo: Any) -> None:
    id = "vision/efficientnet-lite0"
    url = author(id, "acme/a")
    added = tlzoo("add", url, "--unpinned", "--name", "first", "--first", "--json").json
    assert added["shadows"] == [{"id": id, "by": "built-in"}]
    assert row(tlzoo("list", "--json"), "built-in")["shadowed"] == [{"id": id, "by": "first"}]
    said = tlzoo("add", url, "--unpinned", "--name", "second")
    assert f"{id} (first), acme/a (first)" in said.err
    assert [entry["by"] for entry in row(tlzoo("list", "--json"), "second")["shadowed"]] == ["first", "first"]


def test_a_server_that_may_replace_everything_is_not_added_silently(author: Any, tlzoo: Any) -> None:
    said = tlzoo("add", author("acme/a"), "--unpinned", "--first")
    assert (said.code, "server can now replace any entry" in said.err) == (0, True)


def test_the_table_shows_whom_each_registry_is_trusted_by(author: Any, tlzoo: Any, tmp_path: Path) -> None:
    url = author("acme/a")
    tlzoo("add", url, "--key", tmp_path / "author.pub", "--name", "acme")
    heading, *rows = [line.split("\t") for line in tlzoo("list").out.splitlines()]
    assert heading == ["name", "kind", "entries", "state", "trusted by", "from"]
    shown = next(row for row in rows if row[0] == "acme")
    assert (shown[1:4], shown[4].startswith("key "), shown[5]) == (["remote", "1", "ok"], True, url)


def test_the_list_says_what_is_lost_changed_and_stale(author: Any, tlzoo: Any, publisher: Any) -> None:
    url = author("acme/a")
    digest = hashlib.sha256(publisher.pages["/registry.json"]).hexdigest()
    tlzoo("add", url, "--sha256", digest, "--name", "lost")
    tlzoo("add", url, "--unpinned", "--name", "changed")
    tlzoo("add", url, "--unpinned", "--name", "stale")
    places = {each.name: config.copy_path(each) for each in config.read()}
    places["lost"].unlink()  # type: ignore[union-attr]
    with places["changed"].open("a") as file:  # type: ignore[union-attr]
        file.write(" ")

    def age(registries: tuple[config.Subscription, ...]) -> tuple[config.Subscription, ...]:
        old = registries[2].held.model_copy(update={"fetched": config.now() - timedelta(days=45)})  # type: ignore[union-attr]
        return (*registries[:2], registries[2].model_copy(update={"held": old}))

    config.update_config(age)
    with pytest.warns(RuntimeWarning, match="'lost'"):
        states = {each["name"]: each["state"] for each in tlzoo("list", "--json").json if each["kind"] == "remote"}
    assert states["lost"].startswith("not fetched: tlzoo registry update lost")
    assert states["changed"].startswith("modified on disk: tlzoo registry update changed")
    assert states["stale"] == "stale: 45 days old"


def test_a_users_file_that_broke_is_reported_by_the_list_which_goes_on(tlzoo: Any, entry: Any, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"checkpoints": [entry("my/net")]}))
    assert tlzoo("add", own).code == 0
    own.write_text("{")
    listed = tlzoo("list", "--json")
    assert listed.code == 0
    assert "not JSON" in row(listed, "own")["state"]
    assert row(listed, "built-in")["state"] == "ok"
    assert tlzoo("remove", "own").code == 0
    assert own.exists()


def test_every_command_with_a_wrong_argument_says_so_in_one_line(tlzoo: Any, tmp_path: Path) -> None:
    wrong = [
        ("add", "http://example.org/r.json", "--unpinned"),
        ("add", "https://127.0.0.1/r.json", "--unpinned"),
        ("add", "https://localhost/r.json", "--key", tmp_path / "none.pub"),
        ("add", "https://localhost/r.json", "--sha256", "12"),
        ("add", tmp_path / "none.json"),
        ("add", tmp_path),
        ("remove", "none"),
        ("update", "none"),
        ("sign", tmp_path / "none.json", "--key", tmp_path / "none"),
        ("new-key", tmp_path / "none" / "key"),
        ("validate", tmp_path / "none.json"),
    ]
    for arguments in wrong:
        said = tlzoo(*arguments)
        assert (said.code, "Traceback" in said.err, "Bug" in said.err) == (2, False, False), arguments
        assert len((said.err or said.out).strip().splitlines()) <= 2, arguments


def test_a_damaged_configuration_stops_with_the_way_out(tlzoo: Any) -> None:
    config.config_folder().mkdir(parents=True)
    config.config_file().write_text("{]")
    said = tlzoo("list")
    assert (said.code, f"rm {config.config_file()}" in said.err) == (2, True)
