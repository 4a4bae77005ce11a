"""Registries behind https addresses: added, used, updated and removed; what is pinned holds."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tlzoo import registry
from tlzoo.errors import HashMismatch, Offline, RegistryError, SourceError, UnknownCheckpoint, UsageError, WriteError
from tlzoo.io import signatures
from tlzoo.registry.files import origins
from tlzoo.registry.subscriptions import config, subscribe


def document(*entries: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"schema_version": 1, **fields, "checkpoints": list(entries)}


def names() -> list[str]:
    return [origin.name for origin in origins() if origin.kind != "plugin"]


def copies() -> list[Path]:
    return sorted(path for path in config.config_folder().rglob("*.json") if path.name != "registries.json")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    signatures.make_key(tmp_path / "author")
    return tmp_path / "author"


def public(key: Path) -> str:
    return key.with_name(f"{key.name}.pub").read_text().strip()


def test_entries_of_an_added_registry_are_found_without_a_network(publisher: Any, entry: Any, monkeypatch: Any) -> None:
    url = publisher.publish(document(entry("acme/net")))
    subscribe.add(url, unpinned=True)
    publisher.requests.clear()
    monkeypatch.setenv("TLZOO_OFFLINE", "1")
    assert registry.get("acme/net").architecture == "net"
    assert publisher.requests == []


def test_an_address_needs_one_pin_or_the_word_that_there_is_none(publisher: Any, entry: Any) -> None:
    url = publisher.publish(document(entry()))
    with pytest.raises(UsageError) as caught:
        subscribe.add(url)
    assert all(option in caught.value.hint for option in ("`key`", "`sha256`", "`unpinned=True`"))
    with pytest.raises(UsageError, match="mutually exclusive"):
        subscribe.add(url, sha256="0" * 64, unpinned=True)
    assert publisher.requests == []


def test_the_order_is_first_built_in_then_added(publisher: Any, entry: Any, tmp_path: Path) -> None:
    url = publisher.publish(document(entry()))
    own = tmp_path / "own.json"
    own.write_text(json.dumps(document()))
    subscribe.add(url, unpinned=True, name="a")
    subscribe.add(url, unpinned=True, name="b")
    subscribe.add(url, unpinned=True, name="c", first=True)
    subscribe.add(str(own), first=True)
    assert names() == ["own", "c", "built-in", "a", "b"]


def test_a_remote_entry_replaces_a_built_in_one_only_with_first(publisher: Any, entry: Any) -> None:
    id = "vision/efficientnet-lite0"
    url = publisher.publish(document(entry(id)))
    subscribe.add(url, unpinned=True, name="behind")
    assert registry.get(id).architecture != "net"
    subscribe.add(url, unpinned=True, name="before", first=True)
    assert registry.get(id).architecture == "net"
    subscribe.remove("before")
    assert registry.get(id).architecture != "net"


def test_a_removed_registry_leaves_nothing(publisher: Any, entry: Any) -> None:
    subscribe.add(publisher.publish(document(entry("acme/net"))), unpinned=True, name="acme")
    subscribe.remove("acme")
    assert names() == ["built-in"]
    assert copies() == []
    with pytest.raises(UnknownCheckpoint):
        registry.get("acme/net")
    with pytest.raises(UsageError, match="'acme'"):
        subscribe.remove("acme")


def test_a_name_is_given_once(publisher: Any, entry: Any) -> None:
    url = publisher.publish(document(entry()))
    subscribe.add(url, unpinned=True)
    with pytest.raises(UsageError, match="localhost") as caught:
        subscribe.add(url, unpinned=True)
    assert "`name`" in caught.value.hint


@pytest.mark.parametrize("name", ["built-in", "../up", "A", "a b", "x" * 65])
def test_a_name_that_is_none_is_refused_before_anything_is_fetched(publisher: Any, entry: Any, name: str) -> None:
    url = publisher.publish(document(entry()))
    with pytest.raises(UsageError):
        subscribe.add(url, unpinned=True, name=name)
    assert publisher.requests == []


def test_a_file_is_the_users_own_and_may_name_files(tmp_path: Path, entry: Any) -> None:
    (tmp_path / "w.bin").write_bytes(b"w")
    file = {"path": "w.bin", "sha256": hashlib.sha256(b"w").hexdigest(), "size": 1}
    (tmp_path / "mine.json").write_text(json.dumps(document(entry("my/net", source={"kind": "file", "files": [file]}))))
    subscribe.add(str(tmp_path / "mine.json"))
    assert registry.get("my/net").source.files[0].path == str(tmp_path / "w.bin")  # type: ignore[union-attr]


def test_pinned_bytes_are_taken_and_no_others(publisher: Any, entry: Any) -> None:
    content = json.dumps(document(entry("acme/net"))).encode()
    url = publisher.publish(content)
    digest = hashlib.sha256(content).hexdigest()
    with pytest.raises(HashMismatch, match=digest):
        subscribe.add(url, sha256="0" * 64)
    assert (copies(), names()) == ([], ["built-in"])
    subscribe.add(url, sha256=digest.upper(), name="acme")
    publisher.publish(document())
    publisher.requests.clear()
    assert [each.state for each in subscribe.update()] == ["pinned"]
    assert publisher.requests == []


def test_a_lost_copy_of_pinned_bytes_is_fetched_again_and_only_those(publisher: Any, entry: Any) -> None:
    content = json.dumps(document(entry("acme/net"))).encode()
    url = publisher.publish(content)
    subscribe.add(url, sha256=hashlib.sha256(content).hexdigest(), name="acme")
    copies()[0].unlink()
    publisher.publish(document())
    (failed,) = subscribe.update()
    assert isinstance(failed.error, HashMismatch)
    publisher.publish(content)
    assert [each.state for each in subscribe.update()] == ["updated"]
    assert registry.get("acme/net").architecture == "net"


def test_what_has_not_changed_is_not_sent_again(publisher: Any, entry: Any) -> None:
    url = publisher.publish(document(entry("acme/net")))
    subscribe.add(url, unpinned=True, name="acme")
    held = config.read()[0].held
    assert held is not None
    old = held.model_copy(update={"fetched": config.now() - timedelta(days=45)})
    config.update_config(lambda registries: (registries[0].model_copy(update={"held": old}),))
    publisher.requests.clear()
    assert [each.state for each in subscribe.update(["acme"])] == ["unchanged"]
    ((_, headers),) = publisher.requests
    assert headers["If-None-Match"] == held.etag
    asked = config.read()[0].held
    assert asked is not None
    assert config.now() - asked.fetched < timedelta(days=1)


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_a_copy_that_is_lost_or_changed_is_asked_for_whole(publisher: Any, entry: Any, damage: str) -> None:
    subscribe.add(publisher.publish(document(entry("acme/net"))), unpinned=True, name="acme")
    (copy,) = copies()
    if damage == "lost":
        copy.unlink()
        with pytest.warns(RuntimeWarning, match="tlzoo registry update acme"):
            assert names() == ["built-in"]
    else:
        copy.write_bytes(copy.read_bytes().replace(b'"net"', b'"evil"'))
    publisher.requests.clear()
    subscribe.update()
    assert "If-None-Match" not in publisher.requests[0][1]
    assert registry.get("acme/net").architecture == "net"


def test_a_new_edition_takes_the_place_of_the_old(publisher: Any, entry: Any) -> None:
    subscribe.add(publisher.publish(document(entry("acme/net"))), unpinned=True, name="acme")
    publisher.publish(document(entry("acme/net"), entry("acme/other")))
    assert [each.state for each in subscribe.update()] == ["updated"]
    assert registry.get("acme/other").id == "acme/other"


def test_a_broken_new_edition_leaves_the_old_one_in_use(publisher: Any, entry: Any) -> None:
    subscribe.add(publisher.publish(document(entry("acme/net"))), unpinned=True, name="acme")
    publisher.publish(document(entry("acme/net", parameters=-1), entry("acme/x", colour="red")))
    (failed,) = subscribe.update()
    assert isinstance(failed.error, RegistryError)
    assert "'acme/net', field 'parameters'" in failed.error.message
    assert "1 more" in failed.error.message
    assert registry.get("acme/net").parameters == 10


def test_one_failing_registry_does_not_stop_the_others(publisher: Any, entry: Any) -> None:
    subscribe.add(publisher.publish(document(entry("a/x")), path="/a.json"), unpinned=True, name="a")
    subscribe.add(publisher.publish(document(entry("b/x")), path="/b.json"), unpinned=True, name="b")
    publisher.pages["/a.json"] = b"{"
    publisher.publish(document(entry("b/y")), path="/b.json")
    assert [each.state for each in subscribe.update()] == ["failed", "updated"]
    assert registry.get("b/y").id == "b/y"


def test_every_edition_is_signed_by_the_pinned_key(publisher: Any, entry: Any, key: Path) -> None:
    url = publisher.publish(document(entry("acme/net"), sequence=1), key)
    added = subscribe.add(url, key=str(key.with_name("author.pub")), name="acme")
    assert added.key == public(key)
    publisher.publish(document(entry("acme/new"), sequence=2), key)
    assert [each.state for each in subscribe.update()] == ["updated"]
    assert registry.get("acme/new").id == "acme/new"


def test_a_signature_may_be_raw_bytes(publisher: Any, entry: Any, key: Path) -> None:
    import base64

    url = publisher.publish(document(entry("acme/net")), key)
    publisher.pages["/registry.json.sig"] = base64.b64decode(publisher.pages["/registry.json.sig"])
    subscribe.add(url, key=public(key))
    assert registry.get("acme/net").id == "acme/net"


def test_the_signature_of_an_address_with_a_query_lies_beside_its_path(publisher: Any, entry: Any, key: Path) -> None:
    publisher.publish(document(entry("acme/net")), key)
    publisher.pages["/registry.json?v=1"] = publisher.pages["/registry.json"]
    publisher.pages["/registry.json.sig?v=1"] = publisher.pages["/registry.json.sig"]
    subscribe.add(f"{publisher.url}/registry.json?v=1", key=public(key))
    assert registry.get("acme/net").id == "acme/net"


@pytest.mark.parametrize("wrong", ["missing", "another key", "other bytes", "not a signature"])
def test_a_wrong_or_missing_signature_is_refused_and_the_old_copy_stays(
    publisher: Any, entry: Any, key: Path, tmp_path: Path, wrong: str
) -> None:
    url = publisher.publish(document(entry("acme/net"), sequence=1), key)
    subscribe.add(url, key=public(key), name="acme")
    signatures.make_key(tmp_path / "thief")
    changed = document(entry("acme/net", architecture="evil"), sequence=2)
    publisher.publish(changed, tmp_path / "thief" if wrong == "another key" else None)
    if wrong == "missing":
        del publisher.pages["/registry.json.sig"]
    elif wrong == "not a signature":
        publisher.pages["/registry.json.sig"] = b"trust me"
    (failed,) = subscribe.update()
    assert isinstance(failed.error, RegistryError)
    assert "signed" in failed.error.message
    assert registry.get("acme/net").architecture == "net"
    with pytest.raises(RegistryError, match="signed"):
        subscribe.add(url, key=public(key), name="again")
    assert len(config.read()) == 1


def test_an_older_edition_is_refused_although_it_is_signed(publisher: Any, entry: Any, key: Path) -> None:
    old = document(entry("acme/old"), sequence=1)
    url = publisher.publish(document(entry("acme/net"), sequence=2), key)
    subscribe.add(url, key=public(key), name="acme")
    for replayed in (old, document(entry("acme/old"))):
        publisher.publish(replayed, key)
        (failed,) = subscribe.update()
        assert failed.error is not None
        assert "older" in failed.error.message
    copies()[0].unlink()
    assert subscribe.update()[0].state == "failed"


@pytest.mark.parametrize("what", ["private", "short", "absent", "rsa"])
def test_what_is_no_public_key_is_refused(what: str, key: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    rsa = generate_private_key(65537, 2048).public_key()
    (tmp_path / "rsa.pem").write_bytes(rsa.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    given = {"private": str(key), "short": "AAAA", "absent": str(tmp_path / "none"), "rsa": str(tmp_path / "rsa.pem")}
    with pytest.raises(UsageError):
        signatures.read_public_key(given[what])
    with pytest.raises(UsageError) as refused:
        subscribe.add("https://example.org/registry.json", key=given[what])
    assert (refused.value.message.partition(": ")[0], refused.value.parameter) == ("`key`", "key")


def test_a_public_key_is_read_as_pem_base64_and_raw(key: Path, tmp_path: Path) -> None:
    import base64

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    raw = base64.b64decode(public(key))
    pem = Ed25519PublicKey.from_public_bytes(raw).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "key.raw").write_bytes(raw)
    given = [public(key), str(tmp_path / "key.pem"), str(tmp_path / "key.raw"), f"{key}.pub"]
    assert {signatures.read_public_key(each) for each in given} == {public(key)}


def test_a_path_as_long_as_a_key_is_a_path(key: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("k" * 32)
    path.write_text(public(key))
    assert signatures.read_public_key(str(path)) == public(key)


def test_a_private_key_is_for_its_owner_alone_and_never_overwritten(key: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    with pytest.raises(UsageError, match="already"):
        signatures.make_key(key)
    assert key.read_bytes() == before


def test_where_the_network_is_switched_off_nothing_is_asked(publisher: Any, entry: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("TLZOO_OFFLINE", "1")
    with pytest.raises(Offline):
        subscribe.add(publisher.publish(document(entry())), unpinned=True)
    assert publisher.requests == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "the file"),
        ("{", "the file"),
        ('{"version": 3}', "version"),
        ('{"registries": [{"name": "a"}]}', "registries.0"),
        ('{"registries": [{"name": "a", "url": "https://a.b/c"}]}', "sha256, key and unpinned"),
        ('{"registries": [{"name": "a", "path": "/a", "colour": "red"}]}', "colour"),
        ('{"registries": [{"name": "a", "path": "/a"}, {"name": "a", "path": "/b"}]}', "duplicate"),
    ],
)
def test_a_damaged_configuration_is_reported_with_how_to_fix_it(text: str, named: str) -> None:
    config.config_folder().mkdir(parents=True)
    config.config_file().write_text(text)
    with pytest.raises(RegistryError) as caught:
        registry.find()
    assert str(config.config_file()) in caught.value.message
    assert named in caught.value.message
    assert f"rm {config.config_file()}" in caught.value.hint


def test_a_configuration_folder_that_cannot_be_made_is_reported(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "own.json").write_text(json.dumps(document()))
    monkeypatch.setenv("TLZOO_CONFIG", str(tmp_path / "file" / "below"))
    with pytest.raises(WriteError, match=r"below.*TLZOO_CONFIG"):
        subscribe.add(str(tmp_path / "own.json"))


def test_processes_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(json.dumps(document()))
    code = (
        "import sys; from tlzoo.registry.subscriptions.subscribe import add\n"
        "for i in range(8): add(sys.argv[1], name=f'{sys.argv[2]}{i}')"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "own.json")]
    running = [subprocess.Popen([*command, name]) for name in "abc"]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert sorted(each.name for each in config.read()) == [f"{name}{i}" for name in "abc" for i in range(8)]


def test_a_kill_at_any_moment_leaves_a_whole_configuration(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(json.dumps(document()))
    code = (
        "import sys; from tlzoo.registry.subscriptions.subscribe import add, remove\n"
        "add(sys.argv[1], name='kept'); print(flush=True)\n"
        "while True: add(sys.argv[1], name='a'); remove('a')"
    )
    for moment in (0.01, 0.023, 0.037):
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "own.json")], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(moment)
            process.kill()
        assert {each.name for each in config.read()} - {"a"} == {"kept"}
        for each in config.read():
            subscribe.remove(each.name)


def test_an_update_does_not_bring_back_what_was_removed_meanwhile(publisher: Any, entry: Any) -> None:
    url = publisher.publish(document(entry("acme/net")))
    subscribe.add(url, unpinned=True, name="acme")

    def remove_then_answer(handler: Any) -> None:
        subscribe.remove("acme")
        publisher.publish(document(entry("acme/other")))
        publisher.answer(handler)

    publisher.pages["/registry.json"] = remove_then_answer
    subscribe.update()
    assert config.read() == ()


def test_looking_up_imports_no_cryptography(tmp_path: Path) -> None:
    code = "import sys; from tlzoo import registry; registry.find(); print({m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"cryptography", "ssl", "numpy", "torch"} & set(done.stdout.replace("'", " ").split())


def test_a_server_that_says_404_is_named(publisher: Any) -> None:
    with pytest.raises(SourceError, match="answered 404"):
        subscribe.add(f"{publisher.url}/none.json", unpinned=True)


def test_a_configuration_that_is_no_file_is_not_waited_for() -> None:
    config.config_file().parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(config.config_file())
    with pytest.raises(RegistryError, match="it is not a file"):
        config.read()


def test_a_configuration_folder_that_cannot_be_made_is_named(
    publisher: Any, entry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("TLZOO_CONFIG", str(tmp_path / "taken"))
    with pytest.raises(WriteError, match=r"taken.*TLZOO_CONFIG"):
        subscribe.add(publisher.publish({"checkpoints": [entry("acme/net")]}), unpinned=True)
