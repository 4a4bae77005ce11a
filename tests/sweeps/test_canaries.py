"""Canaries: code and addresses in files of strangers, which would leave a trace if anything ran or followed them."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import pickle
import random
import resource
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from shared_fixtures.hostile import check_outcome
from shared_fixtures.hostile.documents import SITUATIONS
from shared_fixtures.hostile.pickles import CONTAINERS, ENDINGS, PROTOCOLS, broken, pickled, reducers
from shared_fixtures.watch import Watch

from tlzoo import Weights, read_state
from tlzoo.errors import TlzooError
from tlzoo.progress import set_quiet
from tlzoo.registry.schema import Checkpoint

MEGABYTES = 500


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[int]:
    """The port of a socket that nobody may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening.getsockname()[1]
        with pytest.raises(BlockingIOError):
            listening.accept()


def check_no_trace(watch: Watch, tmp_path: Path, label: str) -> None:
    """Nothing ran, and nothing was read or written elsewhere."""
    assert watch.events == [], label
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["secret"], label


def read(path: Path) -> str:
    """The weights as a plugin reads them, of an entry that pins these bytes; what was wrong with them."""
    pin = {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": path.stat().st_size}
    facts = {"id": "vision/canary", "architecture": "x", "tasks": ["image-classification"], "parameters": 1}
    source = {"kind": "file", "files": [pin]}
    entry = {**facts, "feature_dim": 1, "preprocess": {"kind": "text", "max_length": 8}, "source": source}
    try:
        read_state(Checkpoint.model_validate(entry), Weights(path.parent, {path.name: path}), path.name)
    except TlzooError as error:
        return error.message if error.hint else f"no hint: {error}"
    return ""


UNHEARD = {"Popen", "rmtree", "connect", "urlopen", "browser", "import", "run_path", "log file"}
"""What leaves another trace than a file, or leaves it later, or would not be welcome in a test's process."""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_canary_can_be_put_into_every_kind_of_file_and_sings_when_it_is_unpickled(tmp_path: Path, protocol: int):
    outside = tmp_path / "outside"
    for name, make in reducers(outside, 9).items():
        outside.mkdir()
        for container in CONTAINERS if protocol == 2 else CONTAINERS[:2]:
            assert pickled(container, protocol, make()), f"{name} {container}"
        if protocol == 2 and name not in UNHEARD:  # what a reducer calls is no matter of the protocol
            with contextlib.suppress(AttributeError, TypeError):  # of what is made of the answer
                pickle.loads(pickle.dumps(make(), protocol))  # noqa: S301
            assert list(outside.iterdir()), name
        shutil.rmtree(outside)


@pytest.mark.needs("linux")
@pytest.mark.sweep(150)
def test_a_pickle_runs_nothing(cache: Path, command: Any, canary: int, watch: Watch, tmp_path: Path, trial: int):
    set_quiet(False)  # which `cache` has set
    source, before = random.Random(trial), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kinds = list(itertools.product(reducers(tmp_path / "outside", canary).items(), PROTOCOLS))
    for number in range(3):
        (name, make), protocol = kinds[(3 * trial + number) % len(kinds)]
        container, ending = source.choice(CONTAINERS), source.choice(ENDINGS)
        label, content = f"{name} {protocol} {container} {ending}", pickled(container, protocol, make())
        if number == 2:
            label, content = broken(source)
        path = tmp_path / f"model{number}{ending}"
        path.write_bytes(content)
        said = read(path)
        assert path.name in said or (said == "" and label in ("laughs", "storage")), f"{label}: {said}"
        made = command("registry", "new-entry", path, "--id", "vision/canary", "--architecture", "x",
                       "--task", "image-classification", "--feature-dim", 1, "--preprocess",
                       '{"kind": "text", "max_length": 8}')  # fmt: skip
        check_outcome(made, path.name, "parameters")
        for arguments in (("inspect", path), ("predict", path, path)):
            done = command(*arguments)
            check_outcome(done, path.name)
            assert done.code == 2, label
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024, label
        check_no_trace(watch, tmp_path, label)


@pytest.mark.needs("linux")
@pytest.mark.sweep(len(SITUATIONS))
def test_what_lies_around_runs_nothing(
    cache: Path,
    index: Path,
    hub: Any,
    zoo: Any,
    command: Any,
    canary: int,
    watch: Watch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trial: int,
    picture_file: Any,
    pictures: Path,
):
    set_quiet(False)
    watch.ports.add(int(hub.url.rpartition(":")[2]))
    label, build = SITUATIONS[trial]
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    shared = {"place": place, "outside": tmp_path / "outside", "port": canary, "index": index, "hub": hub}
    situation = build(**shared, zoo=zoo, model=picture_file.path, pictures=pictures)
    for name, value in situation.environment.items():
        monkeypatch.setenv(name, value)
    for arguments in situation.commands:
        done = command(*arguments)
        check_outcome(done, codes=situation.codes)
        assert "secret" not in done.out, label
        check_no_trace(watch, tmp_path, f"{label}: {arguments}")
    assert not [asked for asked in hub.requests if asked.endswith(".py")], label
    assert json.dumps(hub.requests).count("evil") == 0, label
