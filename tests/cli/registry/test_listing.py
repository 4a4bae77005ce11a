"""What `tlzoo registry list` says of each registry, and how an entry is put together."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tlzoo.cli import main
from tlzoo.cli.registry import drafting, listing, subscribing
from tlzoo.cli.registry.listing import ShadowedId, report_shadowed, shadowed
from tlzoo.errors import RegistryError, UsageError
from tlzoo.io.signatures import fingerprint
from tlzoo.progress import set_quiet
from tlzoo.registry.files import RegistryOrigin
from tlzoo.registry.subscriptions import config
from tlzoo.registry.subscriptions.config import FetchedCopy, Subscription
from tlzoo.registry.subscriptions.subscribe import UpdateResult

KEY, SHA, URL = "A" * 43 + "=", "ab" * 32, "https://example.org/registry.json"
ENTRY = {
    "id": "my/net", "architecture": "net", "tasks": ["text-classification"], "parameters": 10, "feature_dim": 4,
    "preprocess": {"kind": "text", "max_length": 8},
    "source": {"kind": "url", "url": "https://example.org/w.bin", "sha256": SHA, "size": 3},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_added(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user has added nothing, and uses no file; what is said is shown."""
    set_quiet(False)
    monkeypatch.setenv("TLZOO_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("TLZOO_REGISTRY", raising=False)


def remote(days: float = 0, **fields: Any) -> Subscription:
    """A remote registry that was fetched so many days ago."""
    fetched = datetime.now(UTC) - timedelta(days=days, seconds=5)
    held = FetchedCopy(sha256=SHA, fetched=fetched, sequence=4)
    return Subscription(name="far", url=URL, held=held, **(fields or {"unpinned": True}))


OWN = Subscription(name="own", path="/x/y.json")


@pytest.mark.parametrize(
    ("ids", "hidden"),
    [
        ({}, {}),
        ({"a": ["x", "y"]}, {"a": []}),
        ({"a": ["x", "y"], "b": ["y", "z"], "c": ["z", "y"]}, {"a": [], "b": ["y a"], "c": ["z b", "y a"]}),
        ({"a": [], "b": ["y"]}, {"a": [], "b": []}),
    ],
)
def test_of_entries_with_one_id_the_first_is_used(ids: dict[str, list[str]], hidden: dict[str, list[str]]):
    found = {name: [f"{each.id} {each.by}" for each in entries] for name, entries in shadowed(ids).items()}
    assert found == hidden


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, ""),
        (1, "Shadowed entries of far (used instead): 0 (a).\n"),
        (5, "Shadowed entries of far (used instead): 0 (a), 1 (a), 2 (a), 3 (a), 4 (a).\n"),
        (7, "Shadowed entries of far (used instead): 0 (a), 1 (a), 2 (a), 3 (a), 4 (a) and 2 more.\n"),
    ],
)
def test_a_few_entries_that_are_not_used_are_named(count: int, said: str, capsys: pytest.CaptureFixture[str]):
    report_shadowed("far", [ShadowedId(str(number), "a") for number in range(count)])
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize(
    ("registry", "state"),
    [
        (None, "ok"),
        (OWN, "ok"),
        (remote(29), "ok"),
        (remote(30), "stale: 30 days old"),
        (remote(31, key=KEY), "stale: 31 days old"),
        (remote(99, sha256=SHA), "ok"),
    ],
)
def test_a_copy_of_thirty_days_is_stale_unless_it_is_pinned(registry: Subscription | None, state: str):
    assert listing._state(registry) == state


@pytest.mark.parametrize(
    ("registry", "signature", "trust", "note"),
    [
        (None, None, "", None),
        (OWN, None, "", ""),
        (
            remote(key=KEY),
            {"kind": "ed25519", "fingerprint": fingerprint(KEY), "key": KEY},
            f"key {fingerprint(KEY)}",
            f", signed by {fingerprint(KEY)}",
        ),
        (remote(sha256=SHA), {"kind": "sha256", "sha256": SHA}, "sha256 abababababababab…", ", pinned by sha256"),
        (remote(), {"kind": "none"}, "the server only", ", trusted without key or hash"),
    ],
)
def test_what_a_registry_is_known_by(
    registry: Subscription | None, signature: dict[str, str] | None, trust: str, note: str | None
):
    assert listing._signature(registry) == signature
    assert listing._trust(signature) == trust
    if registry is not None:
        assert subscribing._trust_note(registry) == note


def test_a_row_is_of_the_registry_and_its_copy():
    registry = remote(1)
    assert registry.held is not None
    hidden = {"far": [ShadowedId("x", "a")]}
    origin = RegistryOrigin("far", "remote", Path("/c/far.json"))
    row = listing._row(origin, registry, 3, None, hidden)
    assert row == {
        "name": "far", "kind": "remote", "path": "/c/far.json", "url": URL, "entries": 3, "state": "ok",
        "fetched": registry.held.fetched.isoformat(), "sequence": 4, "signature": {"kind": "none"},
        "shadowed": [{"id": "x", "by": "a"}],
    }  # fmt: skip
    plain = listing._row(RegistryOrigin("built-in", "built-in", Path("/r.json")), None, 2, "wrong", hidden)
    assert plain == {
        "name": "built-in", "kind": "built-in", "path": "/r.json", "url": None, "entries": 2, "state": "wrong",
        "fetched": None, "sequence": None, "signature": None, "shadowed": [],
    }  # fmt: skip


def test_a_registry_that_is_not_here_says_how_to_get_it():
    update = "tlzoo registry update far"
    never = Subscription(name="far", url=URL, unpinned=True)
    row = listing._absent(never)
    assert row == {
        "name": "far", "kind": "remote", "path": None, "url": URL, "entries": 0, "state": f"not fetched: {update}",
        "fetched": None, "sequence": None, "signature": {"kind": "none"}, "shadowed": [],
    }  # fmt: skip
    gone = listing._absent(remote())
    assert (gone["path"], gone["state"], gone["sequence"]) == (None, f"not fetched: {update}", 4)
    held = FetchedCopy(sha256=config.store_copy("far", b"{}"), fetched=datetime.now(UTC))
    there = listing._absent(never.model_copy(update={"held": held}))
    assert (there["path"], there["state"]) == (
        str(config.copies_folder() / next(config.copies_folder().iterdir()).name),
        f"modified on disk: {update}",
    )


def own_file(path: Path, *ids: str) -> Path:
    path.write_text(json.dumps({"checkpoints": [{**ENTRY, "id": id} for id in ids]}))
    return path


def test_the_list_names_each_registry_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("TLZOO_PLUGINS", "")
    own = own_file(tmp_path / "own.json", "my/net", "vision/resnet50")
    monkeypatch.setenv("TLZOO_REGISTRY", str(own))
    added = own_file(tmp_path / "added.json", "my/net")
    config.update_config(
        lambda _: (Subscription(name="added", path=str(added)), Subscription(name="far", url=URL, unpinned=True))
    )
    with pytest.warns(RuntimeWarning, match="its copy is missing"):
        assert main(["registry", "list"]) == 0
    heading, *rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert heading == ["name", "kind", "entries", "state", "trusted by", "from"]
    assert rows[0] == [str(own), "user", "2", "ok", "", str(own)]
    assert (rows[1][0], rows[1][1], rows[1][3]) == ("built-in", "built-in", "ok")
    assert rows[2] == ["added", "user", "1", "ok", "", str(added)]
    assert rows[3] == ["far", "remote", "0", "not fetched: tlzoo registry update far", "the server only", URL]
    in_others, hidden = listing.shadow_conflicts(str(own))
    assert (in_others, hidden) == ([ShadowedId("vision/resnet50", "built-in"), ShadowedId("my/net", "added")], [])
    assert listing.shadow_conflicts("added") == ([], [ShadowedId("my/net", str(own))])
    assert listing.shadow_conflicts("none") == ([], [])


def test_a_registry_that_is_wrong_is_listed_with_its_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "own.json").write_text("{}")
    monkeypatch.setenv("TLZOO_REGISTRY", str(tmp_path / "own.json"))
    row = listing.describe()[0]
    assert (row["entries"], row["state"]) == (
        0,
        f"Registry {tmp_path / 'own.json'}: field 'checkpoints': Field required.",
    )


@pytest.mark.parametrize(("ids", "words"), [(("my/a",), "1 entry"), (("my/a", "my/b"), "2 entries"), ((), "0 entries")])
def test_adding_and_removing_say_what_was_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ids: tuple[str, ...], words: str
):
    file = own_file(tmp_path / "zoo.json", *ids)
    assert main(["registry", "add", str(file)]) == 0
    assert capsys.readouterr() == ("", f"Added zoo with {words}.\n")
    assert main(["registry", "remove", "zoo"]) == 0
    assert capsys.readouterr() == ("", f"Removed zoo ({file}).\n")
    assert main(["registry", "add", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "name": "zoo", "entries": len(ids), "url": None, "path": str(file), "shadows": [], "shadowed": [],
    }  # fmt: skip


def test_entries_that_change_places_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = own_file(tmp_path / "zoo.json", "vision/resnet50")
    assert main(["registry", "add", str(file), "--first"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "Added zoo with 1 entry.",
        "vision/resnet50 now comes from zoo instead of built-in.",
    ]
    other = own_file(tmp_path / "late.json", "vision/resnet50")
    assert main(["registry", "add", str(other), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shadowed"] == [{"id": "vision/resnet50", "by": "zoo"}]


def test_without_registries_updating_says_how_to_add_one(capsys: pytest.CaptureFixture[str]):
    assert main(["registry", "update"]) == 0
    said = "There are no added registries. Add one: tlzoo registry add URL --key KEY\n"
    assert capsys.readouterr() == ("name\tstate\tentries\tsequence\n", said)
    assert main(["registry", "update", "--json"]) == 0
    assert capsys.readouterr() == ("[]\n", "")


def test_a_row_of_an_update_is_of_what_is_here(tmp_path: Path):
    file = own_file(tmp_path / "zoo.json", "my/a", "my/b")
    mine = Subscription(name="zoo", path=str(file))
    row = subscribing._row(UpdateResult(mine, "local", None))
    assert row == {"name": "zoo", "state": "local", "entries": 2, "sequence": None, "error": None}
    with pytest.warns(RuntimeWarning, match="its copy is missing"):
        row = subscribing._row(
            UpdateResult(remote().model_copy(update={"name": "away"}), "failed", RegistryError("No.", hint="Try."))
        )
    assert row == {"name": "away", "state": "failed", "entries": None, "sequence": 4, "error": "No. Try."}
    file.write_text("{}")
    assert subscribing._count(mine) is None


@pytest.mark.parametrize(
    ("files", "url", "repo", "said"),
    [
        (1, "u", "r", "--url and --repo are mutually exclusive."),
        (2, "u", None, "--url takes one file."),
    ],
)
def test_files_are_published_in_one_place(tmp_path: Path, files: int, url: str, repo: str | None, said: str):
    with pytest.raises(UsageError) as refused:
        drafting._source([tmp_path / "w"] * files, url, repo, None, None)
    assert refused.value.message == said


def test_a_source_is_where_the_files_will_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    one, two = tmp_path / "one", tmp_path / "a" / "two"
    one.write_bytes(b"1")
    two.write_bytes(b"22")

    def paths(source: dict[str, Any]) -> list[tuple[str, int]]:
        return [(each["path"], each["size"]) for each in source["files"]]

    published = drafting._source([one], "https://example.org/x", None, None, None)
    assert {**published, "sha256": ""} == {"kind": "url", "url": "https://example.org/x", "sha256": "", "size": 1}
    hub = drafting._source([one, two], None, "me/net", "c" * 40, None)
    assert (hub["repo"], hub["revision"], paths(hub)) == ("me/net", "c" * 40, [("one", 1), ("two", 2)])
    assert "revision" not in drafting._source([one], None, "me/net", None, None)
    assert paths(drafting._source([one, two], None, None, None, None)) == [("one", 1), ("a/two", 2)]
    assert paths(drafting._source([one, two], None, None, None, Path("a/r.json"))) == [(str(one), 1), ("two", 2)]


@pytest.mark.parametrize(("text", "value"), [(None, None), ("{}", {}), ('{"a": [1]}', {"a": [1]}), ("null", None)])
def test_an_option_of_json_is_parsed(text: str | None, value: Any):
    assert drafting._parsed("--config", text) == value


def test_an_option_that_is_no_json_is_refused():
    with pytest.raises(UsageError) as refused:
        drafting._parsed("--config", "{a}")
    assert refused.value.message.startswith("--config is not JSON: Expecting property name")
    assert refused.value.hint == "Quote it: --config '{...}'"


def test_what_an_entry_lacks_is_asked_for():
    with pytest.raises(UsageError) as refused:
        drafting._valid({**ENTRY, "tasks": [], "parameters": None})
    assert refused.value.message == "Missing for my/net: task, parameters."
    assert refused.value.hint.startswith("Give --task, --parameters, or put config.json, ")
    with pytest.raises(UsageError) as refused:
        drafting._valid({**ENTRY, "license": 3})
    assert refused.value.message.startswith("my/net: field 'license': ")
    assert refused.value.hint == "See: tlzoo registry schema"


def test_a_written_entry_has_no_defaults():
    assert drafting._valid(ENTRY) == {**ENTRY, "preprocess": {"kind": "text", "max_length": 8, "pad_id": 0}}
    assert drafting._valid({**ENTRY, "license": "MIT", "tags": []})["license"] == "MIT"
    given = {**ENTRY, "preprocess": {"kind": "text", "max_length": 8, "tokenizer": "{}"}}
    assert drafting._valid(given)["preprocess"]["tokenizer"] == "{}"


def test_an_entry_is_added_to_a_file_and_its_sequence_raised(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "r.json"
    drafting._add_to(path, ENTRY)
    assert capsys.readouterr().err == f"Added my/net to {path}, which now has 1 entry.\n"
    drafting._add_to(path, {**ENTRY, "id": "my/two"})
    assert capsys.readouterr().err == f"Added my/two to {path}, which now has 2 entries.\n"
    document = json.loads(path.read_text())
    assert (document["sequence"], [each["id"] for each in document["checkpoints"]]) == (2, ["my/net", "my/two"])
    with pytest.raises(RegistryError) as refused:
        drafting._add_to(path, ENTRY)
    assert refused.value.message == f"{path} already has an entry 'my/net'."
    assert refused.value.hint == "Remove that entry, or choose another --id."
    path.write_text('{"checkpoints": []}')
    drafting._add_to(path, ENTRY)
    assert "sequence" not in json.loads(path.read_text())
    path.write_text("{}")
    with pytest.raises(RegistryError) as refused:
        drafting._add_to(path, ENTRY)
    assert refused.value.message == f"Registry {path}: field 'checkpoints': Field required."
    assert refused.value.hint == f"Fix it first: tlzoo registry validate {path}"


def test_a_builder_that_is_not_installed_is_said(capsys: pytest.CaptureFixture[str]):
    drafting._report_builder("vision")
    assert capsys.readouterr().err == ""
    drafting._report_builder("nobody")
    said = capsys.readouterr().err
    assert said.startswith("No plugin 'nobody' is installed to build it. Installed: ")
    assert said.endswith("; see --builder.\n")


def test_parameters_are_counted_or_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    import numpy as np
    from safetensors.numpy import save_file

    save_file(
        {"stem.w": np.zeros(2000, np.float32), "head.w": np.zeros(5, np.float32)},
        tmp_path / "a.safetensors",
        {"x": "y"},
    )
    save_file({"body.w": np.zeros(7, np.float32)}, tmp_path / "b.safetensors")
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors", tmp_path / "config.json"]
    assert drafting._counted(files, (), None) == ({"x": "y"}, 2012)
    listed = "Counted 2,012 parameters: head 5, stem 2,000, body 7. To leave tensors out: --without PREFIX\n"
    assert capsys.readouterr().err == listed
    assert drafting._counted(files, ["head.", "body"], None)[1] == 2000
    capsys.readouterr()
    assert drafting._counted(files, ["none"], 3) == ({"x": "y"}, 3)
    assert drafting._counted([tmp_path / "config.json"], (), None) == ({}, 0)
    assert capsys.readouterr().err == ""
    with pytest.raises(UsageError) as refused:
        drafting._counted(files, ["hea"], None)
    assert (refused.value.message, refused.value.hint, refused.value.parameter) == (
        "No parameter begins with `without=hea`.", "They begin with: body, head, stem.", "without",
    )  # fmt: skip
