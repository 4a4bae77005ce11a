"""Hostile registries: whoever wrote them, each command ends in an answer or one error, and nothing else happens."""

from __future__ import annotations

import json
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from shared_fixtures.hostile import check_outcome
from shared_fixtures.hostile.registries import Document, documents
from shared_fixtures.watch import Watch, code_for_child

from tlzoo.progress import set_quiet

TRIALS = 280
SECONDS, MEGABYTES = 20, 700
"""Of processor time for one command, and of memory above what was there before."""
ENDING = "import resource, signal; signal.alarm(120); resource.setrlimit(resource.RLIMIT_CPU, (60, 60))\n"


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Any]:
    """A listening socket that nobody may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening
        with pytest.raises(BlockingIOError):
            listening.accept()


@pytest.fixture
def hostile(
    zoo: Any, cache: Path, canary: Any, index: Path, hub: Any, watch: Watch, tmp_path: Path, trial: int
) -> list[Document]:
    """The registries of a trial; only the hub on loopback may be asked."""
    set_quiet(False)  # which `cache` has set
    watch.ports.add(int(hub.url.rpartition(":")[2]))
    [base, *_] = json.loads((zoo.folder / "registry.json").read_text())["checkpoints"]
    return documents(base, tmp_path / "outside", canary.getsockname()[1], slice(trial, None, TRIALS))


@pytest.fixture
def bounded(command: Any) -> Callable[..., Any]:
    """Runs a command that takes no more than a little time and memory."""

    def run(*arguments: object) -> Any:
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        done = command(*arguments)
        assert time.process_time() - began < SECONDS, arguments
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024, arguments
        return done

    return run


@pytest.mark.needs("linux")
@pytest.mark.sweep(TRIALS)
def test_a_hostile_registry_of_the_users_own_is_an_answer_or_an_error(
    hostile: list[Document], bounded: Any, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trial: int
):
    for number, document in enumerate(hostile):
        file = tmp_path / f"registry{number}.json"
        file.write_bytes(document.content)
        monkeypatch.setenv("TLZOO_REGISTRY", str(file))
        checked = bounded("registry", "validate", file)
        assert "Bug:" not in checked.err, document.label
        for arguments in (
            ("models", "--plugin", "vision", "--limit", 20),
            ("models", "--task", "image-classification", "--json", "--limit", 2),
            ("models", "show", document.id),
            ("pull", document.id),
        ):
            try:
                done = bounded(*arguments)
                check_outcome(done, str(file), document.id[:50])
            except AssertionError as wrong:
                raise AssertionError(f"{document.label}: {arguments}") from wrong
            assert (done.code == 2) or checked.code == 0 or arguments[0] == "models", document.label
        assert watch.events == [], document.label
        assert os.listdir(tmp_path / "outside") == ["secret"]


@pytest.mark.sweep(TRIALS)
def test_a_hostile_edition_of_an_added_registry_leaves_the_old_one_in_use(
    hostile: list[Document],
    publisher: Any,
    entry: Any,
    bounded: Any,
    watch: Watch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trial: int,
):
    monkeypatch.setenv("TLZOO_REGISTRY", "")
    watch.ports.add(int(publisher.url.rpartition(":")[2]))
    url = publisher.publish({"checkpoints": [entry("acme/net")]})
    assert bounded("registry", "add", url, "--unpinned", "--name", "acme").code == 0
    for document in hostile:
        if "https://localhost:" in document.label:
            continue  # the publisher is there, so this user trusts it
        publisher.publish(document.content)
        updated = bounded("registry", "update", "acme")
        assert "Bug:" not in updated.err, document.label
        assert len(updated.err) < 3000, document.label
        assert (updated.code == 2) == ("Error: acme: " in updated.err), f"{document.label}: {updated}"
        wanted = document.id if updated.code == 0 else "acme/net"
        for arguments in (("models", "show", wanted), ("pull", document.id), ("models", "--plugin", "vision")):
            done = bounded(*arguments)
            check_outcome(done, document.id[:50], repr(document.id[:50])[1:-1])
            assert done.code == 0 or arguments[0] == "pull", f"{document.label}: {done}"
        if updated.code == 0:
            assert bounded("registry", "remove", "acme").code == 0
            publisher.publish({"checkpoints": [entry("acme/net")]})
            assert bounded("registry", "add", url, "--unpinned", "--name", "acme").code == 0
        assert watch.events == [], document.label
        assert os.listdir(tmp_path / "outside") == ["secret"]


@pytest.mark.needs("linux", "fork")
@pytest.mark.sweep(TRIALS)
def test_a_checkpoint_of_a_hostile_registry_is_trained_or_refused(
    hostile: list[Document], children: Any, bounded: Any, pictures: Path, watch: Watch, tmp_path: Path, trial: int
):
    log = tmp_path / "events"
    for number, document in enumerate(hostile):
        file, out = tmp_path / f"registry{number}.json", tmp_path / f"run{number}"
        file.write_bytes(document.content)
        if bounded("registry", "validate", file).code and number % 4:
            continue  # few of those that no command reads on
        started = children.start(
            "finetune", document.id, pictures, "--out", out,
            environment={"TLZOO_REGISTRY": str(file)},
            cwd=tmp_path,
            before=ENDING + code_for_child(watch, log),
        )  # fmt: skip
        done = started.end()
        assert done.code in (0, 2), f"{document.label}: {done}"
        check_outcome(done)
        assert done.megabytes < 3000, f"{document.label}: {done}"
        assert out.exists() == (done.code == 0), document.label
        assert not log.exists() or log.read_text() == "", document.label
